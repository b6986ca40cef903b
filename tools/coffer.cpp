// The `coffer` command.  What it does stands in commands.hpp; this is only where a process begins.

#include <sys/resource.h>

#include "tools/commands.hpp"

int main(int argc, char** argv) {
  // What the library decrypts is kept out of core dumps by itself.  A command's own arguments are
  // not, and it has no use for a dump.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  return coffer::tools::run(argc, argv);
}
