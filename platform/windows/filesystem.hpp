// Names, directories and locks.  See filesystem.cpp.
#pragma once

#include "platform/platform.hpp"

namespace coffer::platform::windows_os {

[[nodiscard]] std::unique_ptr<FileSystem> make_file_system();

/// See FileSystem::lock.
[[nodiscard]] std::unique_ptr<FileLock> lock_file(const Path& path, bool shared);

}  // namespace coffer::platform::windows_os
