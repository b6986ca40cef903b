// Runs the built `coffer` command as its users do: as a process with arguments, standard input and
// an environment, of which all that counts is the exit code and what it prints.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/temp_directory.hpp"

namespace coffer::tools::test {

using TemporaryFolder = coffer::test::TempDirectory;

struct Outcome {
  int exit_code = -1;  ///< -1 when a signal ended it
  int signal = 0;      ///< on Linux
  std::string out;
  std::string err;
};

/// Numbered as the system numbers them.
enum class Stream { input, output, error };

/// How long a command may take that is not known to take longer.
inline constexpr std::chrono::seconds kPatience{60};

/// How to start the command; all but the arguments has a plain default.
struct Invocation {
  std::vector<std::string> arguments;
  std::string input = {};  ///< what standard input holds
  bool input_is_pipe =
      false;  ///< standard input is a pipe (of a few KiB at most) instead of a file
  bool output_is_unread = false;  ///< standard output is a pipe whose reader has gone
  std::map<std::string, std::string> environment = {};  ///< besides what the system itself needs
  std::vector<Stream> closed = {};  ///< standard streams that the command does not get
  /// How long it may take; then it is killed and the test fails.
  std::chrono::seconds patience = kPatience;
};

/// Runs to the end.
[[nodiscard]] Outcome run(const Invocation& invocation);
[[nodiscard]] Outcome coffer(const std::vector<std::string>& arguments,
                             const std::string& input = {});

/// One behind the other.
[[nodiscard]] inline std::vector<std::string> operator+(std::vector<std::string> a,
                                                        const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// How a command is named in a failure.
[[nodiscard]] std::string described(const std::vector<std::string>& arguments);

[[nodiscard]] std::string read_file(const std::filesystem::path& file);
void write_file(const std::filesystem::path& file, std::string_view content);

/// Every file below `folder` with its content, in order.
[[nodiscard]] std::map<std::string, std::string> contents_of(const std::filesystem::path& folder);

}  // namespace coffer::tools::test
