// The Linux platform, put together; its clock and its entropy.
#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "platform/fork_generation.hpp"
#include "platform/linux/filesystem.hpp"
#include "platform/linux/memory.hpp"
#include "platform/linux/native.hpp"
#include "platform/linux/os_error.hpp"

namespace coffer::platform {

namespace linux_os {

namespace {

class LinuxClock final : public Clock {
 public:
  std::chrono::nanoseconds monotonic() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
  std::chrono::nanoseconds wall() const override {
    return std::chrono::system_clock::now().time_since_epoch();
  }
};

/// Straight from the kernel each time: bytes kept in a buffer could be handed out twice after a
/// fork, and would be a secret in memory that nobody locked.
class LinuxEntropy final : public Entropy {
 public:
  void fill(std::span<std::byte> out) override {
    while (!out.empty()) {
      const auto got = ::getrandom(out.data(), out.size(), 0);
      if (got < 0) {
        if (errno == EINTR) continue;
        raise("draw random bytes from", Path("the system's generator"), errno);
      }
      out = out.subspan(static_cast<std::size_t>(got));
    }
  }
};

class LinuxPlatform final : public Platform {
 public:
  FileSystem& files() override { return *files_; }
  Memory& memory() override { return *memory_; }
  Clock& clock() override { return clock_; }
  Entropy& entropy() override { return entropy_; }
  bool forked() const noexcept override { return fork_generation() != born_in_generation_; }

 private:
  std::unique_ptr<FileSystem> files_ = make_file_system();
  std::unique_ptr<Memory> memory_ = make_memory();
  LinuxClock clock_;
  LinuxEntropy entropy_;
  std::uint64_t born_in_generation_ = fork_generation();
};

}  // namespace

}  // namespace linux_os

std::unique_ptr<Platform> make_linux_platform() {
  return std::make_unique<linux_os::LinuxPlatform>();
}

Platform& native_platform() {
  // Never destroyed: stores in other static objects may outlive it otherwise.  In a forked child it
  // remains the parent's object and says so (forked()).
  static Platform* const the_platform = make_linux_platform().release();
  return *the_platform;
}

}  // namespace coffer::platform
