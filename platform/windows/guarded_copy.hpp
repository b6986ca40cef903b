// A copy out of memory that may fail to be there.
#pragma once

#include <cstddef>
#include <span>

namespace coffer::platform::windows_os {

/// False when a page of `from` could not be read (EXCEPTION_IN_PAGE_ERROR); `to` is then partly written.
[[nodiscard]] bool copy_guarded(std::span<std::byte> to, const std::byte* from);

}  // namespace coffer::platform::windows_os
