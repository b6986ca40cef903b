// See retention.hpp.
#include "backup/retention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include <coffer/error.hpp>

#include "backup/backup_list.hpp"
#include "backup/label.hpp"

namespace coffer::backup {
namespace {

struct BackupSet {
  std::vector<std::size_t> links;     ///< the full one first
  std::chrono::nanoseconds newest{};  ///< of all links
  std::string store;
  bool certain = true;
};

std::vector<BackupSet> sets_of(const std::vector<BackupFile>& backups) {
  std::map<BackupId, BackupSet> sets;
  for (std::size_t i = 0; i < backups.size(); ++i) {
    BackupSet& set = sets[backups[i].set];
    set.newest = set.links.empty() ? backups[i].taken : std::max(set.newest, backups[i].taken);
    if (set.links.empty()) set.store = store_of(backups[i]);
    if (backups[i].trouble) set.certain = false;
    set.links.push_back(i);
  }
  std::vector<BackupSet> all;
  for (auto& [id, set] : sets) all.push_back(std::move(set));
  return all;
}

/// Any numbers that headers and callers may give: nothing overflows.
bool is_older(std::chrono::nanoseconds taken, std::uint64_t days, std::chrono::nanoseconds now) {
  constexpr std::uint64_t kDay = std::chrono::nanoseconds(std::chrono::days(1)).count();
  if (taken >= now) return false;
  const std::uint64_t age =
      static_cast<std::uint64_t>(now.count()) - static_cast<std::uint64_t>(taken.count());
  return days < age / kDay || (days == age / kDay && age % kDay > 0);
}

void check_prune_options(const PruneOptions& options) {
  if (!options.keep_days && !options.keep_count) {
    throw InvalidArgument(
        "nothing says which backups are to be kept: give a number of days, of sets, or both");
  }
  if (options.keep_count == 0u) {
    throw InvalidArgument(
        "keeping 0 sets of backups would remove all of them: keep 1 or more, or delete the files");
  }
}

/// Removes a file that is still what was listed.
void remove_listed(platform::Platform& platform, const BackupFile& listed) {
  const BackupFile now = look_at_backup(platform, listed.file, {});
  if (now.id != listed.id || now.bytes != listed.bytes) {
    throw IoError(
        fmt::format(
            "{} is not what it was a moment ago; see what else writes there, and begin again",
            listed.file.string()),
        "remove", listed.file, 0);
  }
  platform.files().remove(listed.file);
}

}  // namespace

std::vector<std::size_t> leaving(const std::vector<BackupFile>& backups,
                                 const PruneOptions& options, std::chrono::nanoseconds now) {
  std::vector<BackupSet> sets = sets_of(backups);
  std::erase_if(sets, [](const BackupSet& set) { return !set.certain; });
  const auto key = [](const BackupSet& set) { return std::tuple(set.newest, set.links.front()); };
  std::ranges::sort(sets, {}, key);
  std::map<std::string, std::vector<std::chrono::nanoseconds>> times;
  for (const BackupSet& set : sets) times[set.store].push_back(set.newest);
  std::vector<std::size_t> all;
  for (const BackupSet& set : sets) {
    const auto& of_store = times[set.store];
    const auto newer =
        static_cast<std::uint64_t>(of_store.end() - std::ranges::upper_bound(of_store, set.newest));
    if (newer < options.keep_count.value_or(1)) continue;
    if (options.keep_days && !is_older(set.newest, *options.keep_days, now)) continue;
    all.insert(all.end(), set.links.rbegin(), set.links.rend());
  }
  return all;
}

PruneReport prune_in(platform::Platform& platform, const platform::Path& directory,
                     const PruneOptions& options) {
  check_prune_options(options);
  BackupList list = backups_in(platform, directory);
  const std::vector<std::size_t> going = leaving(list.backups, options, platform.clock().wall());
  PruneReport report{.removed = {}, .kept = {}, .others = std::move(list.others)};
  std::vector<bool> goes(list.backups.size());
  for (const std::size_t i : going) {
    if (!options.dry_run) {
      remove_listed(platform, list.backups[i]);
      // Each on its own: an increment must be gone for good before what it needs may go.
      platform.files().sync_directory(directory);
    }
    goes[i] = true;
    report.removed.push_back(list.backups[i]);
  }
  for (std::size_t i = 0; i < list.backups.size(); ++i) {
    if (!goes[i]) report.kept.push_back(std::move(list.backups[i]));
  }
  return report;
}

}  // namespace coffer::backup

namespace coffer {

PruneReport prune_backups(const std::filesystem::path& directory, const PruneOptions& options) {
  return backup::prune_in(platform::native_platform(), directory, options);
}

}  // namespace coffer
