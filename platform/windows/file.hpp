// Files by handle.  See file.cpp.
#pragma once

#include "platform/platform.hpp"
#include "platform/windows/handle.hpp"

namespace coffer::platform::windows_os {

/// Opens an existing regular file, or creates one that must not exist yet.
[[nodiscard]] std::unique_ptr<File> open_file(const Path& path, OpenMode mode);
[[nodiscard]] std::unique_ptr<File> create_file(const Path& path);

/// The handle of a file to be locked, made when absent.
[[nodiscard]] Handle open_to_lock(const Path& path, bool shared);

}  // namespace coffer::platform::windows_os
