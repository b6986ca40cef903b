// The Windows implementation of the seam.  Only native_platform() and tests name it.
#pragma once

#include "platform/platform.hpp"

namespace coffer::platform {

/// A platform object of its own (tests; native_platform() holds the process's).  All share one working set.
[[nodiscard]] std::unique_ptr<Platform> make_windows_platform();

}  // namespace coffer::platform
