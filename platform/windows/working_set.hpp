// Locking on Windows: how much a process may lock follows from its minimum working set, so the set is grown
// when it is too small, and given back when it is no longer needed.
//
// VirtualLock can lock as many pages as the minimum working set has, less a small overhead, and fails with
// ERROR_WORKING_SET_QUOTA beyond that (its documentation on learn.microsoft.com).
//
// W1  All locks, unlocks and changes of the working set go through one object in a process and its mutex:
//     what one thread has grown, no other of ours takes before the retry.
// W2  The working set is never made smaller than it was found: only what was grown here is given back, and
//     not when somebody else has set it since.
// W3  The maximum is raised before the minimum when it leaves no room above the new minimum.
// W4  Attempts are bounded.  Each failure leaves the working set as it was and nothing locked.
// W5  A failure names the sizes that were tried, and the error that ended it.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <coffer/error.hpp>

#include "platform/platform.hpp"
#include "platform/windows/memory_calls.hpp"

namespace coffer::platform::windows_os {

/// Why a lock failed.
struct LockFailure {
  ErrorCode lock_code = kSuccess;    ///< of the last VirtualLock
  ErrorCode growth_code = kSuccess;  ///< of the growth that was refused, if one was
  WorkingSetLimits before;           ///< as it was found
  std::vector<std::uint64_t> tried_minimums;
  std::uint64_t sufficient_minimum_bytes = 0;  ///< 0: no size helps
};

class WorkingSet {
 public:
  /// `calls` outlives it.
  explicit WorkingSet(MemoryCalls& calls) : calls_(calls) {}
  WorkingSet(const WorkingSet&) = delete;
  WorkingSet& operator=(const WorkingSet&) = delete;

  /// Locks committed pages that are not locked.  False with the reason in `failure`.
  [[nodiscard]] bool lock(std::span<std::byte> range, LockFailure& failure);
  /// False when the system refuses: the pages count as locked until they are decommitted.
  bool unlock(std::span<std::byte> range) noexcept;

  void count_unlocked(std::uint64_t bytes) noexcept;
  void discount_unlocked(std::uint64_t bytes) noexcept;
  /// Once for pages that could not be unlocked and whose memory is gone now.
  void forget_locked(std::uint64_t bytes) noexcept;

  /// The limits in it are the minimum and the maximum working set.
  [[nodiscard]] LockAccount account() const;
  /// What to throw for a failed lock of `requested_bytes` for `purpose`.
  [[nodiscard]] MemoryLockError error(std::uint64_t requested_bytes, const std::string& purpose,
                                      const LockFailure& failure) const;

  /// What is kept free above what is locked: the system's own overhead ("small", says the documentation), and
  /// a page of page tables for each 512 pages.
  [[nodiscard]] std::uint64_t overhead_bytes(std::uint64_t locked_bytes) const;

 private:
  [[nodiscard]] std::uint64_t needed_minimum(std::uint64_t locked_bytes) const;
  ErrorCode grow_to(std::uint64_t minimum_bytes, const WorkingSetLimits& now);
  bool grow_and_lock(std::span<std::byte> range, LockFailure& failure);
  void put_back(const WorkingSetLimits& before) noexcept;
  void give_back() noexcept;

  MemoryCalls& calls_;
  mutable std::mutex mutex_;
  // Under the mutex.
  bool found_known_ = false;
  WorkingSetLimits found_;     ///< before the first growth
  WorkingSetLimits last_set_;  ///< by the last growth
  bool grown_ = false;
  std::uint64_t locked_bytes_ = 0;
  std::uint64_t unlocked_plain_bytes_ = 0;
  std::uint64_t failed_locks_ = 0;
};

}  // namespace coffer::platform::windows_os
