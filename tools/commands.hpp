// The subcommands, in groups of one file each.  A group adds its subcommands to the parser; each
// leaves what it will do in `Invocation::action`.  A new group is a function here, a file of its
// own, and a line in `add_all_commands`.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

#include "tools/global_options.hpp"

namespace coffer::tools {

void add_key_commands(CLI::App& app, Invocation& invocation);     // keygen
void add_store_commands(CLI::App& app, Invocation& invocation);   // create, trees, stat, check
void add_entry_commands(CLI::App& app, Invocation& invocation);   // put, get, del
void add_scan_command(CLI::App& app, Invocation& invocation);     // scan
void add_import_command(CLI::App& app, Invocation& invocation);   // import
void add_export_command(CLI::App& app, Invocation& invocation);   // export
void add_backup_command(CLI::App& app, Invocation& invocation);   // backup/: logical, verify, ...
void add_restore_command(CLI::App& app, Invocation& invocation);  // backup/
void add_bench_command(CLI::App& app, Invocation& invocation);    // bench/
void add_doctor_command(CLI::App& app, Invocation& invocation);   // doctor/
void add_stress_command(CLI::App& app, Invocation& invocation);   // stress/
void add_completion_command(CLI::App& app, Invocation& invocation);

void add_all_commands(CLI::App& app, Invocation& invocation);

/// Parses a command line's words (in UTF-8, without the program's name) and carries it out.  Never throws; the
/// result is the process's exit code.
[[nodiscard]] int run(std::vector<std::string> words);

}  // namespace coffer::tools
