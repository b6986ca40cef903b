// Names of backup files: for people, and to tell of which store a backup is where its header does not.
#pragma once

#include <string>
#include <string_view>

#include <coffer/backup.hpp>

#include "platform/platform.hpp"

namespace coffer::backup {

inline constexpr std::string_view kBackupFileSuffix = ".coffer-backup";

/// The store's part of a file's name, when the rest is what backup_file_name makes of these; otherwise empty.
[[nodiscard]] std::string store_in_name(std::string_view file_name, BackupKind kind, bool encrypted,
                                        std::chrono::nanoseconds taken);

/// Where a new backup goes: `file`, or, when that is a directory and there is a name, a file in it.
/// InvalidArgument when it is a store's directory.
[[nodiscard]] platform::Path place_of_new(platform::Platform& platform, const platform::Path& file,
                                          std::string_view store, BackupKind kind, bool encrypted,
                                          std::chrono::nanoseconds taken);

/// A name in UTF-8, as FileSystem::list gives it.  Not path's own constructor: see tools/file_name.hpp.
[[nodiscard]] inline platform::Path path_of_name(std::string_view utf8) {
  return std::u8string(utf8.begin(), utf8.end());
}

}  // namespace coffer::backup
