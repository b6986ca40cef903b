// What only Linux lets tests do with the command: change the process that becomes it, keep it running, talk to it
// on a terminal.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tools/command_driver.hpp"

namespace coffer::tools::test {

/// run() with something that the child does between fork and exec.
[[nodiscard]] Outcome run_in_child(const Invocation& invocation,
                                   const std::function<void()>& in_child);

/// For run_in_child(): what is printed finds no room.
void print_to_full_device();

/// The command in the background; killed by the destructor.
class BackgroundCommand {
 public:
  explicit BackgroundCommand(const std::vector<std::string>& arguments);
  ~BackgroundCommand();
  BackgroundCommand(const BackgroundCommand&) = delete;
  BackgroundCommand& operator=(const BackgroundCommand&) = delete;

  /// Writes to its standard input, which stays open.
  void feed(std::string_view text) const;
  /// Reads its standard output up to and with the next line end; empty after the end or a minute.
  [[nodiscard]] std::string read_line();
  void close_input();
  void kill();
  void interrupt(int signal) const;
  /// What it has printed on standard error.
  [[nodiscard]] std::string errors() const;
  [[nodiscard]] int wait();

 private:
  TemporaryFolder folder_;
  int pid_ = -1;
  int input_ = -1;
  int output_ = -1;
};

/// Runs the command on a terminal of its own.  Whenever `expected` appears in what it prints, the
/// answer beside it is typed.  Returns what the terminal showed, and the exit code.
struct Exchange {
  std::string expected;
  std::string answer;
};
[[nodiscard]] Outcome run_on_terminal(const std::vector<std::string>& arguments,
                                      const std::vector<Exchange>& exchanges);

}  // namespace coffer::tools::test
