// Which backups of a directory belong together, and which cannot be told for sure.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "backup/backup_list.hpp"
#include "backup/label.hpp"

namespace coffer::backup {
namespace {

bool is_in_snapshot(const BackupFile& backup) {
  return is_snapshot(format_of(backup.kind));
}

/// By set, the one whose first link is oldest first, and link.
void sort_backups(std::vector<BackupFile>& backups) {
  // The lowest link that is there, and its time.
  std::map<BackupId, std::pair<std::uint32_t, std::chrono::nanoseconds>> begun;
  for (const BackupFile& backup : backups) {
    const std::pair first(backup.link, backup.taken);
    const auto [at, added] = begun.try_emplace(backup.set, first);
    if (!added) at->second = std::min(at->second, first);
  }
  const auto place = [&](const BackupFile& backup) {
    return std::tuple(begun.at(backup.set).second, backup.set, backup.link, backup.taken,
                      backup.file);
  };
  std::ranges::sort(backups, {}, place);
}

}  // namespace

std::string store_of(const BackupFile& backup) {
  if (backup.store_id) {
    std::string text = "id ";
    for (const std::byte byte : *backup.store_id)
      text += fmt::format("{:02x}", static_cast<unsigned>(byte));
    return text;
  }
  if (backup.store_name.empty()) return {};
  const bool provided = backup.encryption == BackupEncryptionMode::use_provided_key;
  // One of each kind of key is no other's substitute: the key of one may be lost.
  return (provided ? "provided " : "none ") + backup.store_name;
}

void find_troubles(std::vector<BackupFile>& backups, std::chrono::nanoseconds now) {
  using enum BackupTrouble;
  sort_backups(backups);
  std::map<BackupId, int> files_of;
  for (const BackupFile& backup : backups) ++files_of[backup.id];
  // What each link of a chain that is whole so far can be an increment of.  Sorted by link: parents come first.
  std::map<BackupId, const BackupFile*> whole;
  for (BackupFile& backup : backups) {
    const auto parent = whole.find(backup.parent);
    const bool fits =
        backup.link == 0 || (parent != whole.end() && parent->second->set == backup.set &&
                             parent->second->link + 1 == backup.link &&
                             is_in_snapshot(*parent->second) == is_in_snapshot(backup));
    if (fits) whole.emplace(backup.id, &backup);
    const std::string store = store_of(backup);
    if (files_of[backup.id] > 1) {
      backup.trouble = ambiguous;
    } else if (!fits) {
      backup.trouble = orphaned;
    } else if (backup.taken > now) {
      backup.trouble = future;
    } else if (store.empty() || (backup.link > 0 && store != store_of(*parent->second))) {
      backup.trouble = unknown_store;
    }
  }
}

}  // namespace coffer::backup
