// Asks a person for a passphrase: on the terminal, without echo, in locked memory.
#pragma once

#include <coffer/key.hpp>

#include "tools/global_options.hpp"
#include "tools/key_source.hpp"

namespace coffer::tools {

/// Reads one line from the terminal on standard input (two equal ones when a store is created).
/// The terminal echoes again afterwards, also when a signal ends the command in between.
/// UsageError when nothing is typed, too much, or two different lines.
[[nodiscard]] Key prompt_for_passphrase(const GlobalOptions& options, KeyUse use);

}  // namespace coffer::tools
