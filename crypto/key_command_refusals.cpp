// See key_command_refusals.hpp.
#include "crypto/key_command_refusals.hpp"

#include <coffer/error.hpp>

namespace coffer::crypto {

using std::chrono::milliseconds;

void refuse_command(const std::vector<std::string>& command, milliseconds time_max) {
  if (command.empty() || command[0].empty()) {
    throw InvalidArgument("key command: no program was named");
  }
  for (const std::string& word : command) {
    if (word.find('\0') != std::string::npos) {
      throw InvalidArgument("key command: an argument contains a zero byte");
    }
  }
  if (time_max <= milliseconds::zero()) {
    throw InvalidArgument("key command: its time must be more than zero");
  }
}

void refuse_output(const std::string& program, std::size_t bytes_max) {
  throw InvalidArgument("key command '" + program + "': it prints more than " +
                        std::to_string(bytes_max) + " bytes, which is no key");
}

void give_up(const std::string& program, milliseconds time_max, int code) {
  const auto count = time_max.count();
  const std::string time =
      count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
  throw IoError("key command '" + program + "': it did not end within " + time +
                    " and was stopped; run it by hand to see what it waits for, or allow more time",
                "running a key command", program, code);
}

void refuse_end(const std::string& program, const std::string& how) {
  throw IoError(
      "key command '" + program + "': it ended with " + how + "; run it by hand to see why",
      "running a key command", program, 0);
}

}  // namespace coffer::crypto
