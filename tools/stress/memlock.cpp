// See memlock.hpp.
#include "tools/stress/memlock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <thread>

#include "tools/stress/workers.hpp"

namespace coffer::tools::stress {
namespace {

using Clock = std::chrono::steady_clock;

/// Squeezes and releases, compares accounts, forks, and presses, step by step; on the caller's thread.
class Conductor {
 public:
  Conductor(RunState& state, MemlockResult& result, std::uint64_t foreign_bytes)
      : state_(state),
        result_(result),
        foreign_bytes_(foreign_bytes),
        random_(state.options.seed) {}

  void step() {
    const std::uint64_t number = steps_++;
    if (state_.options.limits_from_outside) {
      watch_limits();
    } else if (number % kReleaseEvery == kReleaseEvery - 1) {
      release();
    } else {
      squeeze();
    }
    compare_accounts();
    if (number % kMappingsEvery == 0) count_mappings();
    if (number % kForkEvery == 0) fork();
    if (number % kPressEvery == kPressEvery / 2) press();
    if (state_.options.plant == Plant::miscount && number == kPlantAt)
      state_.side.lock_behind_the_account();
  }

  void release() {
    static_cast<void>(state_.side.squeeze_to(UINT64_MAX));
    if (state_.phase.load() % 2 == 0) ++state_.phase;
  }

  void compare_accounts() {
    const std::lock_guard alone(state_.gate);
    const auto account = state_.platform.memory().account();
    result_.locked_bytes_max = std::max(result_.locked_bytes_max, account.locked_bytes);
    result_.unlocked_plain_bytes_max =
        std::max(result_.unlocked_plain_bytes_max, account.unlocked_plain_bytes);
    const auto charged = state_.side.charged_bytes();
    if (!charged) return;
    ++result_.account_checks;
    const std::uint64_t own = account.locked_bytes + state_.side.squeezed_bytes() + foreign_bytes_;
    const std::uint64_t drift = std::max(own, *charged) - std::min(own, *charged);
    result_.drift_bytes_max = std::max(result_.drift_bytes_max, drift);
    if (drift != 0) {
      state_.violated(fmt::format(
          "S3: the system counts {} locked bytes, Coffer's account is {} beside {} of the squeeze",
          *charged, account.locked_bytes, state_.side.squeezed_bytes() + foreign_bytes_));
    }
  }

 private:
  static constexpr std::uint64_t kReleaseEvery = 4;
  static constexpr std::uint64_t kMappingsEvery = 6;
  static constexpr std::uint64_t kForkEvery = 5;
  static constexpr std::uint64_t kPressEvery = 40;
  static constexpr std::uint64_t kPlantAt = 3;

  void squeeze() {
    const auto room = state_.side.room_bytes();
    if (!room) return;
    const auto& limits = state_.options.limits;
    const std::uint64_t left =
        limits.empty() ? random_() % *room : limits[squeezes_++ % limits.size()];
    if (state_.phase.load() % 2 == 1) ++state_.phase;
    if (state_.side.squeeze_to(left)) ++result_.squeezes;
  }
  void watch_limits() {
    const auto now = state_.side.limits();
    if (now != limits_seen_) ++result_.squeezes;
    limits_seen_ = now;
  }
  void count_mappings() {
    constexpr std::uint64_t kGibibyte = 1 << 30;
    constexpr std::uint64_t kThreads = 8;
    constexpr std::uint64_t kMost = 64;
    const std::lock_guard alone(state_.gate);
    const auto count = state_.side.locked_mappings();
    if (!count) return;
    result_.locked_mappings_max = std::max(result_.locked_mappings_max, *count);
    const std::uint64_t bytes =
        state_.platform.memory().account().locked_bytes + state_.side.squeezed_bytes();
    const std::uint64_t shares = std::max((bytes + kGibibyte - 1) / kGibibyte,
                                          (state_.options.threads + kThreads - 1) / kThreads);
    if (*count > kMost * shares)
      state_.violated(fmt::format("S8: {} bytes are locked in {} mappings", bytes, *count));
  }
  void fork() {
    const auto wrong = state_.side.fork_and_look(state_.platform);
    if (!wrong) return;
    ++result_.forks;
    if (!wrong->empty()) state_.violated("S7: " + *wrong);
  }
  /// Ordinary memory, written to and given back: the system looks for pages to take from others.
  void press() const {
    constexpr std::size_t kPage = 4096;
    std::vector<char> memory;
    try {
      memory.resize(state_.options.pressure_bytes);
    } catch (const std::bad_alloc&) {
      return;
    }
    for (std::size_t at = 0; at < memory.size(); at += kPage) memory[at] = 1;
  }

