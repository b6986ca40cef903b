// What the threads of a stress run share.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "platform/shared_mutex.hpp"
#include "tools/stress/memlock.hpp"
#include "tools/stress/system_side.hpp"

namespace coffer::tools::stress {

/// How much locked memory each part of the run may have, so that all of it has room when nothing is squeezed.
struct Shares {
  std::uint64_t frames = 0;        ///< of the common pool
  std::uint64_t regions_each = 0;  ///< of each worker's regions together
  std::uint64_t buffers_each = 0;  ///< of each worker's heap
  std::uint64_t store = 0;         ///< of each store; 0: no room for one
  unsigned stores = 0;
};
[[nodiscard]] Shares shares_of(const MemlockOptions& options,
                               std::optional<std::uint64_t> room_bytes);

/// Workers hold it shared in every step; whoever compares accounts holds it alone, and is let in soon: a shared mutex
/// alone lets readers in for ever.
class Gate {
 public:
  void lock_shared() {
    for (;;) {
      closing_.wait(true);
      mutex_.lock_shared();
      if (!closing_.load()) return;
      mutex_.unlock_shared();
    }
  }
  void unlock_shared() { mutex_.unlock_shared(); }
  void lock() {
    closing_ = true;
    mutex_.lock();
  }
  void unlock() {
    mutex_.unlock();
    closing_ = false;
    closing_.notify_all();
  }

 private:
  std::atomic<bool> closing_{false};
  platform::SharedMutex mutex_;
};

/// What an operation began in.
struct Moment {
  std::uint64_t phase = 0;
  std::optional<SystemSide::Limits> limits;  ///< where others may change them
};

class RunState {
 public:
  RunState(platform::Platform& on, const MemlockOptions& with, SystemSide& system,
           const Shares& shared)
      : platform(on), options(with), side(system), shares(shared) {}

  platform::Platform& platform;
  const MemlockOptions& options;
  SystemSide& side;
  const Shares shares;

  std::atomic<bool> stop{false};
  Gate gate;
  /// Odd while nothing is squeezed.  A failure for want of room is wrong when it began and ended in the same odd phase.
  std::atomic<std::uint64_t> phase{1};
  std::atomic<std::uint64_t> cycles{0};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> lock_failures{0};
  std::atomic<std::uint64_t> violations{0};

  void violated(const std::string& what) {
    constexpr std::size_t kShown = 20;
    ++violations;
    const std::lock_guard guard(texts_mutex_);
    if (texts_.size() < kShown) texts_.push_back(what);
  }
  /// S4 and S5 of a lock that failed.  `requested_bytes` 0: more than one size may have been asked for.
  void look_at_failure(const MemoryLockError& failure, std::uint64_t requested_bytes,
                       const Moment& before);
  /// To be asked for before something that may fail.
  [[nodiscard]] Moment moment() const {
    return {phase.load(), options.limits_from_outside ? side.limits() : std::nullopt};
  }
  [[nodiscard]] std::vector<std::string> texts() {
    const std::lock_guard guard(texts_mutex_);
    return texts_;
  }

 private:
  std::mutex texts_mutex_;
  std::vector<std::string> texts_;
};

}  // namespace coffer::tools::stress
