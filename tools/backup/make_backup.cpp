#include "tools/backup/make_backup.hpp"

#include "tools/backup/backup_report.hpp"
#include "tools/backup/backup_watcher.hpp"
#include "tools/file_name.hpp"
#include "tools/output.hpp"

namespace coffer::tools {
namespace {

// The last part of a store's path, whatever way it is written: what backups in a directory are named after.
std::string name_of_store(const std::string& store) {
  const auto path = std::filesystem::absolute(path_of(store)).lexically_normal();
  const std::u8string name =
      (path.has_filename() ? path : path.parent_path()).filename().u8string();
  return name.empty() ? "store" : std::string(name.begin(), name.end());
}

}  // namespace

ExitCode make_backup(
    const GlobalOptions& global, const BackupPlaces& places, BackupOptions& options,
    const std::function<BackupReport(Store&, const std::filesystem::path&)>& make) {
  options.memory_locking = global.memory_locking();
  options.store_name = name_of_store(places.store);
  Session session(global, places.store, places.access);
  BackupReport report;
  std::chrono::milliseconds elapsed{};
  {
    BackupWatcher watcher("backing up");
    options.watch = watcher.watch();
    report = make(session.store(), path_of(places.file));
    elapsed = watcher.elapsed();
  }
  session.finish();
  const std::u8string made = report.file.u8string();
  const std::string file(made.begin(), made.end());
  print(global.json ? backup_as_json({file}, {}, report, elapsed)
                    : backed_up_as_text(file, report, elapsed));
  return ExitCode::done;
}

}  // namespace coffer::tools
