// What the subcommands of backups print when they are done: one line each.
//
// JSON names are those of BackupReport's fields, besides `file`, `store` and `elapsed_ms`.
#pragma once

#include <coffer/backup.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace coffer::tools {

/// "logical", "logical-increment", "snapshot", "snapshot-increment".
[[nodiscard]] const char* name_of_kind(BackupKind kind);

/// "2026-01-31T23:59:59Z"; any number that a file may hold.
[[nodiscard]] std::string time_as_text(std::chrono::nanoseconds since_1970);

[[nodiscard]] std::string backed_up_as_text(const std::string& file, const BackupReport& report,
                                            std::chrono::milliseconds elapsed);
[[nodiscard]] std::string verified_as_text(const std::string& file, const BackupReport& report);
[[nodiscard]] std::string restored_as_text(const std::string& store, const BackupReport& report,
                                           std::chrono::milliseconds elapsed);
/// `store` empty: none was restored.
[[nodiscard]] std::string backup_as_json(const std::vector<std::string>& files,
                                         const std::string& store, const BackupReport& report,
                                         std::chrono::milliseconds elapsed);

}  // namespace coffer::tools
