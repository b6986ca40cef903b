// Runs the built `coffer` command as its users do: as a process with arguments, standard input and
// an environment, of which all that counts is the exit code and what it prints.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/temp_directory.hpp"

namespace coffer::tools::test {

using TemporaryFolder = coffer::test::TempDirectory;

struct Outcome {
  int exit_code = -1;  ///< -1 when a signal ended it
  int signal = 0;
  std::string out;
  std::string err;
};

/// How to start the command; all but the arguments has a plain default.
struct Invocation {
  std::vector<std::string> arguments;
  std::string input;                               ///< what standard input holds
  std::map<std::string, std::string> environment;  ///< beside PATH; nothing else is inherited
  std::string standard_output;                     ///< a file to write to; empty: collected
  std::function<void()> in_child;                  ///< called after fork, before exec
};

/// Runs to the end (or a minute, when it is killed and the test fails).
[[nodiscard]] Outcome run(const Invocation& invocation);
[[nodiscard]] Outcome coffer(const std::vector<std::string>& arguments,
                             const std::string& input = {});

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
  [[nodiscard]] int wait();

 private:
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

[[nodiscard]] std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view content);

/// Every file below `folder` with its content, in order.
[[nodiscard]] std::map<std::string, std::string> contents_of(const std::filesystem::path& folder);

}  // namespace coffer::tools::test
