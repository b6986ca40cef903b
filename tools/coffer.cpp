// The `coffer` command.  What it does stands in commands.hpp; this is only where a process begins.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tools/commands.hpp"

namespace {

// Whoever starts the command with a standard stream closed would have its number given to the next
// file that is opened, which may be one of the store's: what is printed would land there.  Such a
// stream becomes one whose use fails as that of a closed one does.
bool hold_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // The lowest free number is this one.
    if (::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY) != stream) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (!hold_standard_streams()) return static_cast<int>(coffer::tools::ExitCode::io);
  // What the library decrypts is kept out of core dumps by itself.  A command's own arguments are
  // not, and it has no use for a dump.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  return coffer::tools::run(argc, argv);
}
