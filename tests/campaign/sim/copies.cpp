// See copies.hpp; and what a World does with backups.
#include "tests/campaign/sim/copies.hpp"

#include <fmt/format.h>

#include <coffer/backup.hpp>

#include "backup/logical_chain.hpp"
#include "backup/snapshot_restore.hpp"
#include "tests/campaign/sim/judge.hpp"

namespace coffer::campaign::sim {

namespace {

/// Done for as long, by the machine's steps, and nothing that is under way can still touch it.
constexpr std::uint64_t kLongAgo = 4;

bool is_increment(Doing doing) {
  return doing == Doing::increment || doing == Doing::logical_increment;
}

BackupReport make_backup(Store& store, const Copy& copy, const BackupOptions& options) {
  if (copy.chain.size() == 1) {
    return copy.snapshot ? backup_snapshot(store, copy.path, options)
                         : backup_logical(store, copy.path, options);
  }
  const platform::Path& parent = copy.chain[copy.chain.size() - 2];
  return copy.snapshot ? backup_increment(store, copy.path, parent, options)
                       : backup_logical_increment(store, copy.path, parent, options);
}

/// A logical backup that found no room for its checkpoint is whole, but nothing can follow it.
bool refuses_parent_without_checkpoint(const InvalidArgument& refusal) {
  return std::string_view(refusal.what()).find("without a checkpoint no increment can follow") !=
         std::string_view::npos;
}

/// Of the backups that are done, one by lot; null when there is none.
const Copy* any_backup(const History& history, Random& random,
                       const std::function<bool(const Copy&)>& wanted) {
  std::vector<const Copy*> found;
  for (const Copy& copy : history.copies()) {
    if (copy.done_at != History::kNever && !copy.chain.empty() && wanted(copy)) {
      found.push_back(&copy);
    }
  }
  return found.empty() ? nullptr : found[random.below(found.size())];
}

}  // namespace

std::uint64_t restore_copy(platform::Platform& platform, const Copy& backup,
                           const std::string& path) {
  RestoreOptions options;
  options.store = small_options();
  if (backup.snapshot) {
    return backup::restore_snapshots(platform, backup.chain, &store_key(), path, options).commit;
  }
  options.new_key = &store_key();
  return backup::restore_logical_chain(platform, backup.chain, &store_key(), path, options).commit;
}

void require_restored(platform::Platform& platform, const std::string& path, const History& history,
                      std::uint64_t commit) {
  if (!history.knows(commit)) {
    throw Violated(fmt::format("{} shows commit {}, which nobody made", path, commit));
  }
  const auto store = open_store(platform, small_options(), path);
  ReadTransaction transaction = store->read();
  if (auto found = difference(transaction, history.state(commit))) {
    throw Violated(fmt::format("{}, of commit {}: {}", path, commit, *found));
  }
}

void World::back_up_into_file(const Action& action) {
  Random random(action.seed);
  Copy copy{.path = fmt::format("{}-backup-{:x}", scene_.path, action.seed)};
  copy.snapshot = action.doing == Doing::archive || action.doing == Doing::increment;
  const Copy* const parent =
      is_increment(action.doing)
          ? any_backup(history_, random,
                       [&](const Copy& other) { return other.snapshot == copy.snapshot; })
          : nullptr;
  if (parent != nullptr) copy.chain = parent->chain;
  copy.chain.emplace_back(copy.path);
  BackupOptions options;
  options.verify = parent != nullptr || random.one_in(2);
  options.compress = !copy.snapshot && random.one_in(3);
  const std::size_t place = history_.copy_begun(copy, scene_.now());
  BackupReport report;
  try {
    report = make_backup(*store_, copy, options);
  } catch (const InvalidArgument& refusal) {
    if (parent != nullptr && refuses_parent_without_checkpoint(refusal)) return;
    throw;
  }
  history_.acknowledged(report.commit, scene_.now());
  history_.copy_done(place, report.commit, scene_.now());
}

void World::restore(const Action& action) {
  Random random(action.seed);
  const Copy* const found = any_backup(history_, random, [](const Copy&) { return true; });
  if (found == nullptr) return;
  const Copy backup = *found;  // others make more of them meanwhile
  const std::string path = fmt::format("{}-restored-{:x}", scene_.path, action.seed);
  const std::size_t place =
      history_.copy_begun({.path = path, .commit = backup.commit}, scene_.now());
  const std::uint64_t commit = restore_copy(*scene_.platform, backup, path);
  history_.copy_done(place, commit, scene_.now());
  if (commit != backup.commit) {
    throw Violated(
        fmt::format("the backup of commit {} is restored as commit {}", backup.commit, commit));
  }
  require_restored(*scene_.platform, path, history_, commit);
}

namespace {

void judge_copy(platform::SimulatedPlatform& machine, const History& history, const Copy& copy,
                std::uint64_t step) {
  const bool done = copy.done_at <= step;
  if (!machine.files().exists(copy.path)) {
    if (done) throw Violated(copy.path + " is gone");
    return;
  }
  std::string store = copy.path;
  std::uint64_t commit =
      copy.commit;  // of a store that was restored it is known from the beginning
  if (!copy.chain.empty()) {
    store = copy.path + "-judged";
    commit = restore_copy(machine, copy, store);
  }
  if (done && commit != copy.commit) {
    throw Violated(fmt::format("{} shows commit {} instead of {}", copy.path, commit, copy.commit));
  }
  require_restored(machine, store, history, commit);
}

}  // namespace

std::optional<std::string> judge_copies(platform::SimulatedPlatform& machine,
                                        const History& history, std::uint64_t step,
                                        std::uint64_t lot) {
  const auto& copies = history.copies();
  try {
    for (std::size_t i = 0; i < copies.size(); ++i) {
      if (copies[i].begun_at > step) continue;
      const bool long_ago =
          copies[i].done_at != History::kNever && copies[i].done_at + kLongAgo < step;
      if (long_ago && lot % copies.size() != i) {
        if (!machine.files().exists(copies[i].path)) return copies[i].path + " is gone";
        continue;
      }
      judge_copy(machine, history, copies[i], step);
    }
  } catch (const Violated& e) {
    return e.what();
  } catch (const std::exception& e) {
    return unexpected(e, Expected::nothing);
  }
  return left_over(machine);
}

}  // namespace coffer::campaign::sim
