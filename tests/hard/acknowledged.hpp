// What a loading worker acknowledged, as it said it.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

namespace coffer::hard {

/// The last commit that a loading worker acknowledged, and its anchor.
struct Acknowledged {
  std::uint64_t number = 0;
  std::string anchor;
};
inline Acknowledged acknowledged_by(const std::string& said, Acknowledged before) {
  // A line that the kill cut off was never acknowledged.
  const std::string whole = said.substr(0, said.rfind('\n') + 1);
  std::istringstream lines(whole);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "ack") words >> before.number >> before.anchor;
  }
  return before;
}

}  // namespace coffer::hard
