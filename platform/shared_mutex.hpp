// A lock that many may hold shared, or one alone: std::shared_mutex, where that can be relied on.
//
// mingw-w64 builds std::shared_mutex on winpthreads' rwlock, whose first users race (msys2/MINGW-packages
// issue 25193): a reader and a writer are let in together.  On Windows it is therefore the system's own
// SRWLOCK.  That may hold back readers while another one is inside (microsoft/STL issue 4448), so no holder
// ever waits for another thread that has yet to take the lock shared.
//
// Used through std::shared_lock, std::lock_guard and std::unique_lock, like the standard's.  Not recursive,
// neither moved nor copied; destroyed when nobody holds it.
#pragma once

#ifdef _WIN32

namespace coffer::platform {

class SharedMutex {
 public:
  SharedMutex() = default;
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  void lock() noexcept;
  [[nodiscard]] bool try_lock() noexcept;
  void unlock() noexcept;
  void lock_shared() noexcept;
  [[nodiscard]] bool try_lock_shared() noexcept;
  void unlock_shared() noexcept;

 private:
  void* lock_ = nullptr;  // an SRWLOCK: windows.h stays out of the layers above
};

}  // namespace coffer::platform

#else

#include <shared_mutex>

namespace coffer::platform {

using SharedMutex = std::shared_mutex;

}  // namespace coffer::platform

#endif
