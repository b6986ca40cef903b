// What all ways to back a store up have in common: opening it, showing how far it is, and saying what was made.
#pragma once

#include <coffer/backup.hpp>

#include <filesystem>
#include <functional>
#include <string>

#include "tools/global_options.hpp"
#include "tools/session.hpp"

namespace coffer::tools {

struct BackupPlaces {
  std::string store;
  std::string file;
  Access access = Access::read;  ///< what the backup needs of the store
};

/// Fills in what is the same for all in `options`, then calls `make` with the open store and the file, while `options`
/// live.
ExitCode make_backup(const GlobalOptions& global, const BackupPlaces& places,
                     BackupOptions& options,
                     const std::function<BackupReport(Store&, const std::filesystem::path&)>& make);

}  // namespace coffer::tools
