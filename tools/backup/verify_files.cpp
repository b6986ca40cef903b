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

using Chain = std::vector<std::string>;

void verify_one(const GlobalOptions& options, const Chain& chain, const Key* key) {
  BackupReport report;
  std::chrono::milliseconds elapsed{};
  {
    BackupWatcher watcher("verifying");
    report = verify_backup(paths_of(chain), key,
                           {.watch = watcher.watch(), .memory_locking = options.memory_locking()});
    elapsed = watcher.elapsed();
  }
  print(options.json ? backup_as_json(chain, {}, report, elapsed)
                     : verified_as_text(chain.back(), report));
}

// An increment belongs to the chain that the files before it are.  What cannot be looked at says so when it is
// verified.
bool follows(const std::string& file) {
  try {
    return describe_backup(path_of(file)).link != 0;
  } catch (const Error&) {
    return false;
  }
}

std::vector<Chain> chains_of(const std::vector<std::string>& files) {
  std::vector<Chain> chains;
  for (const std::string& file : files) {
    if (chains.empty() || !follows(file)) chains.emplace_back();
    chains.back().push_back(file);
  }
  return chains;
}

}  // namespace

std::vector<std::filesystem::path> paths_of(const std::vector<std::string>& files) {
  std::vector<std::filesystem::path> paths;
  for (const std::string& file : files) paths.push_back(path_of(file));
  return paths;
}

ExitCode verify_files(const GlobalOptions& options, const std::vector<std::string>& files) {
  BackupKey backup_key(options);
  ExitCode result = ExitCode::done;
  const Key* const key = backup_key.obtain();
  for (const Chain& chain : chains_of(files)) {
    // A small file ends before the library asks.
    if (interrupted()) throw Cancelled("interrupted; not all of the backups were looked at");
    try {
      verify_one(options, chain, key);
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
