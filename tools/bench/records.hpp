// The records that every contender stores: a pure function of seed and number, so that none has to
// be kept to know what must be read back.  Random bytes, nobody's data: they need no locked memory.
#pragma once

#include <coffer/bytes.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace coffer::tools::bench {

inline constexpr std::size_t kKeyBytes = 16;
inline constexpr std::size_t kValueBytes = 100;

using RecordKey = std::array<std::byte, kKeyBytes>;
using RecordValue = std::array<std::byte, kValueBytes>;

/// SplitMix64 (Steele, Lea, Flood 2014, https://doi.org/10.1145/2660193.2660195): a bijection of
/// 64-bit numbers whose outputs look random.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t number) {
  std::uint64_t z = number + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

class Records {
 public:
  explicit Records(std::uint64_t seed) : seed_(mix(seed)) {}

  /// Keys of different numbers differ and are in no order.
  [[nodiscard]] RecordKey key(std::uint64_t number) const {
    const std::uint64_t high = mix(seed_ ^ number);
    const std::uint64_t words[] = {high, mix(high)};
    RecordKey key;
    static_assert(sizeof words == sizeof key);
    std::memcpy(key.data(), words, sizeof words);
    return key;
  }
  [[nodiscard]] RecordValue value(std::uint64_t number) const {
    std::uint64_t state = mix(seed_ + number);
    RecordValue value;
    for (std::size_t at = 0; at < value.size(); at += sizeof state) {
      state = mix(state);
      std::memcpy(value.data() + at, &state, std::min(sizeof state, value.size() - at));
    }
    return value;
  }

 private:
  std::uint64_t seed_;
};

/// What was read, whatever its order: the number of records, and a sum of hashes over every byte of
/// their values (and keys, where a workload reads them).
struct Digest {
  std::uint64_t records = 0;
  std::uint64_t sum = 0;

  /// A value that belongs to a key.  Both take part, so that a value under a wrong key shows.
  void add(Bytes key, Bytes value) {
    ++records;
    sum += mix(fold(value) ^ fold(key));
  }
  friend bool operator==(const Digest&, const Digest&) = default;

 private:
  [[nodiscard]] static std::uint64_t fold(Bytes bytes) {
    std::uint64_t hash = bytes.size();
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
      hash ^= hash >> 29;
    }
    std::uint64_t rest = 0;
    if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
    return (hash ^ rest) * 0xbf58476d1ce4e5b9u;
  }
};

/// The digest of the records in [first, last).
[[nodiscard]] Digest digest_of(const Records& records, std::uint64_t first, std::uint64_t last);
/// The numbers [0, count), shuffled.
[[nodiscard]] std::vector<std::uint32_t> shuffled(std::uint32_t count, std::uint64_t seed);

}  // namespace coffer::tools::bench
