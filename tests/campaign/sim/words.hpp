// The words of a replay, `name=value` one behind the other, and two threads for a gate.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/campaign/gate.hpp"

namespace coffer::campaign::sim {

class Words {
 public:
  explicit Words(std::string_view text) {
    while (!text.empty()) {
      const std::string_view word = text.substr(0, text.find(' '));
      text.remove_prefix(std::min(text.size(), word.size() + 1));
      const std::size_t equals = word.find('=');
      if (equals == std::string_view::npos) continue;
      values_[std::string(word.substr(0, equals))] = word.substr(equals + 1);
    }
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::string() : found->second;
  }
  [[nodiscard]] std::uint64_t number(const std::string& name, std::uint64_t otherwise = 0) const {
    const auto found = values_.find(name);
    return found == values_.end() ? otherwise : std::stoull(found->second);
  }

 private:
  std::map<std::string, std::string> values_;
};

/// Runs `share(0)` and `share(1)` at the same time; what either throws is a violation.
inline void in_two_threads(GateRun& run, const std::function<void(unsigned)>& share) {
  // A store's memory is given back and taken again thousands of times a second: not to the system each time.
  ::mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
  const auto guarded = [&](unsigned which) {
    try {
      share(which);
    } catch (const std::exception& e) {
      run.violated(std::string("the gate ended with an exception: ") + e.what(),
                   "--seed " + std::to_string(run.seed()));
    }
  };
  std::thread other([&] { guarded(1); });
  guarded(0);
  other.join();
}

}  // namespace coffer::campaign::sim
