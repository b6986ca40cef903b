// The `coffer` command.  What it does stands in commands.hpp; this is only where a process begins.

#include "tools/commands.hpp"
#include "tools/system/streams.hpp"

int main(int argc, char** argv) {
  if (!coffer::tools::streams::prepare_process()) {
    return static_cast<int>(coffer::tools::ExitCode::io);
  }
  return coffer::tools::run(coffer::tools::streams::arguments(argc, argv));
}
