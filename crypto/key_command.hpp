// Running a key command: the one place where Coffer starts a program.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace coffer::crypto {

/// Starts `command[0]` (found along PATH) with its arguments, without a shell, its standard input
/// empty and its standard error ours, and reads what it prints straight into `out`.  Returns the
/// number of bytes; more than `out` holds is an InvalidArgument, a program that does not start or
/// ends with a status other than zero an IoError, and then `out` is wiped.  Messages name the
/// program only: its arguments may be secret.
///
/// A program that has not ended after `time_max` is asked to (SIGTERM) and, a second later, killed,
/// with everything in its process group; that is an IoError as well.  The group is its own, except
/// while we are in the foreground of a terminal: a program in another group could not ask there, and
/// the terminal's interrupt key would not reach it.  Then only the program itself is killed.
[[nodiscard]] std::size_t run_key_command(const std::vector<std::string>& command,
                                          std::span<std::byte> out,
                                          std::chrono::milliseconds time_max);

}  // namespace coffer::crypto