  RunState& state_;
  MemlockResult& result_;
  const std::uint64_t foreign_bytes_;
  std::mt19937_64 random_;
  std::uint64_t steps_ = 0;
  std::uint64_t squeezes_ = 0;
  std::optional<SystemSide::Limits> limits_seen_ = state_.side.limits();
};

/// The workers, while they work.
class Workers {
 public:
  Workers(RunState& state, pager::FramePool& pool)
      : state_(state), latencies_(state.options.threads) {
    for (unsigned i = 0; i < state.shares.stores; ++i) {
      transactors_.push_back(std::make_unique<Transactor>(state, i));
    }
    for (unsigned i = 0; i < state.options.threads; ++i) {
      threads_.emplace_back([this, i, &pool] {
        guarded([&] {
          if (i < transactors_.size()) {
            transactors_[i]->run(latencies_[i]);
          } else {
            run_taker(state_, pool, i - static_cast<unsigned>(transactors_.size()), latencies_[i]);
          }
        });
      });
    }
  }
  ~Workers() { end(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void end() {
    state_.stop = true;
    threads_.clear();
  }
  /// When nothing is squeezed any more.
  void finish() {
    for (auto& transactor : transactors_) guarded([&] { transactor->finish(); });
    transactors_.clear();
  }
  void add_latencies_to(std::map<std::string, Latency>& all) const {
    for (const auto& own : latencies_) {
      for (const auto& [name, latency] : own) all[name].add(latency);
    }
  }

 private:
  template <class Body>
  void guarded(const Body& body) {
    try {
      body();
    } catch (const std::exception& wrong) {
      state_.violated(fmt::format("an operation failed with no reason to: {}", wrong.what()));
    }
  }

  RunState& state_;
  std::vector<std::map<std::string, Latency>> latencies_;
  std::vector<std::unique_ptr<Transactor>> transactors_;
  std::vector<std::jthread> threads_;
};

/// The median of many batches: a batch in which the thread had to wait for a processor says nothing.
std::chrono::duration<double, std::nano> time_of_frame_cycle(pager::FramePool& pool) {
  constexpr int kBatches = 101;
  constexpr int kTimes = 1000;
  std::array<std::chrono::duration<double, std::nano>, kBatches> times{};
  for (auto& time : times) {
    const auto begin = Clock::now();
    for (int i = 0; i < kTimes; ++i) pool.retire(pool.take(pager::Claim::writer));
    time = (Clock::now() - begin) / double{kTimes};
  }
  std::ranges::nth_element(times, times.begin() + kBatches / 2);
  return times[kBatches / 2];
}

void run_to_the_end(RunState& state, MemlockResult& result, Conductor& conductor,
                    const std::function<void(const MemlockState&)>& watch) {
  pager::FramePool pool(
      state.platform.memory(),
      {.page_bytes = 4096, .frame_bytes_max = state.shares.frames, .policy = state.options.policy});
  Workers workers(state, pool);
  const auto begin = Clock::now();
  const auto end = begin + state.options.duration;
  for (auto now = begin; now < end; now = Clock::now()) {
    conductor.step();
    const auto room = state.side.room_bytes();
    watch({.cycles = state.cycles,
           .locked_bytes = state.platform.memory().account().locked_bytes,
           .left_bytes = room ? std::optional(*room - state.side.squeezed_bytes()) : std::nullopt,
           .lock_failures = state.lock_failures,
           .violations = state.violations,
           .since_begin = Clock::now() - begin});
    std::this_thread::sleep_until(std::min(end, now + state.options.step));
  }
  workers.end();
  result.taken = Clock::now() - begin;
  conductor.release();
  take_one_of_each(state, pool);
  result.frame_cycle = time_of_frame_cycle(pool);
  workers.finish();
  workers.add_latencies_to(result.latencies);
}

}  // namespace

MemlockResult run_memlock(platform::Platform& platform, const MemlockOptions& options,
                          const std::function<void(const MemlockState&)>& watch) {
  MemlockResult result;
  const auto side = make_system_side(options.room_bytes_max);
  result.room_bytes = side->room_bytes();
  RunState state(platform, options, *side, shares_of(options, result.room_bytes));
  const auto before = platform.memory().account();
  const std::uint64_t foreign =
      side->charged_bytes().value_or(before.locked_bytes) - before.locked_bytes;
  Conductor conductor(state, result, foreign);
  run_to_the_end(state, result, conductor, watch);

  const auto after = platform.memory().account();
  if (after.locked_bytes != before.locked_bytes ||
      after.unlocked_plain_bytes != before.unlocked_plain_bytes) {
    state.violated(
        fmt::format("S6: {} bytes are still locked after the end, and {} in use unlocked",
                    after.locked_bytes - before.locked_bytes,
                    after.unlocked_plain_bytes - before.unlocked_plain_bytes));
  }
  conductor.compare_accounts();
  result.cycles = state.cycles;
  result.commits = state.commits;
  result.lock_failures = state.lock_failures;
  result.violations = state.violations;
  result.violation_texts = state.texts();
  return result;
}

}  // namespace coffer::tools::stress
