// restore
#include <coffer/backup.hpp>

#include <memory>

#include "tools/backup/backup_keys.hpp"
#include "tools/backup/backup_report.hpp"
#include "tools/backup/backup_watcher.hpp"
#include "tools/backup/verify_files.hpp"
#include "tools/commands.hpp"
#include "tools/file_name.hpp"
#include "tools/option_forms.hpp"
#include "tools/output.hpp"

namespace coffer::tools {
namespace {

struct RestoreRequest {
  /// The full backup, its increments, and last the store unless it is only verified.
  std::vector<std::string> names;
  std::vector<std::string> files;
  std::string store;
  NewKey new_key;
  std::optional<std::uint32_t> page_size;
  bool verify_only = false;
};

void check_restore_request(RestoreRequest& request) {
  request.new_key.check();
  request.files = request.names;
  if (request.verify_only) {
    if (request.new_key.is_given() || request.page_size) {
      throw UsageError("--verify-only makes no store; leave out what is said of it");
    }
    return;
  }
  if (request.names.size() < 2) throw UsageError("name the new STORE, or give --verify-only");
  request.store = request.names.back();
  request.files.pop_back();
}

ExitCode restore(const GlobalOptions& options, RestoreRequest& request) {
  check_restore_request(request);
  if (request.verify_only) return verify_files(options, request.files);
  BackupKey backup_key(options);
  RestoreOptions restoring;
  restoring.page_size = request.page_size;
  restoring.store.memory_locking = options.memory_locking();
  if (options.locked_bytes_max) restoring.store.locked_bytes_max = *options.locked_bytes_max;
  restoring.new_key = request.new_key.obtain(options);
  const Key* const key = backup_key.obtain();
  BackupReport report;
  std::chrono::milliseconds elapsed{};
  {
    BackupWatcher watcher("restoring");
    restoring.watch = watcher.watch();
    report = restore_backup(paths_of(request.files), key, path_of(request.store), restoring);
    elapsed = watcher.elapsed();
  }
  const bool snapshot =
      report.kind == BackupKind::snapshot || report.kind == BackupKind::snapshot_increment;
  if (restoring.new_key == nullptr && !snapshot) {
    print_error("the restored store is not encrypted; --new-key-file encrypts it");
  }
  print(options.json ? backup_as_json(request.files, request.store, report, elapsed)
                     : restored_as_text(request.store, report, elapsed));
  return ExitCode::done;
}

}  // namespace

void add_restore_command(CLI::App& app, Invocation& invocation) {
  const auto request = std::make_shared<RestoreRequest>();
  CLI::App* const command =
      app.add_subcommand("restore", "Make a new store of a backup, whose key the key options name");
  command
      ->add_option("FILE", request->names,
                   "The full backup and its increments in their order; last the new store's "
                   "directory, where nothing may be there")
      ->required()
      ->type_name("[INCREMENT...] STORE");
  request->new_key.add_options(
      *command, "new", "the restored store, of a logical backup (none: it is not encrypted)",
      invocation.global);
  add_page_size_option(*command, request->page_size,
                       "Bytes in a page of it (default: as in the store that was backed up)");
  command->add_flag("--verify-only", request->verify_only,
                    "Make no store and name none; the same as backup verify");
  command->callback([&invocation, request] {
    invocation.action = [&invocation, request] { return restore(invocation.global, *request); };
  });
}

}  // namespace coffer::tools
