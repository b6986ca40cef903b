// The Windows platform, put together; its clock and its entropy.
#include <algorithm>

#include "platform/fork_generation.hpp"
#include "platform/windows/filesystem.hpp"
#include "platform/windows/memory.hpp"
#include "platform/windows/native.hpp"
#include "platform/windows/native_calls.hpp"
#include "platform/windows/os_error.hpp"
#include "platform/windows/winapi.hpp"
// Behind windows.h.
#include <bcrypt.h>

namespace coffer::platform {

namespace windows_os {

namespace {

class WindowsClock final : public Clock {
 public:
  std::chrono::nanoseconds monotonic() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
  std::chrono::nanoseconds wall() const override {
    return std::chrono::system_clock::now().time_since_epoch();
  }
};

class WindowsEntropy final : public Entropy {
 public:
  void fill(std::span<std::byte> out) override {
    constexpr std::size_t kMost = 1 << 20;
    while (!out.empty()) {
      const auto now = std::min(out.size(), kMost);
      const NTSTATUS status =
          ::BCryptGenRandom(nullptr, reinterpret_cast<PUCHAR>(out.data()), static_cast<ULONG>(now),
                            BCRYPT_USE_SYSTEM_PREFERRED_RNG);
      if (status < 0)
        raise("draw random bytes from", Path("the system's generator"), ERROR_GEN_FAILURE);
      out = out.subspan(now);
    }
  }
};

/// One for the process: the working set is the process's.
WorkingSet& process_working_set() {
  static auto* const working_set = new WorkingSet(native_memory_calls());
  return *working_set;
}

class WindowsPlatform final : public Platform {
 public:
  FileSystem& files() override { return *files_; }
  Memory& memory() override { return *memory_; }
  Clock& clock() override { return clock_; }
  Entropy& entropy() override { return entropy_; }
  bool forked() const noexcept override { return false; }

 private:
  std::unique_ptr<FileSystem> files_ = make_file_system();
  std::unique_ptr<Memory> memory_ = make_memory(native_memory_calls(), process_working_set());
  WindowsClock clock_;
  WindowsEntropy entropy_;
};

}  // namespace

}  // namespace windows_os

std::unique_ptr<Platform> make_windows_platform() {
  return std::make_unique<windows_os::WindowsPlatform>();
}

Platform& native_platform() {
  // Never destroyed: stores in other static objects may outlive it otherwise.
  static Platform* const the_platform = make_windows_platform().release();
  return *the_platform;
}

// Windows has no fork.
std::uint64_t fork_generation() noexcept {
  return 0;
}

}  // namespace coffer::platform
