// Records for tests of what goes wrong.
#pragma once

#include <algorithm>
#include <string>

namespace coffer::tools::test {

/// Records [from, to) as tsv.
inline std::string numbered_lines(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) {
    text += std::to_string(1'000'000 + i) + "\tvalue " + std::to_string(i) + "\n";
  }
  return text;
}

inline std::size_t count_lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace coffer::tools::test
