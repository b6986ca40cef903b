// Frames, regions and buffers.  See workers.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>

#include "platform/locked_heap.hpp"
#include "tools/stress/workers.hpp"

namespace coffer::tools::stress {
namespace {

using Clock = std::chrono::steady_clock;

/// Words that follow from `seed`, so that nobody else's content looks like them.
class Pattern {
 public:
  explicit Pattern(std::uint64_t seed) : seed_(seed) {}
  void fill(std::span<std::byte> bytes) const {
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes.size();
         at += sizeof(std::uint64_t)) {
      const std::uint64_t word = word_at(at);
      std::memcpy(&bytes[at], &word, sizeof word);
    }
  }
  [[nodiscard]] bool fits(std::span<const std::byte> bytes) const {
    for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes.size();
         at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, &bytes[at], sizeof word);
      if (word != word_at(at)) return false;
    }
    return true;
  }

 private:
  [[nodiscard]] std::uint64_t word_at(std::size_t at) const {
    return (seed_ + at) * 0x9E3779B97F4A7C15u;
  }
  std::uint64_t seed_;
};

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class Taker {
 public:
  Taker(RunState& state, pager::FramePool& pool, unsigned index,
        std::map<std::string, Latency>& latencies)
      : state_(state),
        pool_(pool),
        random_(state.options.seed * 1000 + index),
        frame_take_(latencies["frame take"]),
        frame_give_(latencies["frame give"]),
        region_take_(latencies["region take"]),
        region_give_(latencies["region give"]),
        buffer_take_(latencies["buffer take"]),
        buffer_give_(latencies["buffer give"]) {
    const std::uint64_t page = state.platform.memory().page_bytes();
    for (const std::uint64_t size : state.options.sizes) {
      const std::uint64_t rounded = (size + page - 1) / page * page;
      if (rounded * kHeld <= state.shares.regions_each) sizes_.push_back(rounded);
    }
    if (sizes_.empty()) return;
    slot_bytes_ = *std::ranges::max_element(sizes_);
    region_ = state.platform.memory().reserve(slot_bytes_ * kHeld, state.options.policy,
                                              "the stress test");
  }
  ~Taker() {
    for (Frame& frame : frames_) give(frame);
    for (std::size_t slot = 0; slot < kHeld; ++slot) give(slot);
  }
  Taker(const Taker&) = delete;
  Taker& operator=(const Taker&) = delete;

  void step() {
    const Moment before = state_.moment();
    switch (random_() % 8) {
      case 0:
      case 1:
        if (region_) region_step(random_() % kHeld, before);
        break;
      case 2:
        buffer_step(before);
        break;
      default:
        frame_step(frames_[random_() % kHeld], before);
    }
  }

  /// Plant::leak and Plant::nowipe.
  void plant() {
    if (state_.options.plant == Plant::leak) {
      auto region =
          state_.platform.memory().reserve(4096, platform::LockPolicy::abort, "a planted leak");
      try {
        region->commit(0, state_.platform.memory().page_bytes());
      } catch (const MemoryLockError&) {
        return;
      }
      static_cast<void>(region.release());
      planted_ = true;
    } else if (state_.options.plant == Plant::nowipe) {
      const auto frame = pool_.try_take(pager::Claim::writer);
      if (!frame) return;
      const auto bytes = pool_.bytes(*frame);
      pool_.retire(*frame);
      bytes[bytes.size() / 2] = std::byte{0x5a};
      planted_ = true;
    }
  }
  [[nodiscard]] bool planted() const { return planted_; }

 private:
  static constexpr std::size_t kHeld = 4;
  struct Frame {
    pager::FrameIndex index = pager::kNoFrame;
    Pattern pattern{0};
  };
  struct Slot {
    std::uint64_t bytes = 0;
    Pattern pattern{0};
  };

  Pattern next_pattern() { return Pattern(random_()); }

  void expect_zero(std::span<const std::byte> bytes, const char* kind) {
    if (!is_zero(bytes))
      state_.violated(fmt::format("S2: a {} of {} bytes was not wiped", kind, bytes.size()));
  }
  void expect_intact(const Pattern& pattern, std::span<const std::byte> bytes, const char* kind) {
    if (!pattern.fits(bytes))
      state_.violated(fmt::format("S1: the content of a {} has changed", kind));
  }

  void frame_step(Frame& held, const Moment& before) {
    if (held.index != pager::kNoFrame) return give(held);
    try {
      const auto begin = Clock::now();
      held.index = pool_.take(pager::Claim::writer);
      frame_take_.add(Clock::now() - begin);
    } catch (const MemoryLockError& failure) {
      return state_.look_at_failure(failure, 0, before);
    }
    expect_zero(pool_.bytes(held.index), "frame");
    held.pattern = next_pattern();
    held.pattern.fill(pool_.bytes(held.index));
  }
  void give(Frame& held) {
    if (held.index == pager::kNoFrame) return;
    expect_intact(held.pattern, pool_.bytes(held.index), "frame");
    const auto begin = Clock::now();
    pool_.retire(held.index);
    frame_give_.add(Clock::now() - begin);
    held.index = pager::kNoFrame;
    ++state_.cycles;
  }

  std::span<std::byte> bytes_of(std::size_t slot) {
    return region_->bytes().subspan(slot * slot_bytes_, slots_[slot].bytes);
  }
  void region_step(std::size_t slot, const Moment& before) {
    Slot& held = slots_[slot];
    if (held.bytes != 0) return give(slot);
    const std::uint64_t size = sizes_[random_() % sizes_.size()];
    try {
      const auto begin = Clock::now();
      region_->commit(slot * slot_bytes_, size);
      region_take_.add(Clock::now() - begin);
    } catch (const MemoryLockError& failure) {
      return state_.look_at_failure(failure, size, before);
    }
    held.bytes = size;
    expect_zero(bytes_of(slot), "region");
    held.pattern = next_pattern();
    held.pattern.fill(bytes_of(slot));
  }
  void give(std::size_t slot) {
    Slot& held = slots_[slot];
    if (held.bytes == 0) return;
    expect_intact(held.pattern, bytes_of(slot), "region");
    const auto begin = Clock::now();
    region_->release(slot * slot_bytes_, held.bytes);
    region_give_.add(Clock::now() - begin);
    held.bytes = 0;
    ++state_.cycles;
  }

  // A heap is locked whole when it is made, so a new one now and then.
  void buffer_step(const Moment& before) {
    constexpr int kBuffersOfAHeap = 200;
    const std::uint64_t page = state_.platform.memory().page_bytes();
    const std::uint64_t heap_bytes = state_.shares.buffers_each / page * page;
    if (heap_bytes < 4 * page) return;
    if (!heap_ || ++buffers_taken_ > kBuffersOfAHeap) {
      heap_.reset();
      buffers_taken_ = 0;
      try {
        heap_ = std::make_unique<platform::LockedHeap>(state_.platform.memory(), heap_bytes,
                                                       state_.options.policy, "the stress test");
      } catch (const MemoryLockError& failure) {
        return state_.look_at_failure(failure, heap_bytes, before);
      }
    }
    auto begin = Clock::now();
    auto buffer = heap_->allocate(16 + random_() % page);
    buffer_take_.add(Clock::now() - begin);
    expect_zero(buffer.bytes(), "buffer");
    const Pattern pattern = next_pattern();
    pattern.fill(buffer.bytes());
    std::this_thread::yield();
    expect_intact(pattern, buffer.bytes(), "buffer");
    begin = Clock::now();
    buffer = platform::LockedBuffer();
    buffer_give_.add(Clock::now() - begin);
    ++state_.cycles;
  }

  RunState& state_;
  pager::FramePool& pool_;
  std::mt19937_64 random_;
  Latency& frame_take_;
  Latency& frame_give_;
  Latency& region_take_;
  Latency& region_give_;
  Latency& buffer_take_;
  Latency& buffer_give_;
  std::array<Frame, kHeld> frames_;
  std::vector<std::uint64_t> sizes_;
  std::uint64_t slot_bytes_ = 0;
  std::unique_ptr<platform::LockableRegion> region_;
  std::array<Slot, kHeld> slots_;
  std::unique_ptr<platform::LockedHeap> heap_;
  int buffers_taken_ = 0;
  bool planted_ = false;
};

}  // namespace

void run_taker(RunState& state, pager::FramePool& pool, unsigned index,
               std::map<std::string, Latency>& latencies) {
  constexpr int kStepsAtOnce = 64;
  std::optional<Taker> taker;
  {
    const std::shared_lock guard(state.gate);
    taker.emplace(state, pool, index, latencies);
  }
  const bool plants =
      index == 0 && (state.options.plant == Plant::leak || state.options.plant == Plant::nowipe);
  while (!state.stop.load(std::memory_order_relaxed)) {
    const std::shared_lock guard(state.gate);
    if (plants && !taker->planted()) taker->plant();
    for (int i = 0; i < kStepsAtOnce; ++i) taker->step();
  }
  const std::shared_lock guard(state.gate);
  taker.reset();
}

void take_one_of_each(RunState& state, pager::FramePool& pool) {
  std::map<std::string, Latency> unused;
  Taker taker(state, pool, state.options.threads, unused);
  // Long enough that each kind and size has had its turn.
  for (int i = 0; i < 500; ++i) taker.step();
}

}  // namespace coffer::tools::stress
