// See working_set.hpp.
#include "platform/windows/working_set.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace coffer::platform::windows_os {

namespace {

/// The first growth, and as many again in case that others of the process take the room.
constexpr int kAttempts = 4;
constexpr std::uint64_t kOverheadPages = 16;
constexpr std::uint64_t kPagesOfOnePageTable = 512;
/// What a process shall have above the minimum: as much as it was found with, up to this.
constexpr std::uint64_t kHeadroomMaxBytes = 4 << 20;
/// Given back only beyond this, so that an arena which breathes does not call the system each time.
constexpr std::uint64_t kKeptBytes = 4 << 20;

std::string list_of(const std::vector<std::uint64_t>& sizes) {
  return fmt::format("{}", fmt::join(sizes, ", "));
}

const char* remedy_of(const LockFailure& failure) {
  switch (failure.growth_code) {
    case kPrivilegeNotHeld:
      return "give this account the right 'Increase a process working set' (secpol.msc, Local "
             "Policies, "
             "User Rights Assignment: SeIncreaseWorkingSetPrivilege), sign in again and repeat the "
             "operation";
    case kAccessDenied:
      return "a job object or a security product limits this process's working set: raise the "
             "job's limit "
             "(JOB_OBJECT_LIMIT_WORKINGSET) and repeat the operation";
    case kInvalidParameter:
    case kNotEnoughMemory:
    case kOutOfMemory:
    case kNoSystemResources:
    case kCommitmentLimit:
    case kNotEnoughQuota:
      return "the machine has not that much memory to spare: close other programs, or open the "
             "store with "
             "a smaller budget of locked memory";
    case kSuccess:
      break;
    default:
      return "repeat the operation, or open the store with a smaller budget of locked memory";
  }
  if (failure.lock_code == kWorkingSetQuota) {
    return "other parts of this process take the room as fast as it is made: repeat the operation";
  }
  return "the working set is not what stopped it: look up the error's number";
}

}  // namespace

std::uint64_t WorkingSet::overhead_bytes(std::uint64_t locked_bytes) const {
  const std::uint64_t page = calls_.page_bytes();
  const std::uint64_t pages = (locked_bytes + page - 1) / page;
  return (kOverheadPages + (pages + kPagesOfOnePageTable - 1) / kPagesOfOnePageTable) * page;
}

/// With this minimum `locked_bytes` fit beside what the process had use for when it was found.
std::uint64_t WorkingSet::needed_minimum(std::uint64_t locked_bytes) const {
  return found_.minimum_bytes + locked_bytes + overhead_bytes(locked_bytes);
}

ErrorCode WorkingSet::grow_to(std::uint64_t minimum_bytes, const WorkingSetLimits& now) {
  const std::uint64_t headroom =
      std::clamp(found_.maximum_bytes - std::min(found_.maximum_bytes, found_.minimum_bytes),
                 kOverheadPages * calls_.page_bytes(), kHeadroomMaxBytes);
  WorkingSetLimits wanted = now;
  if (now.maximum_bytes < minimum_bytes + headroom) {
    wanted.maximum_bytes = minimum_bytes + headroom;
    if (const ErrorCode code = calls_.set_working_set(wanted); code != kSuccess) return code;
  }
  wanted.minimum_bytes = minimum_bytes;
  const ErrorCode code = calls_.set_working_set(wanted);
  if (code == kSuccess) {
    last_set_ = wanted;
    grown_ = true;
  }
  return code;
}

void WorkingSet::put_back(const WorkingSetLimits& before) noexcept {
  WorkingSetLimits now;
  if (calls_.working_set(now) == kSuccess && now != before) {
    static_cast<void>(calls_.set_working_set(before));
  }
}

bool WorkingSet::grow_and_lock(std::span<std::byte> range, LockFailure& failure) {
  WorkingSetLimits now = failure.before;
  std::uint64_t extra = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // By our own account first.  When that is no more than there is, others lock memory too, and the room
    // comes on top of what there is.
    std::uint64_t minimum = needed_minimum(locked_bytes_ + range.size()) + extra;
    if (minimum <= now.minimum_bytes) {
      minimum = now.minimum_bytes + range.size() + overhead_bytes(range.size());
    }
    failure.tried_minimums.push_back(minimum);
    failure.growth_code = grow_to(minimum, now);
    if (failure.growth_code != kSuccess) return false;
    failure.lock_code = calls_.lock(range);
    if (failure.lock_code == kSuccess) return true;
    if (failure.lock_code != kWorkingSetQuota) return false;
    failure.growth_code = calls_.working_set(now);
    if (failure.growth_code != kSuccess) return false;
    extra = 2 * extra + range.size();
  }
  return false;
}

