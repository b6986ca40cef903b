// Starts the command with fork and exec.
#include "tests/tools/command_driver_linux.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>

namespace coffer::tools::test {
namespace {

// Becomes the command; does not return.  Only the environment that is named is there, and what
// tells sanitizers how to behave.
[[noreturn]] void become_command(const std::vector<std::string>& arguments,
                                 const std::map<std::string, std::string>& environment) {
  std::vector<std::string> variables{"PATH=/usr/bin:/bin", "TERM=dumb"};
  for (const char* kept : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH"}) {
    if (const char* value = std::getenv(kept)) variables.push_back(std::string(kept) + "=" + value);
  }
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<std::string> words{"coffer"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  ::execve(COFFER_COMMAND, argv.data(), envp.data());
  ::_exit(127);
}

Outcome outcome_of(int status) {
  Outcome outcome;
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  return outcome;
}

int wait_for(int pid, const std::string& what, std::chrono::seconds patience = kPatience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, &status, 0);
      FAIL("did not end within " << patience.count() << " s: " << what);
    }
    ::usleep(1000);
  }
  return status;
}

void redirect(const std::string& file, int flags, int to) {
  const int fd = ::open(file.c_str(), flags, 0600);
  if (fd < 0 || ::dup2(fd, to) < 0) ::_exit(126);
  ::close(fd);
}

// The reading end of a pipe that holds the text and no more.
int pipe_with(const std::string& text) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(ends[1]);
  return ends[0];
}

// The writing end of a pipe that nobody reads.
int pipe_without_reader() {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  ::close(ends[0]);
  return ends[1];
}

}  // namespace

Outcome run_in_child(const Invocation& invocation, const std::function<void()>& in_child) {
  const TemporaryFolder folder;
  const std::string input = folder / "in";
  const std::string output = folder / "out";
  const std::string errors = folder / "err";
  write_file(input, invocation.input);
  const int input_pipe = invocation.input_is_pipe ? pipe_with(invocation.input) : -1;
  const int output_pipe = invocation.output_is_unread ? pipe_without_reader() : -1;
  const int pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    redirect(input, O_RDONLY, STDIN_FILENO);
    if (input_pipe >= 0 && ::dup2(input_pipe, STDIN_FILENO) < 0) ::_exit(126);
    redirect(output, O_WRONLY | O_CREAT, STDOUT_FILENO);
    if (output_pipe >= 0 && ::dup2(output_pipe, STDOUT_FILENO) < 0) ::_exit(126);
    redirect(errors, O_WRONLY | O_CREAT, STDERR_FILENO);
    for (const Stream stream : invocation.closed) ::close(static_cast<int>(stream));
    if (in_child) in_child();
    become_command(invocation.arguments, invocation.environment);
  }
  if (input_pipe >= 0) ::close(input_pipe);
  if (output_pipe >= 0) ::close(output_pipe);
  Outcome outcome = outcome_of(wait_for(pid, described(invocation.arguments), invocation.patience));
  outcome.out = read_file(output);
  outcome.err = read_file(errors);
  return outcome;
}

Outcome run(const Invocation& invocation) {
  return run_in_child(invocation, {});
}

void print_to_full_device() {
  redirect("/dev/full", O_WRONLY, STDOUT_FILENO);
}

BackgroundCommand::BackgroundCommand(const std::vector<std::string>& arguments) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  REQUIRE(::pipe2(in.data(), O_CLOEXEC) == 0);
  REQUIRE(::pipe2(out.data(), O_CLOEXEC) == 0);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    redirect(folder_ / "err", O_WRONLY | O_CREAT, STDERR_FILENO);
    // A shell has it ignored for what runs in the background, as the tests may.
    ::signal(SIGINT, SIG_DFL);
    become_command(arguments, {});
  }
  ::close(in[0]);
  ::close(out[1]);
  input_ = in[1];
  output_ = out[0];
}

BackgroundCommand::~BackgroundCommand() {
  kill();
  close_input();
  ::close(output_);
}

void BackgroundCommand::feed(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t count = ::write(input_, text.data(), text.size());
    REQUIRE(count > 0);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string BackgroundCommand::read_line() {
  std::string line;
  char next = 0;
  pollfd waiting{output_, POLLIN, 0};
  while (::poll(&waiting, 1, 60'000) == 1 && ::read(output_, &next, 1) == 1) {
    line += next;
    if (next == '\n') return line;
  }
  return {};
}

void BackgroundCommand::close_input() {
  if (input_ >= 0) ::close(input_);
  input_ = -1;
}

void BackgroundCommand::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void BackgroundCommand::interrupt(int signal) const {
  REQUIRE(::kill(pid_, signal) == 0);
}

std::string BackgroundCommand::errors() const {
  return read_file(folder_ / "err");
}

int BackgroundCommand::wait() {
  const int status = wait_for(pid_, "a command in the background");
  pid_ = -1;
  return outcome_of(status).exit_code;
}

Outcome run_on_terminal(const std::vector<std::string>& arguments,
                        const std::vector<Exchange>& exchanges) {
  int terminal = -1;
  const int pid = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  REQUIRE(pid >= 0);
  if (pid == 0) become_command(arguments, {});
  std::string shown;
  std::size_t answered_up_to = 0;
  auto exchange = exchanges.begin();
  std::array<char, 4096> chunk{};
  pollfd waiting{terminal, POLLIN, 0};
  while (::poll(&waiting, 1, 60'000) == 1) {
    const ssize_t count = ::read(terminal, chunk.data(), chunk.size());
    if (count <= 0) break;  // EIO: the other end has gone
    shown.append(chunk.data(), static_cast<std::size_t>(count));
    if (exchange == exchanges.end()) continue;
    const std::size_t found = shown.find(exchange->expected, answered_up_to);
    if (found == std::string::npos) continue;
    answered_up_to = found + exchange->expected.size();
    REQUIRE(::write(terminal, exchange->answer.data(), exchange->answer.size()) > 0);
    ++exchange;
  }
  Outcome outcome = outcome_of(wait_for(pid, described(arguments)));
  ::close(terminal);
  outcome.out = shown;
  CHECK(exchange == exchanges.end());
  return outcome;
}

}  // namespace coffer::tools::test
