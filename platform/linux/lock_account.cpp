// See lock_account.hpp.
#include "platform/linux/lock_account.hpp"

#include <fmt/format.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <system_error>

namespace coffer::platform::linux_os {

namespace {

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
// Limits are named in multiples of this: of every page size that Linux has, with a little to spare.
constexpr std::uint64_t kLimitGrainBytes = 64 * 1024;
constexpr std::uint64_t kKibibyte = 1024;

struct Counters {
  std::atomic<std::uint64_t> locked_bytes{0};
  std::atomic<std::uint64_t> unlocked_plain_bytes{0};
  std::atomic<std::uint64_t> failed_locks{0};
};
constinit Counters counters;

// A forked child has nothing locked: the kernel drops the locks, and the regions are not there.
[[maybe_unused]] const int registered = ::pthread_atfork(nullptr, nullptr, [] {
  counters.locked_bytes.store(0, std::memory_order_relaxed);
  counters.unlocked_plain_bytes.store(0, std::memory_order_relaxed);
});

std::uint64_t from_limit(rlim_t limit) {
  return limit == RLIM_INFINITY ? kUnlimited : limit;
}

std::string limit_text(std::uint64_t limit) {
  return limit == kUnlimited ? "unlimited" : fmt::format("{}", limit);
}

/// False in a user namespace of one's own: its capabilities do not lift the limit (mlock asks for one in the first).
bool in_first_user_namespace() {
  constexpr ino_t kFirst = 0xEFFFFFFD;  // PROC_USER_INIT_INO of the kernel's proc_ns.h
  struct stat status {};
  return ::stat("/proc/self/ns/user", &status) != 0 || status.st_ino == kFirst;
}

bool may_lock_without_limit() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  const bool capable =
      (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
  return capable && in_first_user_namespace();
}

/// What the kernel charges to this process: Coffer's and everybody else's.
std::uint64_t charged_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    unsigned long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "VmLck: %llu kB", &kibibytes) == 1) return kibibytes * kKibibyte;
  }
  return counters.locked_bytes.load(std::memory_order_relaxed);  // no /proc here
}

std::string remedy(const MemoryLockError::Numbers& numbers) {
  const auto bytes = numbers.sufficient_limit_bytes;
  // The limit would do as it is, so something else stopped the lock: memory itself, or the number
  // of mappings.  The command is named all the same, as the limit below which it cannot work.
  const char* also = numbers.soft_limit_bytes >= bytes
                         ? "the limit is not what stopped it: free memory or give the machine (or "
                           "the container) more, and keep the limit at least at "
                         : "run ";
  return fmt::format(
      "{}`sudo prlimit --pid {} --memlock={}` and repeat the operation; to make it last, set "
      "LimitMEMLOCK={} in the systemd unit, or a line '<user> - memlock {}' in "
      "/etc/security/limits.conf, or --ulimit memlock={} for a container",
      also, ::getpid(), bytes, bytes, bytes / kKibibyte, bytes);
}

}  // namespace

LockAccount read_account() {
  LockAccount account;
  account.locked_bytes = counters.locked_bytes.load(std::memory_order_relaxed);
  account.unlocked_plain_bytes = counters.unlocked_plain_bytes.load(std::memory_order_relaxed);
  account.failed_locks = counters.failed_locks.load(std::memory_order_relaxed);
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
    account.soft_limit_bytes = from_limit(limit.rlim_cur);
    account.hard_limit_bytes = from_limit(limit.rlim_max);
  }
  account.privileged = may_lock_without_limit();
  return account;
}

void add_locked(std::uint64_t bytes) noexcept {
  counters.locked_bytes.fetch_add(bytes, std::memory_order_relaxed);
}
void subtract_locked(std::uint64_t bytes) noexcept {
  counters.locked_bytes.fetch_sub(bytes, std::memory_order_relaxed);
}
void add_unlocked_plain(std::uint64_t bytes) noexcept {
  counters.unlocked_plain_bytes.fetch_add(bytes, std::memory_order_relaxed);
}
void subtract_unlocked_plain(std::uint64_t bytes) noexcept {
  counters.unlocked_plain_bytes.fetch_sub(bytes, std::memory_order_relaxed);
}
void count_failed_lock() noexcept {
  counters.failed_locks.fetch_add(1, std::memory_order_relaxed);
}

bool raise_soft_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return false;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

MemoryLockError lock_error(std::uint64_t requested_bytes, const std::string& purpose, int code) {
  const auto account = read_account();
  MemoryLockError::Numbers numbers;
  numbers.requested_bytes = requested_bytes;
  numbers.locked_bytes = account.locked_bytes;
  numbers.soft_limit_bytes = account.soft_limit_bytes;
  numbers.hard_limit_bytes = account.hard_limit_bytes;
  const auto needed = charged_bytes() + requested_bytes;
  numbers.sufficient_limit_bytes =
      (needed + kLimitGrainBytes - 1) / kLimitGrainBytes * kLimitGrainBytes;
  return {fmt::format("cannot lock {} bytes of memory for {}: {} (errno {}); {} bytes are locked, "
                      "the limit is {} (hard {}); {}",
                      requested_bytes, purpose, std::generic_category().message(code), code,
                      account.locked_bytes, limit_text(account.soft_limit_bytes),
                      limit_text(account.hard_limit_bytes), remedy(numbers)),
          numbers};
}

}  // namespace coffer::platform::linux_os
