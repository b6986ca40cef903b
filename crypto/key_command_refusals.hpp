// What is said of a key command that is none, or gives no key.  The same on every system.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace coffer::crypto {

/// Raises InvalidArgument for a command without a program, with a zero byte in it, or with no time to run.
void refuse_command(const std::vector<std::string>& command, std::chrono::milliseconds time_max);

[[noreturn]] void refuse_output(const std::string& program, std::size_t bytes_max);
/// `how` is its exit status or signal.
[[noreturn]] void refuse_end(const std::string& program, const std::string& how);
/// It did not end in time and was stopped; `code` is the system's number for that.
[[noreturn]] void give_up(const std::string& program, std::chrono::milliseconds time_max, int code);

}  // namespace coffer::crypto