bool WorkingSet::lock(std::span<std::byte> range, LockFailure& failure) {
  const std::lock_guard guard(mutex_);
  failure = {};
  failure.lock_code = calls_.lock(range);
  if (failure.lock_code != kSuccess) {
    failure.growth_code = calls_.working_set(failure.before);
    if (failure.growth_code == kSuccess && failure.lock_code == kWorkingSetQuota) {
      if (!found_known_) {
        found_ = failure.before;
        found_known_ = true;
      }
      failure.tried_minimums.reserve(kAttempts);  // what follows must not throw
      const auto set_before = last_set_;
      const bool grown_before = grown_;
      if (!grow_and_lock(range, failure)) {
        put_back(failure.before);
        last_set_ = set_before;
        grown_ = grown_before;
      }
      failure.sufficient_minimum_bytes = needed_minimum(locked_bytes_ + range.size());
    }
  }
  if (failure.lock_code == kSuccess && failure.growth_code == kSuccess) {
    locked_bytes_ += range.size();
    return true;
  }
  // What VirtualLock does with the part that it could lock is not documented.
  static_cast<void>(calls_.unlock(range));
  ++failed_locks_;
  return false;
}

void WorkingSet::give_back() noexcept {
  if (!grown_) return;
  WorkingSetLimits now;
  if (calls_.working_set(now) != kSuccess || now != last_set_) return;
  WorkingSetLimits wanted = found_;
  wanted.flags = now.flags;
  if (locked_bytes_ > 0) {
    wanted.minimum_bytes = needed_minimum(locked_bytes_);
    wanted.maximum_bytes = std::max(found_.maximum_bytes,
                                    now.maximum_bytes - (now.minimum_bytes - wanted.minimum_bytes));
    if (now.minimum_bytes < wanted.minimum_bytes + kKeptBytes) return;
  }
  if (calls_.set_working_set(wanted) != kSuccess) return;
  last_set_ = wanted;
  grown_ = locked_bytes_ > 0;
}

bool WorkingSet::unlock(std::span<std::byte> range) noexcept {
  const std::lock_guard guard(mutex_);
  const ErrorCode code = calls_.unlock(range);
  if (code != kSuccess && code != kNotLocked) return false;
  locked_bytes_ -= range.size();
  give_back();
  return true;
}

void WorkingSet::forget_locked(std::uint64_t bytes) noexcept {
  const std::lock_guard guard(mutex_);
  locked_bytes_ -= bytes;
}

void WorkingSet::count_unlocked(std::uint64_t bytes) noexcept {
  const std::lock_guard guard(mutex_);
  unlocked_plain_bytes_ += bytes;
}
void WorkingSet::discount_unlocked(std::uint64_t bytes) noexcept {
  const std::lock_guard guard(mutex_);
  unlocked_plain_bytes_ -= bytes;
}

LockAccount WorkingSet::account() const {
  const std::lock_guard guard(mutex_);
  LockAccount account;
  account.locked_bytes = locked_bytes_;
  account.unlocked_plain_bytes = unlocked_plain_bytes_;
  account.failed_locks = failed_locks_;
  WorkingSetLimits limits;
  if (calls_.working_set(limits) == kSuccess) {
    account.soft_limit_bytes = limits.minimum_bytes;
    account.hard_limit_bytes = limits.maximum_bytes;
  }
  return account;
}

MemoryLockError WorkingSet::error(std::uint64_t requested_bytes, const std::string& purpose,
                                  const LockFailure& failure) const {
  MemoryLockError::Numbers numbers;
  numbers.requested_bytes = requested_bytes;
  numbers.locked_bytes = account().locked_bytes;
  numbers.soft_limit_bytes = failure.before.minimum_bytes;
  numbers.hard_limit_bytes = failure.before.maximum_bytes;
  numbers.sufficient_limit_bytes = failure.sufficient_minimum_bytes;
  std::string growth;
  if (!failure.tried_minimums.empty()) {
    growth = fmt::format(", tried a minimum of {}", list_of(failure.tried_minimums));
    if (failure.growth_code != kSuccess) {
      growth += fmt::format(", refused: {} (error {})", calls_.text_of(failure.growth_code),
                            failure.growth_code);
    }
  }
  return {
      fmt::format(
          "cannot lock {} bytes of memory for {}: {} (error {}); {} bytes are locked, the working "
          "set is {} to {} bytes{}; {}",
          requested_bytes, purpose, calls_.text_of(failure.lock_code), failure.lock_code,
          numbers.locked_bytes, failure.before.minimum_bytes, failure.before.maximum_bytes, growth,
          remedy_of(failure)),
      numbers};
}

}  // namespace coffer::platform::windows_os
