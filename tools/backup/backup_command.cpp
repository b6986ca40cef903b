// backup logical, backup verify; the others are in retention_commands.cpp
#include <coffer/backup.hpp>

#include <memory>

#include "tools/backup/backup_keys.hpp"
#include "tools/backup/make_backup.hpp"
#include "tools/backup/retention_commands.hpp"
#include "tools/backup/snapshot_commands.hpp"
#include "tools/backup/verify_files.hpp"
#include "tools/commands.hpp"
#include "tools/file_name.hpp"
#include "tools/option_forms.hpp"

namespace coffer::tools {
namespace {

using EncryptionMode = std::optional<BackupEncryptionMode>;

struct BackupRequest {
  std::string store;
  std::string file;
  std::string parent;  ///< empty: a full backup
  bool read_only = false;
  bool compress = false;
  EncryptionMode mode;
  NewKey key;
  std::uint64_t bytes_per_second_max = 0;
};

// What the command line alone shows to be wrong, before anything is opened.
void check_backup_request(const GlobalOptions& options, const BackupRequest& request) {
  if (request.file.empty()) throw UsageError("FILE is empty; name the new backup");
  request.key.check();
  const bool wants_key = request.mode == BackupEncryptionMode::use_provided_key;
  if (wants_key && !request.key.is_given()) {
    throw UsageError("--encryption use_provided_key needs the key: --backup-key-file FILE");
  }
  if (!wants_key && request.key.is_given()) {
    throw UsageError(
        "a key for the backup goes with --encryption use_provided_key; give both or neither");
  }
  if (request.read_only && !request.parent.empty()) {
    throw UsageError("an increment begins with a checkpoint; leave out --read-only");
  }
  if (options.unencrypted && request.mode == BackupEncryptionMode::use_database_key) {
    throw UsageError(
        "--encryption use_database_key: an unencrypted store has no key; give none, or "
        "use_provided_key with --backup-key-file");
  }
}

ExitCode back_up(const GlobalOptions& options, BackupRequest& request) {
  check_backup_request(options, request);
  BackupOptions backup;
  backup.encryption = {.mode = request.mode, .key = request.key.obtain(options)};
  backup.compress = request.compress;
  backup.bytes_per_second_max = request.bytes_per_second_max;
  return make_backup(options,
                     {.store = request.store,
                      .file = request.file,
                      .access = request.read_only ? Access::read : Access::write},
                     backup, [&](Store& store, const std::filesystem::path& file) {
                       return request.parent.empty()
                                  ? backup_logical(store, file, backup)
                                  : backup_logical_increment(store, file, path_of(request.parent),
                                                             backup);
                     });
}

}  // namespace

void add_backup_command(CLI::App& app, Invocation& invocation) {
  CLI::App* const command =
      app.add_subcommand("backup", "Back a store up; verify, list and prune backups");
  command->require_subcommand(1);

  const auto request = std::make_shared<BackupRequest>();
  CLI::App* const logical =
      command->add_subcommand("logical", "Write every tree and value of a store into one new file");
  logical->add_option("STORE", request->store, "The store's directory")->required();
  logical
      ->add_option("FILE", request->file,
                   "The backup; nothing may be there yet, but a directory to put it into")
      ->required();
  add_choice_option<EncryptionMode>(
      *logical, "--encryption", request->mode,
      {{"none", BackupEncryptionMode::none},
       {"use_provided_key", BackupEncryptionMode::use_provided_key},
       {"use_database_key", BackupEncryptionMode::use_database_key}},
      "What with (use_database_key for an encrypted store, none for an unencrypted one)");
  logical
      ->add_option("--parent", request->parent,
                   "The logical backup or increment that this one follows: only what changed since")
      ->type_name("PREVIOUS")
      ->check(not_empty());
  logical->add_flag("--read-only", request->read_only,
                    "Open the store read-only and change nothing in it; no increment can follow");
  logical->add_flag(
      "--compress", request->compress,
      "Compress before sealing; the file's length then says something of its content");
  request->key.add_options(*logical, "backup", "the backup, for use_provided_key",
                           invocation.global);
  add_size_option(*logical, "--rate-max", request->bytes_per_second_max,
                  "Write at most so much in a second (0: as fast as it goes)");
  logical->callback([&invocation, request] {
    invocation.action = [&invocation, request] { return back_up(invocation.global, *request); };
  });

  add_snapshot_commands(*command, invocation);

  const auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* const verify = command->add_subcommand(
      "verify", "Read backups to their ends and check everything that a restore would");
  verify
      ->add_option(
          "FILE", *files,
          "The backups; the key options name their key.  Increments follow their full backup")
      ->required();
  verify->footer("All are looked at; the exit code is that of the first failure.");
  verify->callback([&invocation, files] {
    invocation.action = [&invocation, files] { return verify_files(invocation.global, *files); };
  });
  add_retention_commands(*command, invocation);
}

}  // namespace coffer::tools
