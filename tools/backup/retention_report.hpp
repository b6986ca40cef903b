// What backup list and backup prune print.
//
// JSON names are those of the fields in coffer/backup.hpp.
#pragma once

#include <coffer/backup.hpp>

#include <string>

#include "tools/exit_code.hpp"

namespace coffer::tools {

[[nodiscard]] std::string list_as_text(const BackupList& list);
[[nodiscard]] std::string list_as_json(const BackupList& list);
[[nodiscard]] std::string prune_as_text(const PruneReport& report, bool dry_run);
[[nodiscard]] std::string prune_as_json(const PruneReport& report, bool dry_run);

/// How a command ends that met this; `done` for what is no failure.
[[nodiscard]] ExitCode exit_code_of(BackupTrouble trouble);

}  // namespace coffer::tools
