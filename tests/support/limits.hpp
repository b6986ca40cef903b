// Taking a process's means away, to see what Coffer does without them.  For forked children only:
// none of this can be undone.
#pragma once

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/sanitized.hpp"

namespace coffer::test {

inline bool has_capability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

/// Without the capability for good: out of the bounding set, where that is allowed, and out of the
/// process's own sets.
inline void drop_capability(int capability) {
  ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  bool done = ::syscall(SYS_capget, &header, data) == 0;
  auto& word = data[CAP_TO_INDEX(capability)];
  word.effective &= ~CAP_TO_MASK(capability);
  word.permitted &= ~CAP_TO_MASK(capability);
  word.inheritable &= ~CAP_TO_MASK(capability);
  done = done && ::syscall(SYS_capset, &header, data) == 0;
  if (!done || has_capability(capability)) throw std::runtime_error("cannot drop a capability");
}

inline rlimit lock_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  return limit;
}

/// The process may lock `soft` bytes and raise that to `hard` itself.
inline void limit_locked_memory(std::uint64_t soft, std::uint64_t hard) {
  drop_capability(CAP_IPC_LOCK);
  const rlimit limit{soft, hard};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) throw std::runtime_error("cannot set the limit");
}

/// A system call's argument, counted from 0, of which at least one of these bits is set.
struct ArgumentBits {
  unsigned argument;
  std::uint32_t bits;
};

/// A system call that answers `code` (0: success without doing anything) from now on; with `only_if`, when
/// the argument's low half has such bits.
inline void fake_system_call(int number, std::uint32_t code,
                             std::optional<ArgumentBits> only_if = std::nullopt) {
  std::vector<sock_filter> program;
  const auto load = [](std::size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  };
  program.push_back(load(offsetof(seccomp_data, nr)));
  const auto skip_to_end = static_cast<std::uint8_t>(only_if ? 3 : 1);
  program.push_back(
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, skip_to_end));
  if (only_if) {
    program.push_back(
        load(offsetof(seccomp_data, args) + only_if->argument * sizeof(std::uint64_t)));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, only_if->bits, 0, 1));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) {
    throw std::runtime_error("cannot install a system call filter");
  }
}

/// The process can read its limits but no longer set them.
inline void forbid_setting_limits() {
  // getrlimit and setrlimit are both prlimit64 in the C library; the third argument is what to set.
  fake_system_call(SYS_prlimit64, EPERM, ArgumentBits{.argument = 2, .bits = UINT32_MAX});
#ifdef SYS_setrlimit
  fake_system_call(SYS_setrlimit, EPERM);
#endif
}

/// What the kernel charges to this process as locked.
inline std::uint64_t kernel_locked_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    unsigned long long kibibytes = 0;
    if (std::sscanf(line.c_str(), "VmLck: %llu kB", &kibibytes) == 1) return kibibytes * 1024;
  }
  throw std::runtime_error("no VmLck in /proc/self/status");
}

/// Whether a lock reaches the kernel.  Sanitizers replace mlock by nothing.
inline bool locks_are_real() {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const probe =
      ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (probe == MAP_FAILED) return false;
  const auto before = kernel_locked_bytes();
  const bool real = ::mlock(probe, page) == 0 && kernel_locked_bytes() == before + page;
  ::munmap(probe, page);
  return real;
}
inline constexpr const char* kLocksAreNotReal =
    "mlock does not reach the kernel here; sanitizers replace it, and a limit of zero forbids it";

/// What /proc/self/smaps says of the mapping that holds an address: its permissions ("rw-p"), then
/// its VmFlags.
inline std::string mapping_flags(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  std::string found;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char permissions[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, permissions) == 3) {
      if (!found.empty()) break;
      if (wanted >= begin && wanted < end) found = permissions;
    } else if (!found.empty() && line.starts_with("VmFlags:")) {
      return found + " " + line.substr(8) + " ";
    }
  }
  return found;
}

}  // namespace coffer::test
