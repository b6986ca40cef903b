// The system that the tests run on.
#pragma once

#include <memory>

#ifdef _WIN32
#include "platform/windows/native.hpp"
#else
#include "platform/linux/native.hpp"
#endif

namespace coffer::test {

/// A platform object of its own.
inline std::unique_ptr<platform::Platform> make_native_platform() {
#ifdef _WIN32
  return platform::make_windows_platform();
#else
  return platform::make_linux_platform();
#endif
}

}  // namespace coffer::test
