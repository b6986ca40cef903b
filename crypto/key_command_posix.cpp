// Key commands with posix_spawn.  What the program prints goes from the pipe into locked memory
// with no buffer in between; the pipe itself is kernel memory, which is never swapped.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include <coffer/error.hpp>

#include "crypto/key_command.hpp"
#include "crypto/key_command_refusals.hpp"
#include "crypto/seal.hpp"
#include "platform/contracts.hpp"

extern char** environ;

namespace coffer::crypto {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Between being asked to end and being killed; and how long a killed program is waited for, which
/// may never end (another user's, or inside a system call that hangs).
constexpr milliseconds kGrace{1000};
/// More would pass the clock's range.
constexpr milliseconds kTimeMax = std::chrono::hours(24 * 365);

[[noreturn]] void fail(const std::string& program, const std::string& operation, int code) {
  throw IoError("key command '" + program + "': " + operation + " failed: " +
                    std::strerror(code),  // NOLINT(concurrency-mt-unsafe): glibc's is per thread
                operation, program, code);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  [[nodiscard]] int get() const { return number_; }
  void close() {
    if (number_ >= 0) {
      ::close(std::exchange(number_, -1));
    }
  }

 private:
  int number_;
};

/// What the child's descriptors and signals are to be.
class SpawnPlan {
 public:
  SpawnPlan(int standard_output, bool own_group) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    const auto undo = gsl::finally([this] {
      if (!made_) {
        destroy();
      }
    });
    // Output first: our end of the pipe may have the number that input is about to get.
    check(posix_spawn_file_actions_adddup2(&actions_, standard_output, STDOUT_FILENO));
    check(posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    // An embedder's blocked or ignored signals are not the program's business.
    sigset_t none;
    sigemptyset(&none);
    check(posix_spawnattr_setsigmask(&attributes_, &none));
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    check(posix_spawnattr_setsigdefault(&attributes_, &pipe_only));
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (own_group) {
      check(posix_spawnattr_setpgroup(&attributes_, 0));
      flags |= POSIX_SPAWN_SETPGROUP;
    }
    check(posix_spawnattr_setflags(&attributes_, static_cast<short>(flags)));
    made_ = true;
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() { destroy(); }

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
  [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  static void check(int code) {
    if (code != 0) {
      throw std::bad_alloc();  // The only failure that these calls know with valid arguments.
    }
  }
  void destroy() noexcept {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  bool made_ = false;
};

/// True while a terminal takes our process group for the one that it talks to.
bool in_foreground() {
  const int terminal = ::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  const bool result = terminal >= 0 && ::tcgetpgrp(terminal) == ::getpgrp();
  if (terminal >= 0) {
    ::close(terminal);
  }
  return result;
}

/// The program under way: it is waited for or stopped, once.
class Program {
 public:
  Program(const std::vector<std::string>& command, int standard_output)
      : name_(command[0]), own_group_(!in_foreground()) {
    std::vector<std::string> words = command;
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    const SpawnPlan plan(standard_output, own_group_);
    const int code = posix_spawnp(&child_, arguments[0], plan.actions(), plan.attributes(),
                                  arguments.data(), environ);
    if (code != 0) {
      fail(name_, "starting it", code);
    }
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Its exit status, once it ends; nothing when it has not until then.
  [[nodiscard]] std::optional<int> wait_until(Clock::time_point end) const {
    if (!ends_before(end)) {
      return std::nullopt;
    }
    int status = 0;
    while (::waitpid(child_, &status, 0) < 0) {
      if (errno != EINTR) {
        fail(name_, "waiting for its exit status", errno);
      }
    }
    return status;
  }

  /// Ends it, at first kindly.
  void stop() const {
    const pid_t whom = own_group_ ? -child_ : child_;
    ::kill(whom, SIGTERM);
    static_cast<void>(ends_before(Clock::now() + kGrace));
    // It has not been waited for, so that its number and its group's are still taken.
    ::kill(whom, SIGKILL);
    static_cast<void>(wait_until(Clock::now() + kGrace));
  }

 private:
  /// Leaves it to be waited for.  Looks again and again, soon at first: nothing else that POSIX
  /// offers waits for one child and a time without taking a signal from the embedder.
  [[nodiscard]] bool ends_before(Clock::time_point end) const {
    for (milliseconds pause{1};; pause = std::min(2 * pause, milliseconds{50})) {
      siginfo_t info{};
      const int result =
          ::waitid(P_PID, static_cast<id_t>(child_), &info, WEXITED | WNOHANG | WNOWAIT);
      if (result != 0 && errno != EINTR) {
        fail(name_, "waiting for its exit status", errno);
      }
      if (result == 0 && info.si_pid == child_) {
        return true;
      }
      const auto now = Clock::now();
      if (now >= end) {
        return false;
      }
      std::this_thread::sleep_for(std::min<Clock::duration>(pause, end - now));
    }
  }

  const std::string& name_;
  bool own_group_;
  pid_t child_ = -1;
};

/// Waits until there is something to read; false at the time's end.
bool wait_for_input(int descriptor, Clock::time_point end) {
  while (true) {
    const auto rest = std::chrono::ceil<milliseconds>(end - Clock::now()).count();
    pollfd input{descriptor, POLLIN, 0};
    // At most an hour at once: poll takes an int.
    const int count = ::poll(&input, 1, static_cast<int>(std::clamp<long long>(rest, 0, 3600'000)));
    if (count != 0 && !(count < 0 && errno == EINTR)) {
      return true;  // Also on an error, which the read then reports.
    }
    if (Clock::now() >= end) {
      return false;
    }
  }
}

/// Reads until the end, or until `out` is full and one byte more would come.
struct Output {
  std::size_t bytes = 0;
  bool too_long = false;
  bool too_late = false;
  int code = 0;
};
Output read_all(int descriptor, std::span<std::byte> out, Clock::time_point end) {
  Output result;
  while (true) {
    const auto rest = out.subspan(result.bytes);
    if (rest.empty()) {
      result.too_long = true;
      return result;
    }
    if (!wait_for_input(descriptor, end)) {
      result.too_late = true;
      return result;
    }
    const ssize_t count = ::read(descriptor, rest.data(), rest.size());
    if (count == 0) {
      return result;
    }
    if (count > 0) {
      result.bytes += static_cast<std::size_t>(count);
    } else if (errno != EINTR) {
      result.code = errno;
      return result;
    }
  }
}

void check_status(const std::string& program, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return;
  }
  refuse_end(program, WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status))
                                        : "signal " + std::to_string(WTERMSIG(status)));
}

}  // namespace

std::size_t run_key_command(const std::vector<std::string>& command, std::span<std::byte> out,
                            milliseconds time_max) {
  refuse_command(command, time_max);
  const std::string& name = command[0];
  bool complete = false;
  const auto wipe_unless_complete = gsl::finally([&] {
    if (!complete) {
      wipe(out);
    }
  });

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    fail(name, "making a pipe", errno);
  }
  Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  const auto end = Clock::now() + std::min(time_max, kTimeMax);
  const Program program(command, writing.get());
  writing.close();
  const Output output = read_all(reading.get(), out, end);
  reading.close();  // A program that prints on and on ends by SIGPIPE.
  std::optional<int> status;
  if (!output.too_late) {
    status = program.wait_until(end);
  }
  if (!status) {
    program.stop();
  }

  if (output.code != 0) {
    fail(name, "reading what it prints", output.code);
  }
  if (output.too_long) {
    refuse_output(name, out.size() - 1);
  }
  if (!status) {
    give_up(name, time_max, ETIMEDOUT);
  }
  check_status(name, *status);
  complete = true;
  return output.bytes;
}

}  // namespace coffer::crypto
