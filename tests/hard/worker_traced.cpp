// A worker whose system calls its parent sees (tests/campaign/process/tracer.hpp).
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <span>
#include <vector>

#include "tests/hard/hard_worker.hpp"
#include "tests/hard/workload.hpp"

namespace coffer::hard {

namespace {

/// A hung worker ends by SIGALRM.
constexpr unsigned kPatienceSeconds = 120;

/// The calls that reach files and their names, and those that other kernel interfaces can fail.
constexpr int kFileCalls[] = {
    SYS_pread64,   SYS_pwrite64,  SYS_preadv,  SYS_pwritev,    SYS_fsync,           SYS_fdatasync,
    SYS_openat,    SYS_ftruncate, SYS_close,   SYS_fallocate,  SYS_sync_file_range, SYS_fcntl,
    SYS_renameat2, SYS_unlinkat,  SYS_mkdirat, SYS_newfstatat, SYS_getdents64,      SYS_mmap,
    SYS_mlock,     SYS_getrandom, SYS_statfs,  SYS_fstatfs,
#ifdef __x86_64__
    SYS_open,      SYS_unlink,    SYS_rename,  SYS_mkdir,      SYS_rmdir,           SYS_stat,
    SYS_lstat,     SYS_fstat,     SYS_link,
#endif
};
constexpr int kSyncCalls[] = {SYS_fsync, SYS_fdatasync};

/// From now on the tracer hears of each of these calls before it is made; of all calls when there is none.
void tell_tracer_of(std::span<const int> calls) {
  std::vector<sock_filter> program;
  program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const int call : calls) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  program.push_back(
      BPF_STMT(BPF_RET | BPF_K, calls.empty() ? SECCOMP_RET_TRACE : SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0) {
    wrong("cannot install a system call filter");
  }
}

}  // namespace

// traced all|files|syncs COMMAND ARGUMENT...: stops until its parent, who traces it, lets it go on, and then runs
// the command with such of its system calls seen by the parent.  Ends with code 77 where it cannot be traced.
void traced(const Arguments& arguments) {
  const std::map<std::string, void (*)(const Arguments&)> commands{
      {"load", load}, {"persist", persist}, {"big_transaction", big_transaction}};
  const auto command = commands.at(arguments.at(1));
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(77);
  ::alarm(kPatienceSeconds);
  ::raise(SIGSTOP);
  const std::string& which = arguments.at(0);
  if (which == "files") {
    tell_tracer_of(kFileCalls);
  } else if (which == "syncs") {
    tell_tracer_of(kSyncCalls);
  } else {
    tell_tracer_of({});
  }
  command(Arguments(std::next(arguments.begin(), 2), arguments.end()));
}

}  // namespace coffer::hard
