// Locked memory.  See memory.cpp.
#pragma once

#include "platform/platform.hpp"
#include "platform/windows/memory_calls.hpp"
#include "platform/windows/working_set.hpp"

namespace coffer::platform::windows_os {

/// Both outlive it and its regions.
[[nodiscard]] std::unique_ptr<Memory> make_memory(MemoryCalls& calls, WorkingSet& working_set);

}  // namespace coffer::platform::windows_os
