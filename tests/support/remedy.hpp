// What a MemoryLockError's message tells an administrator to run, taken at its word.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <regex>
#include <string>

namespace coffer::test {

/// The bytes in "sudo prlimit --pid PID --memlock=BYTES" when the message holds exactly that for
/// `pid`.
inline std::optional<std::uint64_t> bytes_in_remedy(const std::string& message, pid_t pid) {
  static const std::regex command("`sudo prlimit --pid ([0-9]+) --memlock=([0-9]+)`");
  std::smatch match;
  if (!std::regex_search(message, match, command)) return std::nullopt;
  if (match[1] != std::to_string(pid)) return std::nullopt;
  return std::stoull(match[2]);
}

/// Runs the command in the message as it stands there, without sudo; false when it fails.
inline bool run_remedy(const std::string& message) {
  const auto begin = message.find("`sudo ");
  const auto end = message.find('`', begin + 1);
  if (begin == std::string::npos || end == std::string::npos) return false;
  const auto command = message.substr(begin + 6, end - begin - 6) + " 2>/dev/null";
  return std::system(command.c_str()) == 0;
}

inline bool has_prlimit_command() {
  return std::system("prlimit --version >/dev/null 2>&1") == 0;
}

}  // namespace coffer::test
