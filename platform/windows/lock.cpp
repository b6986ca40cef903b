// One holder at a time, in this process and in all others.
//
// LockFileEx excludes by handle, in this process as in others; the system ends a lock with the process that held
// it.  The lock is on one byte far behind any content, so that reading the file stays possible (locks are
// mandatory here).  Nobody can delete or rename the file while it is held (open_to_lock).
#include <fmt/format.h>

#include <coffer/error.hpp>

#include "platform/windows/file.hpp"
#include "platform/windows/filesystem.hpp"
#include "platform/windows/os_error.hpp"

namespace coffer::platform::windows_os {

namespace {

constexpr std::uint64_t kLockedByteAt = std::uint64_t{1} << 62;

class WindowsFileLock final : public FileLock {
 public:
  explicit WindowsFileLock(Handle handle) : handle_(std::move(handle)) {}
  // Closing would end it too, but at some time that the system chooses.
  ~WindowsFileLock() override {
    OVERLAPPED at = position_of(kLockedByteAt);
    ::UnlockFileEx(handle_.get(), 0, 1, 0, &at);
  }
  WindowsFileLock(const WindowsFileLock&) = delete;
  WindowsFileLock& operator=(const WindowsFileLock&) = delete;

 private:
  Handle handle_;
};

}  // namespace

std::unique_ptr<FileLock> lock_file(const Path& path, bool shared) {
  Handle handle = open_to_lock(path, shared);
  OVERLAPPED at = position_of(kLockedByteAt);
  const DWORD flags = LOCKFILE_FAIL_IMMEDIATELY | (shared ? 0 : LOCKFILE_EXCLUSIVE_LOCK);
  if (::LockFileEx(handle.get(), flags, 0, 1, 0, &at) == 0) {
    const ErrorCode code = last_error();
    if (code == ERROR_LOCK_VIOLATION || code == ERROR_IO_PENDING) {
      throw Busy(fmt::format(
          "'{}' is locked by this process or another; close the store there or wait, then open "
          "it again",
          path.string()));
    }
    raise("lock", path, code);
  }
  return std::make_unique<WindowsFileLock>(std::move(handle));
}

}  // namespace coffer::platform::windows_os
