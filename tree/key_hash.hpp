// The hash of a key that stands beside its cell's place in a leaf (node_format.hpp).
//
// A lookup finds the cell by it without touching other cells, each of which is likely in no cache.  It
// is part of the format, so it is written out here and not a library's, whose next version may give
// another.  It need not withstand an adversary: a key whose hash another key has is searched for.
//
// Multiplicative (Knuth, The Art of Computer Programming, volume 3, section 6.4: the multiplier is 2^64
// divided by the golden ratio, made odd), the upper half folded down between words since a product's low
// bits know nothing of its factors' high ones.
#pragma once

#include <coffer/bytes.hpp>

#include <bit>
#include <cstdint>
#include <cstring>

namespace coffer::tree {

inline constexpr std::uint64_t kKeyHashMultiplier = 0x9e3779b97f4a7c15;

/// The state begins as the key's length.  For each word of 8 bytes, little-endian and the last filled up
/// with zeros: state = (state ^ (state >> 32) ^ word) * multiplier.  The hash is bits 48 to 63 of the last.
[[nodiscard]] inline std::uint16_t key_hash(Bytes key) {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::size_t kWordBytes = sizeof(std::uint64_t);
  std::uint64_t state = key.size();
  const std::byte* at = key.data();
  std::size_t left = key.size();
  const auto take = [&state](std::uint64_t word) {
    state = (state ^ (state >> 32) ^ word) * kKeyHashMultiplier;
  };
  for (; left >= kWordBytes; left -= kWordBytes, at += kWordBytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, kWordBytes);
    take(word);
  }
  if (left != 0) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, left);
    take(word);
  }
  return static_cast<std::uint16_t>(state >> 48);
}

}  // namespace coffer::tree
