// What this process has locked, what it may lock, and what to say when that is too little.
//
// One account for the process, not one for each platform object: the operating system keeps its own
// count (VmLck) by process, and the limit is on that.
#pragma once

#include <coffer/error.hpp>
#include <cstdint>
#include <string>

#include "platform/platform.hpp"

namespace coffer::platform::linux_os {

[[nodiscard]] LockAccount read_account();

void add_locked(std::uint64_t bytes) noexcept;
void subtract_locked(std::uint64_t bytes) noexcept;
void add_unlocked_plain(std::uint64_t bytes) noexcept;
void subtract_unlocked_plain(std::uint64_t bytes) noexcept;
void count_failed_lock() noexcept;

/// Raises the soft limit on locked memory to the hard one; that takes no privilege.  False when
/// there was nothing to raise or the system refuses.
bool raise_soft_limit() noexcept;

/// What to throw for a lock of `requested_bytes` for `purpose` that failed with `code` (errno).  To
/// be asked after what was done of it is undone: the kernel's count of locked memory goes into the
/// remedy.
[[nodiscard]] MemoryLockError lock_error(std::uint64_t requested_bytes, const std::string& purpose,
                                         int code);

}  // namespace coffer::platform::linux_os
