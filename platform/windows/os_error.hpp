// From GetLastError() to what Coffer throws.
#pragma once

#include <string>

#include "platform/platform.hpp"
#include "platform/windows/memory_calls.hpp"

namespace coffer::platform::windows_os {

/// The system's text for an error number, in one line of UTF-8.
[[nodiscard]] std::string text_of(ErrorCode code);

/// Raises NoSpace for a full disk or quota, otherwise IoError.  `operation` is a verb phrase ("write 4096 bytes
/// at offset 0 of"); the path is put behind it.
[[noreturn]] void raise(const std::string& operation, const Path& path, ErrorCode code);

/// The number of the call that just failed.
[[nodiscard]] ErrorCode last_error() noexcept;

/// The name as the system takes it at any length: absolute, and with the prefix that lifts MAX_PATH where it
/// is long (Maximum Path Length Limitation, learn.microsoft.com).
[[nodiscard]] std::wstring native_path(const Path& path);

}  // namespace coffer::platform::windows_os
