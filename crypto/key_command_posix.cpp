// Key commands with posix_spawn.  What the program prints goes from the pipe into locked memory
// with no buffer in between; the pipe itself is kernel memory, which is never swapped.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <coffer/error.hpp>

#include "crypto/key_command.hpp"
#include "crypto/seal.hpp"
#include "platform/contracts.hpp"

extern char** environ;

namespace coffer::crypto {
namespace {

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
  explicit SpawnPlan(int standard_output) {
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
    check(posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
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

pid_t start(const std::vector<std::string>& command, int standard_output) {
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  const SpawnPlan plan(standard_output);
  pid_t child = -1;
  const int code = posix_spawnp(&child, arguments[0], plan.actions(), plan.attributes(),
                                arguments.data(), environ);
  if (code != 0) {
    fail(command[0], "starting it", code);
  }
  return child;
}

/// Reads until the end or until `out` is full and one byte more would come.
struct Output {
  std::size_t bytes = 0;
  bool too_long = false;
  int code = 0;
};
Output read_all(int descriptor, std::span<std::byte> out) {
  Output result;
  while (true) {
    const auto rest = out.subspan(result.bytes);
    if (rest.empty()) {
      result.too_long = true;
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

int wait_for(pid_t child, const std::string& program) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      fail(program, "waiting for its exit status", errno);
    }
  }
  return status;
}

void refuse_command(const std::vector<std::string>& command) {
  if (command.empty() || command[0].empty()) {
    throw InvalidArgument("key command: no program was named");
  }
  for (const std::string& word : command) {
    if (word.find('\0') != std::string::npos) {
      throw InvalidArgument("key command: an argument contains a zero byte");
    }
  }
}

}  // namespace

std::size_t run_key_command(const std::vector<std::string>& command, std::span<std::byte> out) {
  refuse_command(command);
  const std::string& program = command[0];
  bool complete = false;
  const auto wipe_unless_complete = gsl::finally([&] {
    if (!complete) {
      wipe(out);
    }
  });

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    fail(program, "making a pipe", errno);
  }
  Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);
  const pid_t child = start(command, writing.get());
  writing.close();
  const Output output = read_all(reading.get(), out);
  reading.close();  // A program that prints on and on ends by SIGPIPE.
  const int status = wait_for(child, program);

  if (output.code != 0) {
    fail(program, "reading what it prints", output.code);
  }
  if (output.too_long) {
    throw InvalidArgument("key command '" + program + "': it prints more than " +
                          std::to_string(out.size() - 1) + " bytes, which is no key");
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw IoError("key command '" + program + "': it ended with " +
                      (WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status))
                                         : "signal " + std::to_string(WTERMSIG(status))) +
                      "; run it by hand to see why",
                  "running a key command", program, 0);
  }
  complete = true;
  return output.bytes;
}

}  // namespace coffer::crypto
