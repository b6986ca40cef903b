// How long operations took: a histogram of eight steps to each doubling, so that a percentile is within 9 % of the
// truth at any size and adding costs a few nanoseconds.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace coffer::tools {

class Latency {
 public:
  void add(std::chrono::nanoseconds time) noexcept {
    const auto ns = static_cast<std::uint64_t>(time.count() < 0 ? 0 : time.count());
    ++counts_[step_of(ns)];
    ++count_;
    if (ns > max_) max_ = ns;
  }
  void add(const Latency& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t max_nanoseconds() const { return max_; }
  /// The upper edge of the step in which the `share` (0 to 1) lies; 0 when nothing was added.
  [[nodiscard]] std::uint64_t percentile(double share) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t step = 0; step < counts_.size(); ++step) {
      seen += counts_[step];
      if (seen > wanted || (seen == count_ && count_ > 0)) return std::min(edge_of(step), max_);
    }
    return 0;
  }

 private:
  static constexpr unsigned kStepBits = 3;
  static constexpr std::size_t kSteps = (64 - kStepBits + 1) << kStepBits;

  // Numbers below 8 have a step each; above, the three bits behind the highest one choose.
  static std::size_t step_of(std::uint64_t ns) noexcept {
    if (ns < (1u << kStepBits)) return static_cast<std::size_t>(ns);
    const auto doubling = static_cast<unsigned>(std::bit_width(ns)) - kStepBits - 1;
    return (std::size_t{doubling + 1} << kStepBits) + ((ns >> doubling) & ((1u << kStepBits) - 1));
  }
  static std::uint64_t edge_of(std::size_t step) noexcept {
    if (step < (1u << kStepBits)) return step;
    const auto doubling = static_cast<unsigned>(step >> kStepBits) - 1;
    const std::uint64_t first = ((std::uint64_t{1} << kStepBits) | (step & ((1u << kStepBits) - 1)))
                                << doubling;
    return first + (std::uint64_t{1} << doubling) - 1;
  }

  std::array<std::uint64_t, kSteps> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace coffer::tools
