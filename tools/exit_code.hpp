// How the `coffer` command ends.  Scripts rely on these numbers; docs and `coffer --help` list
// them.
//
// Every failure is one line on standard error that begins with `coffer: ` and says what to do next.
// It may name files, sizes and numbers, never a key, a passphrase or a value.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace coffer::tools {

enum class ExitCode : int {
  done = 0,
  not_found = 1,  ///< no such key, pair or tree
  usage = 2,      ///< the call was wrong: InvalidArgument, or a command line that does not parse
  io = 3,         ///< a read, write or sync failed, no space, no memory, or a poisoned store
  wrong_key = 4,  ///< the key opens no slot of the store's header
  damaged = 5,    ///< tampered, corrupted, not the history of the anchor, or of an unknown version
  memory_lock = 6,  ///< memory could not be locked
  busy = 7,         ///< somebody else holds the store
  // doctor's own, as programs that check machines have them
  doctor_warned = 1,
  doctor_failed = 2,
  // stress: something that must hold did not
  stress_failed = 1,
};

/// A command line that parses but cannot be carried out; exit code 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The reader of standard output has gone away.  Not worth a message: the command ends as any
/// filter in a pipe does, by SIGPIPE, after the store has been closed.
class OutputClosed : public std::runtime_error {
 public:
  OutputClosed() : runtime_error("standard output was closed") {}
};

/// Prints `coffer: <message>` as one line on standard error, whatever bytes the message has.
void print_error(std::string_view message);

/// Called inside a catch block: prints the line for the exception in flight and returns its code.
[[nodiscard]] ExitCode report_current_exception();

}  // namespace coffer::tools
