// Where the command gets a store's or backup's key.  Never from the command line itself, which every process of
// the machine may read.
#pragma once

#include <coffer/key.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "tools/global_options.hpp"

namespace coffer::tools {

/// Whether a passphrase that is typed must be typed twice.
enum class KeyUse { open_store, create_store };

/// The key that the options, the environment or the terminal give.  UsageError when they give none,
/// or more than one.
[[nodiscard]] Key obtain_key(const GlobalOptions& options, KeyUse use);

/// Whether the options or the environment give a key, so that nobody need be asked.
[[nodiscard]] bool is_key_given(const GlobalOptions& options);

/// How every key of this run is made.
[[nodiscard]] KeyOptions key_options(const GlobalOptions& options);

/// UsageError when a key source is given beside --unencrypted, or two of them.
void check_key_options(const GlobalOptions& options);

/// Splits a command into its words at blanks.  Single quotes keep everything, double quotes
/// everything but \" and \\, and a backslash outside quotes the next character.  Nothing is
/// expanded: no shell is involved.  UsageError for an unfinished quote or no word at all.
[[nodiscard]] std::vector<std::string> split_command(std::string_view command);

}  // namespace coffer::tools
