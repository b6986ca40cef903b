// Running a key command: the one place where Coffer starts a program.
#pragma once

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
[[nodiscard]] std::size_t run_key_command(const std::vector<std::string>& command,
                                          std::span<std::byte> out);

}  // namespace coffer::crypto
