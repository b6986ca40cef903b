#include "tools/backup/verify_files.hpp"

#include <coffer/backup.hpp>
#include <coffer/error.hpp>

#include "tools/backup/backup_keys.hpp"
#include "tools/backup/backup_report.hpp"
#include "tools/backup/backup_watcher.hpp"
#include "tools/file_name.hpp"
#include "tools/output.hpp"
#include "tools/system/interrupts.hpp"

namespace coffer::tools {
namespace {

void verify_one(const GlobalOptions& options, const std::string& file, const Key* key) {
  BackupReport report;
  std::chrono::milliseconds elapsed{};
  {
    BackupWatcher watcher("verifying");
    report = verify_backup(path_of(file), key,
                           {.watch = watcher.watch(), .memory_locking = options.memory_locking()});
    elapsed = watcher.elapsed();
  }
  print(options.json ? backup_as_json(file, {}, report, elapsed) : verified_as_text(file, report));
}

}  // namespace

ExitCode verify_files(const GlobalOptions& options, const std::vector<std::string>& files) {
  BackupKey backup_key(options);
  ExitCode result = ExitCode::done;
  const Key* const key = backup_key.obtain();
  for (const std::string& file : files) {
    // A small file ends before the library asks.
    if (interrupted()) throw Cancelled("interrupted; not all of the backups were looked at");
    try {
      verify_one(options, file, key);
    } catch (const OutputClosed&) {
      throw;
    } catch (const Cancelled&) {
      throw;
    } catch (...) {
      const ExitCode failure = report_current_exception();
      if (result == ExitCode::done) result = failure;
    }
  }
  return result;
}

}  // namespace coffer::tools
