// Locked memory.  See memory.cpp.
#pragma once

#include "platform/platform.hpp"

namespace coffer::platform::linux_os {

[[nodiscard]] std::unique_ptr<Memory> make_memory();

}  // namespace coffer::platform::linux_os
