// Rows of the diagnostics, and machines that are arranged for them.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "platform/platform.hpp"
#include "tests/tools/command_driver.hpp"
#include "tools/doctor/probes.hpp"

namespace coffer::tools::test {

/// As the command prints it.
struct Row {
  std::string level;
  std::string found;
  std::string remedy;
};

/// All rows of a report in JSON.
inline std::map<std::string, Row> rows_of(const std::string& report) {
  std::map<std::string, Row> rows;
  const auto parsed = nlohmann::json::parse(report);
  for (const auto& row : parsed.at("findings")) {
    rows[row.at("id")] = {.level = row.at("level"),
                          .found = row.at("found"),
                          .remedy = row.value("remedy", std::string())};
  }
  return rows;
}

/// The native system but for what a test puts in its place.
class ArrangedPlatform final : public platform::Platform, private platform::Memory {
 public:
  platform::FileSystem* other_files = nullptr;
  platform::Entropy* other_entropy = nullptr;
  std::uint64_t other_page_bytes = 0;

  [[nodiscard]] platform::FileSystem& files() override {
    return other_files != nullptr ? *other_files : native_.files();
  }
  [[nodiscard]] platform::Memory& memory() override { return *this; }
  [[nodiscard]] platform::Clock& clock() override { return native_.clock(); }
  [[nodiscard]] platform::Entropy& entropy() override {
    return other_entropy != nullptr ? *other_entropy : native_.entropy();
  }
  [[nodiscard]] bool forked() const noexcept override { return native_.forked(); }

 private:
  [[nodiscard]] std::uint64_t page_bytes() const override {
    return other_page_bytes != 0 ? other_page_bytes : native_.memory().page_bytes();
  }
  [[nodiscard]] std::unique_ptr<platform::LockableRegion> reserve(
      std::uint64_t length, platform::LockPolicy policy, std::string purpose,
      bool excluded_from_dumps) override {
    return native_.memory().reserve(length, policy, std::move(purpose), excluded_from_dumps);
  }
  [[nodiscard]] platform::LockAccount account() const override {
    return native_.memory().account();
  }

  platform::Platform& native_ = platform::native_platform();
};

/// For a store of 64 MiB of locked memory in a directory that is there.
inline doctor::Context context_on(platform::Platform& machine) {
  return {.platform = machine,
          .system = SystemFiles(),
          .wanted_locked_bytes = 64 << 20,
          .directory = std::filesystem::temp_directory_path()};
}

}  // namespace coffer::tools::test
