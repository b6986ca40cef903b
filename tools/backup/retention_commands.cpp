// See retention_commands.hpp.
#include "tools/backup/retention_commands.hpp"

#include <coffer/backup.hpp>

#include <memory>

#include "tools/backup/retention_report.hpp"
#include "tools/file_name.hpp"
#include "tools/option_forms.hpp"
#include "tools/output.hpp"

namespace coffer::tools {
namespace {

struct PruneRequest {
  std::string directory;
  PruneOptions options;
};

void check_directory(const std::string& directory) {
  if (directory.empty()) throw UsageError("DIR is empty; name the directory with the backups");
}

/// A line for each file that is named or begins as a backup and is none that can be used; the first one's code.
/// A script that keeps backups hears of them.
ExitCode report_unusable(const std::vector<BackupNotice>& others) {
  ExitCode result = ExitCode::done;
  for (const BackupNotice& other : others) {
    const ExitCode code = exit_code_of(other.trouble);
    if (code == ExitCode::done) continue;
    print_error(other.text);
    if (result == ExitCode::done) result = code;
  }
  return result;
}

ExitCode list(const GlobalOptions& options, const std::string& directory) {
  check_directory(directory);
  const BackupList backups = list_backups(path_of(directory));
  print(options.json ? list_as_json(backups) : list_as_text(backups));
  return report_unusable(backups.others);
}

ExitCode prune(const GlobalOptions& options, const PruneRequest& request) {
  check_directory(request.directory);
  if (!request.options.keep_days && !request.options.keep_count) {
    throw UsageError("say what is to be kept: --keep-days N, --keep-count N, or both");
  }
  if (request.options.keep_count == 0u) {
    throw UsageError(
        "--keep-count 0 would remove all backups; keep 1 or more, or delete the files");
  }
  const PruneReport report = prune_backups(path_of(request.directory), request.options);
  print(options.json ? prune_as_json(report, request.options.dry_run)
                     : prune_as_text(report, request.options.dry_run));
  return report_unusable(report.others);
}

}  // namespace

void add_retention_commands(CLI::App& backup, Invocation& invocation) {
  const auto directory = std::make_shared<std::string>();
  CLI::App* const lists = backup.add_subcommand(
      "list", "Show the backups in a directory; needs no key, verifies nothing");
  lists->add_option("DIR", *directory, "The directory with the backups")->required();
  lists->footer(
      "What is shown stands in the clear in the backups: `backup verify` finds out whether it is "
      "true.");
  lists->callback([&invocation, directory] {
    invocation.action = [&invocation, directory] { return list(invocation.global, *directory); };
  });

  const auto request = std::make_shared<PruneRequest>();
  CLI::App* const prunes = backup.add_subcommand(
      "prune", "Remove old backups from a directory, each with its increments");
  prunes->add_option("DIR", request->directory, "The directory with the backups")->required();
  add_count_option(*prunes, "--keep-days", request->options.keep_days,
                   "Keep what has a link of the last N days");
  add_count_option(*prunes, "--keep-count", request->options.keep_count,
                   "Keep the newest N of each store, with their increments");
  prunes->add_flag("--dry-run", request->options.dry_run, "Only show what would be removed");
  prunes->footer(
      "With both options a backup stays that either of them keeps. One of each store stays always, "
      "and so does "
      "what is damaged, orphaned, dated in the future, or of a store that cannot be told.");
  prunes->callback([&invocation, request] {
    invocation.action = [&invocation, request] { return prune(invocation.global, *request); };
  });
}

}  // namespace coffer::tools
