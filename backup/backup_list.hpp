// What backups there are in a directory, from the clear parts of their headers.
#pragma once

#include <coffer/backup.hpp>

#include "platform/platform.hpp"

namespace coffer::backup {

/// list_backups on any platform;
[[nodiscard]] BackupList backups_in(platform::Platform& platform, const platform::Path& directory);

/// What the header of one file says.  What decode_label raises, and IoError.
[[nodiscard]] BackupFile look_at_backup(platform::Platform& platform, const platform::Path& file,
                                        std::string_view file_name);

/// What backups of one store have in common, and no others; empty where that does not show.
[[nodiscard]] std::string store_of(const BackupFile& backup);

/// Sorts by set and link, and finds what is ambiguous, orphaned, from the future or of an unknown store.
void find_troubles(std::vector<BackupFile>& backups, std::chrono::nanoseconds now);

}  // namespace coffer::backup
