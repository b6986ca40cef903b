// The records that every engine stores: a pure function of seed and number, so that none has to
// be kept to know what must be read back.  Random bytes, nobody's data: they need no locked memory.
#pragma once

#include <coffer/bytes.hpp>

#include <algorithm>
#include <array>
#include <bit>
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

/// In what order keys of rising numbers stand.
enum class Order : std::uint8_t { random, sequential };

class Records {
 public:
  explicit Records(std::uint64_t seed) : seed_(mix(seed)) {}

  /// Keys of different numbers differ.
  [[nodiscard]] RecordKey key(std::uint64_t number, Order order = Order::random) const {
    const std::uint64_t high = mix(seed_ ^ number);
    std::uint64_t words[] = {high, mix(high)};
    if (order == Order::sequential) words[0] = big_endian(number);
    RecordKey key;
    static_assert(sizeof words == sizeof key);
    std::memcpy(key.data(), words, sizeof words);
    return key;
  }
  /// A record that was changed has another value for each version.
  [[nodiscard]] RecordValue value(std::uint64_t number, std::uint64_t version = 0) const {
    RecordValue value;
    fill(value, number, version);
    return value;
  }
  /// The same of any length.
  void fill(std::span<std::byte> value, std::uint64_t number, std::uint64_t version = 0) const {
    std::uint64_t state = mix(seed_ + number + (version << 48));
    for (std::size_t at = 0; at < value.size(); at += sizeof state) {
      state = mix(state);
      std::memcpy(value.data() + at, &state, std::min(sizeof state, value.size() - at));
    }
  }

 private:
  [[nodiscard]] static std::uint64_t big_endian(std::uint64_t number) {
    std::uint64_t turned = 0;
    for (int byte = 0; byte < 8; ++byte) turned = turned << 8 | ((number >> (8 * byte)) & 0xff);
    return std::endian::native == std::endian::little ? turned : number;
  }

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

/// The sum of a long value's 64-bit words, as fast as memory is read: the time it takes is in every engine's figures.
/// Taken in pieces whose lengths are multiples of 8 but for the last, it is the same.
class WordSum {
 public:
  void add(Bytes bytes) {
    std::size_t at = 0;
    std::uint64_t sum = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, 8);
      sum += word;
    }
    std::uint64_t rest = 0;
    if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
    sum_ += sum + rest;
    bytes_ += bytes.size();
  }
  friend bool operator==(const WordSum&, const WordSum&) = default;

 private:
  std::uint64_t sum_ = 0;
  std::uint64_t bytes_ = 0;
};

/// The digest of the records in [first, last).
[[nodiscard]] Digest digest_of(const Records& records, std::uint64_t first, std::uint64_t last,
                               Order order = Order::random);
/// The numbers [0, count), shuffled.
[[nodiscard]] std::vector<std::uint32_t> shuffled(std::uint32_t count, std::uint64_t seed);
/// The numbers [0, count) in the order of their (random) keys.
[[nodiscard]] std::vector<std::uint32_t> by_key(const Records& records, std::uint32_t count);

/// Numbers in [0, count) of which few are drawn often: Zipf's law with exponent 0.99, by the method of Gray et al. 1994
/// (https://doi.org/10.1145/191839.191886) as YCSB has it.  0 is drawn most often.
class Zipf {
 public:
  explicit Zipf(std::uint64_t count);
  [[nodiscard]] std::uint64_t draw(std::uint64_t random) const;

 private:
  double count_;
  double zeta_;
  double eta_;
};

}  // namespace coffer::tools::bench
