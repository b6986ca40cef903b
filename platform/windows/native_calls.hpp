// MemoryCalls answered by Windows itself.
#pragma once

#include "platform/windows/memory_calls.hpp"

namespace coffer::platform::windows_os {

/// One for the process; lives for ever.
[[nodiscard]] MemoryCalls& native_memory_calls();

}  // namespace coffer::platform::windows_os
