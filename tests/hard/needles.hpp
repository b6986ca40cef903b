// Pieces of planted bytes, and the search for them in what a process left somewhere.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <set>
#include <string_view>
#include <vector>

#include "tests/hard/workload.hpp"

namespace coffer::hard {

using Needle = std::array<char, 16>;

/// All pieces of the run that `seed` names (at most 64 bytes of it).
inline void add_needles(std::set<Needle>& all, std::uint64_t seed, std::size_t size) {
  std::array<std::byte, 64> bytes{};
  fill_bytes(seed, 0, bytes);
  for (std::size_t at = 0; at < size; at += 16) {
    Needle needle{};
    std::memcpy(needle.data(), bytes.data() + at, needle.size());
    all.insert(needle);
  }
}

/// How many there are, at any place.
inline std::uint64_t found_in(std::string_view dump, const std::set<Needle>& wanted) {
  const auto prefix = [](const char* at) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, at, 3);
    return bits;
  };
  std::vector<bool> begins(1u << 24);
  for (const Needle& needle : wanted) begins[prefix(needle.data())] = true;
  std::uint64_t found = 0;
  for (std::size_t at = 0; at + 16 <= dump.size(); ++at) {
    if (!begins[prefix(dump.data() + at)]) continue;
    Needle here{};
    std::memcpy(here.data(), dump.data() + at, here.size());
    found += wanted.contains(here) ? 1 : 0;
  }
  return found;
}

}  // namespace coffer::hard
