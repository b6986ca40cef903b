// A store with a key file, made by the command, for tests of the command.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/tools/command_driver.hpp"

namespace coffer::tools::test {

class StoreFixture {
 public:
  StoreFixture() {
    REQUIRE(coffer({"keygen", key_}).exit_code == 0);
    const Outcome created = with_key({"create", store_});
    INFO(created.err);
    REQUIRE(created.exit_code == 0);
  }

  [[nodiscard]] const std::string& store() const { return store_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ / name; }

  /// The words with --key-file in front.
  [[nodiscard]] std::vector<std::string> keyed(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--key-file", key_});
    return arguments;
  }
  [[nodiscard]] Outcome with_key(std::vector<std::string> arguments,
                                 const std::string& input = {}) const {
    return coffer(keyed(std::move(arguments)), input);
  }
  /// Runs with the key, which must end well; what it printed.
  std::string must(std::vector<std::string> arguments, const std::string& input = {}) const {
    const Outcome outcome = with_key(std::move(arguments), input);
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    return outcome.out;
  }

 private:
  TemporaryFolder folder_;
  std::string key_ = folder_ / "key";
  std::string store_ = folder_ / "store";
};

/// One line that begins as every error of the command does.
inline bool is_one_error_line(const std::string& text) {
  return text.starts_with("coffer: ") && text.find('\n') == text.size() - 1;
}

}  // namespace coffer::tools::test
