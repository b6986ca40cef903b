// Reading a chain of snapshots: to verify it, or into a new store.
#pragma once

#include <filesystem>
#include <vector>

#include <coffer/backup.hpp>

#include "platform/platform.hpp"

namespace coffer::backup {

[[nodiscard]] BackupReport verify_snapshots(platform::Platform& platform,
                                            const std::vector<platform::Path>& files,
                                            const Key* key, const VerifyOptions& options);
[[nodiscard]] BackupReport restore_snapshots(platform::Platform& platform,
                                             const std::vector<platform::Path>& files,
                                             const Key* key, const platform::Path& path,
                                             const RestoreOptions& options);

}  // namespace coffer::backup
