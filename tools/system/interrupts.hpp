// An interrupt (SIGINT, SIGTERM; Ctrl-C on Windows) as a question that a long step asks itself, so that it can
// clear away what it has begun.
#pragma once

namespace coffer::tools {

/// From now on such a signal does not end the process, unless whoever started it had it ignored.  Called only once
/// the key is there: a program that gives it is to be ended.
void catch_interrupts();
/// Whether one has come since.
[[nodiscard]] bool interrupted();

}  // namespace coffer::tools
