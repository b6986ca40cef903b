// The process's standard streams and the files that it reads, by number, and what a process must see to when it
// begins.  Numbers and errno on every system: Windows' C runtime has both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace coffer::tools::streams {

inline constexpr int kInput = 0;
inline constexpr int kOutput = 1;
inline constexpr int kError = 2;

/// Up to so many bytes; 0 at the end; -1 with errno.  Interrupted calls are repeated, as they are in `write_some`.
[[nodiscard]] std::ptrdiff_t read_some(int stream, std::span<std::byte> out);
/// How many bytes the stream took; -1 with errno.
[[nodiscard]] std::ptrdiff_t write_some(int stream, std::span<const std::byte> bytes);
/// Writes a courtesy to standard error, in one call, so that lines of several commands do not mix; whether it
/// arrives is nobody's concern.
void say(std::string_view text);
[[nodiscard]] bool is_terminal(int stream);

/// The number, or -1 with errno.
[[nodiscard]] int open_to_read(const std::filesystem::path& file);
void close(int stream);
/// Where reading goes on, if the stream is a regular file.
[[nodiscard]] std::optional<std::int64_t> position(int stream);
/// False with errno.
[[nodiscard]] bool go_to(int stream, std::int64_t position);

/// Once, first of all in main: closed standard streams get numbers of their own, no core dump is written, bytes
/// pass unchanged.  False when the process had better end.
[[nodiscard]] bool prepare_process();
/// The words of the command line in UTF-8, without the program's name.
[[nodiscard]] std::vector<std::string> arguments(int argc, char** argv);
/// A variable's value in UTF-8; empty when it is not set.
[[nodiscard]] std::string environment(const char* name);
/// From now on a write to a stream that nobody reads fails (with EPIPE).
void ignore_closed_pipes();
/// Ends the process as a write to such a stream ends others; returns where the system has no such end.
void end_by_closed_pipe();

}  // namespace coffer::tools::streams
