#include "tools/bench/records.hpp"

#include <cmath>
#include <numeric>
#include <utility>

namespace coffer::tools::bench {
namespace {

constexpr double kZipfExponent = 0.99;

double zeta(std::uint64_t count) {
  double sum = 0;
  for (std::uint64_t i = 1; i <= count; ++i)
    sum += 1 / std::pow(static_cast<double>(i), kZipfExponent);
  return sum;
}

}  // namespace

Digest digest_of(const Records& records, std::uint64_t first, std::uint64_t last, Order order) {
  Digest digest;
  for (std::uint64_t number = first; number < last; ++number) {
    const RecordKey key = records.key(number, order);
    const RecordValue value = records.value(number);
    digest.add(std::span(key), std::span(value));
  }
  return digest;
}

std::vector<std::uint32_t> shuffled(std::uint32_t count, std::uint64_t seed) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0u);
  std::uint64_t state = mix(~seed);
  for (std::uint32_t left = count; left > 1; --left) {
    state = mix(state);
    std::swap(numbers[left - 1], numbers[state % left]);
  }
  return numbers;
}

std::vector<std::uint32_t> by_key(const Records& records, std::uint32_t count) {
  std::vector<std::uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0u);
  std::ranges::sort(numbers, [&](std::uint32_t a, std::uint32_t b) {
    const RecordKey left = records.key(a);
    const RecordKey right = records.key(b);
    return compare(std::span(left), std::span(right)) < 0;
  });
  return numbers;
}

Zipf::Zipf(std::uint64_t count) : count_(static_cast<double>(count)), zeta_(zeta(count)) {
  const double zeta_of_two = 1 + std::pow(0.5, kZipfExponent);
  eta_ = count < 3 ? 1 : (1 - std::pow(2 / count_, 1 - kZipfExponent)) / (1 - zeta_of_two / zeta_);
}

std::uint64_t Zipf::draw(std::uint64_t random) const {
  const double u = static_cast<double>(random >> 11) * 0x1.0p-53;
  const double uz = u * zeta_;
  if (uz < 1) return 0;
  if (uz < 1 + std::pow(0.5, kZipfExponent)) return count_ < 2 ? 0 : 1;
  const double drawn = count_ * std::pow(eta_ * u - eta_ + 1, 1 / (1 - kZipfExponent));
  return static_cast<std::uint64_t>(std::min(drawn, count_ - 1));
}

}  // namespace coffer::tools::bench
