// Starts `hard_worker` as a process of its own, and says what it said.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/full_run.hpp"
#include "tests/support/limits.hpp"

namespace coffer::hard {

using Milliseconds = std::chrono::milliseconds;

using test::full_run;

/// Where the worker's program is; made by the build.
extern const char* const kWorkerProgram;

inline Milliseconds patience() {
  return full_run() ? Milliseconds(7'200'000) : Milliseconds(300'000);
}

/// What a test has to say besides that it passed.
inline void figures(const std::string& text) {
  std::printf("  hard: %s\n", text.c_str());
  std::fflush(stdout);
}

struct WorkerLimits {
  std::uint64_t locked_bytes = 2ull << 20;
  bool dumps_core = false;
  std::string directory;  ///< to work in
};

class Worker {
 public:
  explicit Worker(std::vector<std::string> arguments, const WorkerLimits& limits = {}) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
    arguments.insert(arguments.begin(), kWorkerProgram);
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) become(argv, limits, ends[1]);
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Worker() {
    kill();
    wait();
    ::close(out_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& said() const { return said_; }

  /// Reads what it says until it has said `word`, is silent for good, or the time is over; true in
  /// the first case.
  bool hear(const std::string& word, Milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    while (word.empty() || said_.find(word) == std::string::npos) {
      const auto left =
          std::chrono::duration_cast<Milliseconds>(until - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      pollfd waiting{out_, POLLIN, 0};
      if (::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
      char piece[4096];
      const auto got = ::read(out_, piece, sizeof piece);
      if (got <= 0) {
        ended_saying_ = true;
        return false;
      }
      said_.append(piece, static_cast<std::size_t>(got));
    }
    return true;
  }
  /// Reads what it has said by now.
  void listen() {
    pollfd waiting{out_, POLLIN, 0};
    char piece[4096];
    while (!ended_saying_ && ::poll(&waiting, 1, 0) > 0) {
      const auto got = ::read(out_, piece, sizeof piece);
      if (got <= 0) return;
      said_.append(piece, static_cast<std::size_t>(got));
    }
  }
  /// Lets it run; reads on meanwhile.
  void run_for(Milliseconds time) { hear({}, time); }
  void kill() {
    if (!ended_) ::kill(pid_, SIGKILL);
  }
  /// The exit code, or the negative signal; a worker that takes too long is killed (-SIGKILL).
  int wait() {
    if (!ended_) {
      int status = 0;
      ::waitpid(pid_, &status, 0);
      ended(status);
    }
    return code_;
  }
  /// Whoever waits for it otherwise (a tracer) says what that gave.
  void ended(int status) {
    ended_ = true;
    code_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
  int finish() {
    hear({}, patience());
    if (!ended_saying_) kill();
    return wait();
  }

 private:
  [[noreturn]] static void become(std::vector<char*>& argv, const WorkerLimits& limits, int out) {
    for (const int signal : {SIGSEGV, SIGABRT, SIGILL, SIGFPE, SIGTERM}) {
      ::signal(signal, SIG_DFL);
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // What a terminal sends to end a test or the campaign is theirs: they end their workers themselves.
    ::setpgid(0, 0);
    try {
      test::limit_locked_memory(limits.locked_bytes, limits.locked_bytes);
    } catch (const std::exception&) {
      ::_exit(125);
    }
    rlimit core{0, 0};
    if (limits.dumps_core) core = {RLIM_INFINITY, RLIM_INFINITY};
    if (::setrlimit(RLIMIT_CORE, &core) != 0) ::_exit(124);
    if (!limits.directory.empty() && ::chdir(limits.directory.c_str()) != 0) ::_exit(123);
    ::dup2(out, STDOUT_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }

  pid_t pid_ = -1;
  int out_ = -1;
  std::string said_;
  bool ended_ = false;
  bool ended_saying_ = false;
  int code_ = 0;
};

struct WorkerOutcome {
  int code;
  std::string said;
};
inline WorkerOutcome run_worker(std::vector<std::string> arguments,
                                const WorkerLimits& limits = {}) {
  Worker worker(std::move(arguments), limits);
  const int code = worker.finish();
  return {code, worker.said()};
}

}  // namespace coffer::hard
