// A file descriptor that is closed once, and system calls repeated while a signal interrupts them.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace coffer::platform::linux_os {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  /// Linux frees the number even when close() reports EINTR, so it is never repeated.
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] bool valid() const { return number_ >= 0; }
  /// Gives the number up without closing it.
  int release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

/// Calls until it is not EINTR that stops it.
template <class Call>
auto repeat_interrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

/// open(2), invalid with errno when it fails.  Never one of the numbers 0 to 2: in a process that has closed
/// its standard streams the next print would otherwise go into a store's file.
inline Descriptor open_descriptor(const char* path, int flags, mode_t mode = 0) {
  Descriptor opened(repeat_interrupted([&] { return ::open(path, flags | O_CLOEXEC, mode); }));
  if (!opened.valid() || opened.number() > STDERR_FILENO) return opened;
  return Descriptor(::fcntl(opened.number(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

}  // namespace coffer::platform::linux_os
