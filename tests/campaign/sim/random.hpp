// Random numbers that are the same on every machine: the standard's distributions are not.
#pragma once

#include <cstdint>

namespace coffer::campaign::sim {

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), the finaliser.
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}
/// A seed that follows from two numbers.
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  return mixed(mixed(a + 0x9E3779B97F4A7C15ull) + b);
}

/// The generator of that paper.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(mixed(seed, 0)) {}
  constexpr std::uint64_t operator()() { return mixed(state_ += 0x9E3779B97F4A7C15ull); }
  /// Less than `bound`, which is not 0.
  constexpr std::uint64_t below(std::uint64_t bound) { return (*this)() % bound; }
  constexpr bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace coffer::campaign::sim
