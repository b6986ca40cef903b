// The one warning of LockPolicy::proceed_unlocked.
#pragma once

#include <functional>

#include <coffer/error.hpp>

namespace coffer::platform {

/// Tells standard error, the first time in this process, that plaintext goes into unlocked memory, with what
/// `why` says of it.  The others are counted only: a warning for each would drown everything else.
void warn_unlocked_once(const std::function<MemoryLockError()>& why) noexcept;

}  // namespace coffer::platform
