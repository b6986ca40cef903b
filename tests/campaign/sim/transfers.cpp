// See transfers.hpp.
#include "tests/campaign/sim/transfers.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

namespace coffer::campaign::sim {

namespace {

struct Disturbed {
  bool on = false;
  Disturb how = Disturb::interrupt;
  std::uint64_t index = 0;
  bool sticky = false;
  std::uint64_t calls = 0;
  std::uint64_t disturbed = 0;
};
thread_local Disturbed state;

/// Counts a call that can be disturbed so; true when it is to be.
bool hit(Disturb how) {
  if (!state.on || state.how != how) return false;
  const std::uint64_t call = state.calls++;
  const bool later = state.sticky && call > state.index &&
                     (how == Disturb::shorten || (call - state.index) % 2 == 0);
  if (call != state.index && !later) return false;
  ++state.disturbed;
  return true;
}

bool interrupted() {
  if (!hit(Disturb::interrupt)) return false;
  errno = EINTR;
  return true;
}

/// Of so many bytes at least one.
std::size_t shortened(std::size_t length) {
  return length > 1 && hit(Disturb::shorten) ? 1 + length / 3 : length;
}

}  // namespace

Disturbance::Disturbance(Disturb how, std::uint64_t index, bool sticky) {
  state = {.on = true, .how = how, .index = index, .sticky = sticky};
}
Disturbance::~Disturbance() {
  state.on = false;
}
std::uint64_t Disturbance::calls() const {
  return state.calls;
}
std::uint64_t Disturbance::disturbed() const {
  return state.disturbed;
}

}  // namespace coffer::campaign::sim

using coffer::campaign::sim::interrupted;
using coffer::campaign::sim::shortened;

// By system call: these are the C library's functions for this program, and there is no other below them.
#define COFFER_SHOWN extern "C" __attribute__((visibility("default")))

COFFER_SHOWN ssize_t pread64(int file, void* out, size_t length, off64_t offset) {
  if (interrupted()) return -1;
  return ::syscall(SYS_pread64, file, out, shortened(length), offset);
}

COFFER_SHOWN ssize_t pwrite64(int file, const void* bytes, size_t length, off64_t offset) {
  if (interrupted()) return -1;
  return ::syscall(SYS_pwrite64, file, bytes, shortened(length), offset);
}

COFFER_SHOWN ssize_t pwritev64(int file, const iovec* runs, int count, off64_t offset) {
  if (interrupted()) return -1;
  if (count > 0 && shortened(runs[0].iov_len) != runs[0].iov_len) {
    return ::syscall(SYS_pwrite64, file, runs[0].iov_base, 1 + runs[0].iov_len / 3, offset);
  }
  // The offset in two halves, as the kernel takes it; on 64 bits the lower one has it all.
  return ::syscall(SYS_pwritev, file, runs, count, offset, 0);
}

COFFER_SHOWN int fsync(int file) {
  return interrupted() ? -1 : static_cast<int>(::syscall(SYS_fsync, file));
}

COFFER_SHOWN int fdatasync(int file) {
  return interrupted() ? -1 : static_cast<int>(::syscall(SYS_fdatasync, file));
}

COFFER_SHOWN int ftruncate64(int file, off64_t size) noexcept {
  return interrupted() ? -1 : static_cast<int>(::syscall(SYS_ftruncate, file, size));
}

COFFER_SHOWN int fallocate64(int file, int mode, off64_t offset, off64_t length) {
  return interrupted() ? -1
                       : static_cast<int>(::syscall(SYS_fallocate, file, mode, offset, length));
}
