// See tracer.hpp.  The registers are those of x86-64.
#include "tests/campaign/process/tracer.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <stdexcept>

namespace coffer::campaign::process {

std::string file_behind(pid_t worker, std::uint64_t descriptor) {
  std::error_code gone;
  return std::filesystem::read_symlink(fmt::format("/proc/{}/fd/{}", worker, descriptor), gone)
      .filename()
      .string();
}

#ifdef __x86_64__

namespace {

long trace(int request, pid_t thread, std::uintptr_t data = 0) {
  return ::ptrace(static_cast<__ptrace_request>(request), thread, nullptr,
                  reinterpret_cast<void*>(data));
}

std::optional<user_regs_struct> registers_of(pid_t thread) {
  user_regs_struct registers{};
  if (trace(PTRACE_GETREGS, thread, reinterpret_cast<std::uintptr_t>(&registers)) != 0) {
    return std::nullopt;
  }
  return registers;
}

SystemCall call_in(pid_t thread, const user_regs_struct& r) {
  return {thread, static_cast<long>(r.orig_rax), {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9}};
}

/// Half of what a transfer asks for; of a vector a part of its first run.
void shorten(pid_t thread, user_regs_struct& registers) {
  const auto half = [](std::uint64_t bytes) { return bytes < 2 ? bytes : bytes / 2; };
  if (static_cast<long>(registers.orig_rax) != SYS_pwritev) {
    registers.rdx = half(registers.rdx);
    return;
  }
  iovec first{};
  const iovec here{&first, sizeof first};
  const iovec there{reinterpret_cast<void*>(registers.rsi), sizeof first};
  if (::process_vm_readv(thread, &here, 1, &there, 1, 0) != sizeof first) {
    throw std::runtime_error("cannot read a worker's memory");
  }
  // The engine makes its vector anew for what is left.
  first.iov_len = half(first.iov_len);
  if (::process_vm_writev(thread, &here, 1, &there, 1, 0) != sizeof first) {
    throw std::runtime_error("cannot write a worker's memory");
  }
  registers.rdx = 1;
}

/// At a call's stop: what was decided.  Gives the request with which the thread goes on.
int carry_out(const Verdict& verdict, pid_t worker, pid_t thread, user_regs_struct& registers) {
  using Kind = Verdict::Kind;
  const auto change = [&] {
    trace(PTRACE_SETREGS, thread, reinterpret_cast<std::uintptr_t>(&registers));
  };
  switch (verdict.kind) {
    case Kind::make:
      break;
    case Kind::make_watch:
      return PTRACE_SYSCALL;
    case Kind::answer:
      registers.orig_rax = ~0ull;
      registers.rax = static_cast<std::uint64_t>(verdict.value);
      change();
      break;
    case Kind::shorten:
      shorten(thread, registers);
      change();
      break;
    case Kind::kill_before:
      ::kill(worker, SIGKILL);
      break;
    case Kind::kill_during:
      trace(PTRACE_CONT, thread);
      ::kill(worker, SIGKILL);
      break;
  }
  return PTRACE_CONT;
}

}  // namespace

void Tracer::run(hard::Worker& worker, const Decide& decide, const Result& result) {
  std::map<pid_t, SystemCall> watched;
  bool begun = false;
  for (;;) {
    int status = 0;
    const pid_t thread = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
    if (thread < 0) {
      if (errno == EINTR) continue;
      throw std::runtime_error("a traced worker has vanished");
    }
    if (!WIFSTOPPED(status)) {
      if (thread != worker.pid()) continue;
      worker.ended(status);
      return;
    }
    int request = PTRACE_CONT;
    int signal = WSTOPSIG(status);
    if (!begun) {
      begun = true;
      trace(
          PTRACE_SETOPTIONS, thread,
          PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD);
      signal = 0;
    } else if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_SECCOMP << 8))) {
      if (auto registers = registers_of(thread)) {
        const SystemCall call = call_in(thread, *registers);
        const Verdict verdict = decide(call);
        if (verdict.kind == Verdict::Kind::make_watch) watched[thread] = call;
        request = carry_out(verdict, worker.pid(), thread, *registers);
      }
      signal = 0;
    } else if (signal == (SIGTRAP | 0x80)) {
      const auto registers = registers_of(thread);
      const auto call = watched.find(thread);
      if (registers && call != watched.end() && result) {
        result(call->second, static_cast<long>(registers->rax));
      }
      signal = 0;
    } else if (status >> 16 != 0 || signal == SIGSTOP) {
      signal = 0;  // a thread that begins, or has begun
    }
    trace(request, thread, static_cast<std::uintptr_t>(signal));
  }
}

std::optional<std::string> Tracer::obstacle() {
  hard::Worker worker({"traced", "all", "load"});
  int status = 0;
  if (::waitpid(worker.pid(), &status, __WALL) != worker.pid() || !WIFSTOPPED(status)) {
    worker.ended(status);
    return "this machine does not let a process trace its child";
  }
  return std::nullopt;
}

#else

void Tracer::run(hard::Worker&, const Decide&, const Result&) {
  throw std::logic_error("no tracer for this processor");
}
std::optional<std::string> Tracer::obstacle() {
  return "the tracer knows the registers of x86-64 only";
}

#endif

}  // namespace coffer::campaign::process
