// See snapshot_commands.hpp.
#include "tools/backup/snapshot_commands.hpp"

#include <coffer/backup.hpp>

#include <memory>

#include "tools/backup/make_backup.hpp"
#include "tools/file_name.hpp"
#include "tools/option_forms.hpp"

namespace coffer::tools {
namespace {

struct SnapshotRequest {
  std::string store;
  std::string file;
  std::string parent;
  bool directory = false;
  bool no_verify = false;
  std::uint64_t bytes_per_second_max = 0;
};

void check_file(const SnapshotRequest& request) {
  if (request.file.empty()) throw UsageError("FILE is empty; name the new backup");
}

BackupOptions options_of(const SnapshotRequest& request) {
  BackupOptions options;
  options.verify = !request.no_verify;
  options.bytes_per_second_max = request.bytes_per_second_max;
  return options;
}

// A snapshot begins with a checkpoint, hence the access.
BackupPlaces places_of(const SnapshotRequest& request) {
  return {.store = request.store, .file = request.file, .access = Access::write};
}

ExitCode make_snapshot(const GlobalOptions& global, const SnapshotRequest& request) {
  check_file(request);
  BackupOptions options = options_of(request);
  return make_backup(global, places_of(request), options,
                     [&](Store& store, const std::filesystem::path& file) {
                       return request.directory ? backup_snapshot_directory(store, file, options)
                                                : backup_snapshot(store, file, options);
                     });
}

ExitCode make_increment(const GlobalOptions& global, const SnapshotRequest& request) {
  check_file(request);
  BackupOptions options = options_of(request);
  return make_backup(global, places_of(request), options,
                     [&](Store& store, const std::filesystem::path& file) {
                       return backup_increment(store, file, path_of(request.parent), options);
                     });
}

void add_common(CLI::App& command, SnapshotRequest& request) {
  command.add_option("STORE", request.store, "The store's directory")->required();
  command
      .add_option("FILE", request.file,
                  "The backup; nothing may be there yet, but a directory to put it into")
      ->required();
  add_size_option(command, "--rate-max", request.bytes_per_second_max,
                  "Read at most so much in a second (0: as fast as it goes)");
}

}  // namespace

void add_snapshot_commands(CLI::App& backup, Invocation& invocation) {
  const auto request = std::make_shared<SnapshotRequest>();
  CLI::App* const snapshot = backup.add_subcommand(
      "snapshot", "Copy a store's sealed pages, as of now, into one new file");
  add_common(*snapshot, *request);
  snapshot->add_flag("--directory", request->directory,
                     "Make FILE a directory that opens as a store (no increment can follow it)");
  snapshot->add_flag("--no-verify", request->no_verify,
                     "Copy faster, without verifying each page; verify and restore then do");
  snapshot->footer("It has the store's own encryption and key, always.");
  snapshot->callback([&invocation, request] {
    invocation.action = [&invocation, request] {
      return make_snapshot(invocation.global, *request);
    };
  });

  const auto more = std::make_shared<SnapshotRequest>();
  CLI::App* const incremental = backup.add_subcommand(
      "incremental", "Copy what changed since a snapshot, or since an increment of one");
  add_common(*incremental, *more);
  incremental
      ->add_option("--parent", more->parent, "The snapshot or increment that this one follows")
      ->type_name("PREVIOUS")
      ->check(not_empty())
      ->required();
  incremental->callback([&invocation, more] {
    invocation.action = [&invocation, more] { return make_increment(invocation.global, *more); };
  });
}

}  // namespace coffer::tools
