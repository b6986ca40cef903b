#include "tools/bench/records.hpp"

#include <numeric>
#include <utility>

namespace coffer::tools::bench {

Digest digest_of(const Records& records, std::uint64_t first, std::uint64_t last) {
  Digest digest;
  for (std::uint64_t number = first; number < last; ++number) {
    const RecordKey key = records.key(number);
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

}  // namespace coffer::tools::bench
