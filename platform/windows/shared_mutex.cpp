// See platform/shared_mutex.hpp.
#include "platform/shared_mutex.hpp"

#include <windows.h>

#include <memory>

namespace coffer::platform {
namespace {

static_assert(sizeof(SRWLOCK) == sizeof(void*) && alignof(SRWLOCK) == alignof(void*));

// SRWLOCK_INIT is a null pointer in the structure's only member.
SRWLOCK* srw(void*& lock) {
  return reinterpret_cast<SRWLOCK*>(std::addressof(lock));
}

}  // namespace

void SharedMutex::lock() noexcept {
  ::AcquireSRWLockExclusive(srw(lock_));
}
bool SharedMutex::try_lock() noexcept {
  return ::TryAcquireSRWLockExclusive(srw(lock_)) != 0;
}
void SharedMutex::unlock() noexcept {
  ::ReleaseSRWLockExclusive(srw(lock_));
}
void SharedMutex::lock_shared() noexcept {
  ::AcquireSRWLockShared(srw(lock_));
}
bool SharedMutex::try_lock_shared() noexcept {
  return ::TryAcquireSRWLockShared(srw(lock_)) != 0;
}
void SharedMutex::unlock_shared() noexcept {
  ::ReleaseSRWLockShared(srw(lock_));
}

}  // namespace coffer::platform
