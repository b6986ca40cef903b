// backup snapshot, backup incremental
#pragma once

#include <CLI/CLI.hpp>

#include "tools/global_options.hpp"

namespace coffer::tools {

/// Adds both to `backup`.
void add_snapshot_commands(CLI::App& backup, Invocation& invocation);

}  // namespace coffer::tools
