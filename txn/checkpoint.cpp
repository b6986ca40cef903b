#include "txn/checkpoint.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <unordered_map>
#include <utility>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "platform/mutation.hpp"
#include "txn/tail_moves.hpp"

namespace coffer::txn {

using pager::Hold;
using pager::SlotRun;

namespace {

/// What a changed page takes besides its ciphertext: a version and a map's entry, and about as much again while a
/// checkpoint looks at all of them.  Pages that were written to their slots at once take no more.
constexpr std::uint64_t kChangedPageBytes = 512;

/// A lock that is taken again at once goes past those who were woken to have it: after so many pieces there is time.
constexpr std::chrono::microseconds kTimeForOthers{50};
constexpr int kPiecesAtOnce = 4;
/// Where nobody has committed meanwhile, as when the store is being closed, hardly anybody waits.
constexpr int kPiecesAtOnceAtRest = 64;

/// Everything that one checkpoint has in hand.
struct Frozen {
  CommitNumber commit{};
  journal::JournalEnd journal_end;
  StoreState state;
  PageId catalog_root{};
  std::vector<RunChange> runs;
};

/// A snapshot of what is frozen, until the versions are collected.  Commits go on meanwhile, and the
/// version that the checkpoint wants may be superseded by one that is durable as well: without a
/// snapshot nobody needs it any more (rule V), and the checkpoint would leave the page as it was in
/// the table, which is too old for the changes that the journal holds behind the checkpoint.
class FrozenVersions {
 public:
  explicit FrozenVersions(Core& core) : snapshots_(core.snapshots) {}
  ~FrozenVersions() { end(); }
  FrozenVersions(const FrozenVersions&) = delete;
  FrozenVersions& operator=(const FrozenVersions&) = delete;
  /// Under the publish lock, so that the next commit sees it when it trims.
  void begin(Core& core) { ticket_ = snapshots_.begin(core.latest_commit, false); }
  void end() noexcept {
    if (ticket_) snapshots_.end(*ticket_);
    ticket_.reset();
  }

 private:
  Snapshots& snapshots_;
  std::optional<Snapshots::Ticket> ticket_;
};

Frozen freeze(Core& core, FrozenVersions& versions) {
  Frozen frozen;
  const std::scoped_lock lock(core.publish_mutex);
  versions.begin(core);
  frozen.commit = CommitNumber{core.latest_commit.load()};
  frozen.journal_end = core.journal ? core.journal->end()
                                    : journal::JournalEnd{Lsn{core.journal_position.load()},
                                                          core.recovered_tag, frozen.commit};
  frozen.state = core.state;
  frozen.catalog_root = PageId{core.catalog_root.load()};
  frozen.runs = core.run_changes;
  return frozen;
}

/// Runs that came and went since the last checkpoint never reach the free map.
void fold_runs(const std::vector<RunChange>& runs, pager::CheckpointChanges& changes) {
  std::unordered_map<std::uint64_t, SlotRun> used;
  for (const RunChange& change : runs) {
    if (change.used) {
      used[change.run.first.value] = change.run;
    } else if (used.erase(change.run.first.value) == 0) {
      changes.runs_unused.push_back(change.run);
    }
  }
  for (const auto& [first, run] : used) changes.runs_used.push_back(run);
}

/// Holds on slots that the checkpoint will refer to, given back if it does not come about.
class CheckpointHolds {
 public:
  explicit CheckpointHolds(pager::SlotLedger& ledger) : ledger_(&ledger) {}
  ~CheckpointHolds() {
    for (const SlotRun& run : runs_) ledger_->release(run, Hold::checkpoint);
  }
  CheckpointHolds(const CheckpointHolds&) = delete;
  CheckpointHolds& operator=(const CheckpointHolds&) = delete;
  void hold(SlotRun run) {
    reserve_more(runs_, 1);
    ledger_->hold(run, Hold::checkpoint);
    runs_.push_back(run);
  }
  /// For runs that already carry the hold.
  void reserve(std::size_t more) { reserve_more(runs_, more); }
  void adopt(SlotRun run) noexcept { runs_.push_back(run); }
  /// The checkpoint is in force: install_checkpoint has taken the holds over.
  void done() noexcept { runs_.clear(); }

 private:
  pager::SlotLedger* ledger_;
  std::vector<SlotRun> runs_;
};

/// Only where it is planted: the page's slot in the checkpoint in force, before the next one is.
void give_up_slot(Core& core, PageId page) {
  const auto ref = core.metadata->lookup(page);
  if (ref) core.ledger->install_checkpoint({}, std::array{SlotRun{ref->slot, 1}});
}

pager::CheckpointChanges collect(Core& core, const Frozen& frozen, CheckpointHolds& holds) {
  pager::CheckpointChanges changes;
  changes.checkpoint = core.superblock.checkpoint + 1;
  std::vector<Overlay::Pending> in_memory;
  // What is frozen is not dropped (FrozenVersions), and its slots with it: no lock is needed.
  for (auto& pending : core.overlay->changed(core.superblock.commit, frozen.commit)) {
    if (planted(Mutation::reuse_slot_early)) give_up_slot(core, pending.page);
    if (!pending.present) {
      if (core.metadata->lookup(pending.page)) {
        changes.pages.emplace_back(pending.page, std::nullopt);
      }
    } else if (pending.version.has_slot) {
      holds.hold({pending.version.ref.slot, 1});
      changes.pages.emplace_back(pending.page, pending.version.ref);
    } else {
      in_memory.push_back(std::move(pending));
    }
  }
  holds.reserve(in_memory.size());
  changes.pages.reserve(changes.pages.size() + in_memory.size());
  core.write_out(in_memory, Hold::checkpoint);
  for (const auto& written : in_memory) {
    holds.adopt({written.version.ref.slot, 1});
    changes.pages.emplace_back(written.page, written.version.ref);
  }
  fold_runs(frozen.runs, changes);
  for (const SlotRun& run : changes.runs_used) holds.hold(run);
  std::sort(changes.pages.begin(), changes.pages.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return changes;
}

/// Instead of what commits have changed: what lies at the end of the file, further to the front.
pager::CheckpointChanges collect_moves(Core& core, CheckpointHolds& holds) {
  pager::CheckpointChanges changes;
  changes.checkpoint = core.superblock.checkpoint + 1;
  std::vector<MovedPage> moved = move_tail(core);
  holds.reserve(moved.size());
  changes.pages.reserve(moved.size());
  for (const auto& [page, ref] : moved) {
    holds.adopt({ref.slot, 1});
    changes.pages.emplace_back(page, ref);
  }
  return changes;
}

pager::Superblock next_superblock(Core& core, const Frozen& frozen,
                                  const pager::CheckpointRoots& roots, const CheckpointWish& wish) {
  pager::Superblock next = core.superblock;
  if (frozen.commit > core.superblock.commit) {
    note_opening(next, *core.keys, core.generation, core.superblock.commit.next());
  }
  next.checkpoint += 1;
  next.commit = frozen.commit;
  roots.put_into(next);
  next.next_page = frozen.state.next_page;
  next.catalog_root = frozen.catalog_root;
  next.next_value_id = frozen.state.next_value_id;
  next.journal_position = frozen.journal_end.position;
  next.journal_previous_tag = frozen.journal_end.last_tag;
  next.journal_durable_upto = Lsn{std::max(core.durable_position.load(std::memory_order_acquire),
                                           frozen.journal_end.position.value)};
  next.journal_generation = core.generation;
  if (wish.new_generation) core.platform.entropy().fill(next.journal_generation);
  if (wish.mark) {
    if (next.marks.size() == pager::kMarksMax) next.marks.erase(next.marks.begin());
    next.marks.push_back({next.checkpoint, pager::identity_of(next)});
  }
  return next;
}

void write_both_copies(Core& core, const pager::Superblock& superblock, crypto::NonceRun& nonces) {
  try {
    for (const int copy : {0, 1}) {
      pager::write_superblock(*core.superblock_file, copy, superblock, *core.keys, nonces);
      if (copy == 1 && planted(Mutation::skip_second_superblock_sync)) continue;
      core.superblock_file->sync();
      core.syncs.fetch_add(1, std::memory_order_relaxed);
    }
  } catch (const std::exception& e) {
    core.poison(e.what());
    throw;
  }
}

void take_force(Core& core, pager::Superblock&& next, const pager::CheckpointRoots& roots,
                const Horizon& horizon, CheckpointHolds& holds) {
  const CommitNumber commit = next.commit;
  Overlay::TrimPlace place;
  {
    const std::scoped_lock lock(core.publish_mutex);
    core.installs.fetch_add(1, std::memory_order_acq_rel);
    core.metadata->install();
    core.ledger->install_checkpoint(roots.now_used, roots.no_longer_used);
    holds.done();
    std::erase_if(core.journal_holds, [&](const RunChange& held) {
      if (held.commit > commit) return false;
      core.ledger->release(held.run, Hold::journal);
      return true;
    });
    std::erase_if(core.run_changes,
                  [&](const RunChange& change) { return change.commit <= commit; });
    std::erase_if(core.freed_pages, [&](const FreedPage& freed) { return freed.commit <= commit; });
    core.search_from = PageId{1};
    core.reclaim_runs(horizon);
    core.superblock = std::move(next);  // allocates nothing: the superblock is on the disk already
    core.generation = core.superblock.journal_generation;
    core.checkpoint_position.store(core.superblock.journal_position.value,
                                   std::memory_order_release);
    place = core.overlay->begin_trim(commit);
  }
  // In pieces, with time for who waits between them: thousands of pages take ten milliseconds.
  for (int piece = 1;; ++piece) {
    {
      const std::scoped_lock lock(core.publish_mutex);
      if (!core.overlay->trim_some(place, horizon)) return;
    }
    const bool at_rest = core.latest_commit.load() == commit.value;
    if (piece % (at_rest ? kPiecesAtOnceAtRest : kPiecesAtOnce) == 0) {
      std::this_thread::sleep_for(kTimeForOthers);
    } else {
      core.publish_mutex.let_others_look();
    }
  }
}

/// Versions that only snapshots need do not stay in memory for ever: past a quarter of the buffer they go to
/// slots.  Not needed for correctness, so a full disk does not matter.
void spill_superseded(Core& core) {
  auto old = core.overlay->superseded_in_memory();
  std::uint64_t bytes = 0;
  for (const auto& pending : old) bytes += pending.version.buffer->ciphertext().size();
  if (bytes <= core.options.write_buffer_bytes_max / 4) return;
  try {
    core.write_out(old, Hold::transaction);
    for (const auto& pending : old) {
      core.ledger->release({pending.version.ref.slot, 1}, Hold::transaction);
    }
  } catch (const NoSpace&) {
    return;
  }
}

}  // namespace

bool checkpoint_due(const Core& core) {
  return core.journal_bytes_since_checkpoint() >= core.options.checkpoint_journal_bytes ||
         core.overlay->buffered_bytes() >= core.options.write_buffer_bytes_max ||
         core.overlay->changed_pages() * kChangedPageBytes >= core.options.write_buffer_bytes_max ||
         core.ledger->held_slots() > core.ledger->used_slots() / 2 + 16384;
}

bool make_checkpoint(Core& core, const CheckpointWish& wish) {
  const std::scoped_lock lock(core.checkpoint_mutex);
  return make_checkpoint_locked(core, wish);
}

bool make_checkpoint_locked(Core& core, const CheckpointWish& wish) {
  core.check_not_poisoned();
  FrozenVersions versions(core);
  const Frozen frozen = freeze(core, versions);
  const bool nothing_new = frozen.commit == core.superblock.commit;
  if (wish.move_tail && !nothing_new) return false;
  if (nothing_new && !wish.new_generation && !wish.mark && !wish.move_tail) return false;
  core.wait_durable(frozen.commit);

  crypto::NonceRun nonces(core.platform.entropy());
  CheckpointHolds holds(*core.ledger);
  const pager::CheckpointChanges changes =
      wish.move_tail ? collect_moves(core, holds) : collect(core, frozen, holds);
  if (wish.move_tail && changes.pages.empty()) return false;
  versions.end();
  const pager::CheckpointRoots roots = core.metadata->prepare(changes, nonces);
  pager::Superblock next;
  Horizon horizon;
  try {
    try {
      if (!planted(Mutation::skip_checkpoint_sync)) core.page_file->sync();
      core.syncs.fetch_add(1, std::memory_order_relaxed);
    } catch (const std::exception& e) {
      core.poison(e.what());
      throw;
    }
    next = next_superblock(core, frozen, roots, wish);
    horizon = core.snapshots.horizon(core.reach());
    if (core.journal && planted(Mutation::recycle_early)) {
      core.journal->recycle(next.journal_position);
    }
    write_both_copies(core, next, nonces);
  } catch (...) {
    if (core.poisoned.load()) {
      // A reopening may find this checkpoint or the former one: what either needs stays untouched.
      holds.done();
    } else {
      core.metadata->abandon();
    }
    throw;
  }
  take_force(core, std::move(next), roots, horizon, holds);
  if (core.journal) core.journal->recycle(core.superblock.journal_position);
  core.reserve_for_checkpoint(0, core.superblock.next_page);
  spill_superseded(core);
  return true;
}

BackgroundCheckpointer::BackgroundCheckpointer(Core& core) : core_(core) {
  thread_ = std::thread([this] { run(); });
}

BackgroundCheckpointer::~BackgroundCheckpointer() {
  stop();
}

void BackgroundCheckpointer::stop() noexcept {
  {
    const std::scoped_lock lock(core_.pressure_mutex);
    core_.stopping = true;
  }
  core_.pressure.notify_all();
  if (thread_.joinable()) thread_.join();
}

/// What a checkpoint that commits have asked for should find in the journal: nobody makes room while it is under way.
/// As much as commits will write meanwhile if it takes as long as the last one, and they go on as they did since that;
/// at most half, which is what is made ready before the first.
std::uint64_t BackgroundCheckpointer::room_for_checkpoint() const {
  if (core_.last_checkpoint_failed.load()) return 0;  // it may be for want of room
  const std::uint64_t written =
      std::min(core_.journal_bytes_since_checkpoint(), core_.options.checkpoint_journal_bytes);
  const auto since = std::chrono::steady_clock::now() - last_ended_;
  if (last_took_.count() == 0 || since <= 2 * last_took_) return written / 2;
  return written / static_cast<std::uint64_t>(since / last_took_);
}

/// What fails here fails again, and is reported, in the commit that needs the room.
void BackgroundCheckpointer::make_room(std::optional<std::uint64_t> for_checkpoint) noexcept {
  const auto position = [this] {
    return Lsn{core_.journal_position.load(std::memory_order_acquire)};
  };
  try {
    if (for_checkpoint) {
      // On a disk that is nearly full what is needed now comes first.
      const std::uint64_t free = core_.platform.files().free_bytes(core_.files.directory);
      const std::uint64_t bytes = free / 8 < *for_checkpoint ? 0 : *for_checkpoint;
      while (core_.journal->prepare_room(position(), bytes)) {
        std::this_thread::sleep_for(kTimeForOthers);
        const std::scoped_lock lock(core_.pressure_mutex);
        if (core_.stopping) break;
      }
    } else {
      core_.journal->prepare_room(position());
    }
  } catch (const std::exception&) {
    // See above.
  }
  core_.room_asked_for.store(false);
}

void BackgroundCheckpointer::run() {
  auto next_checkpoint = std::chrono::steady_clock::now() + core_.options.checkpoint_interval;
  for (;;) {
    bool room = false;
    bool wanted = false;
    bool checkpoint = false;
    {
      std::unique_lock lock(core_.pressure_mutex);
      const bool in_time = core_.pressure.wait_until(lock, next_checkpoint, [this] {
        return core_.stopping || core_.checkpoint_wanted || core_.room_wanted;
      });
      if (core_.stopping) return;
      // Commits that came during the last checkpoint may have asked for what it has done meanwhile.
      wanted = std::exchange(core_.checkpoint_wanted, false) && checkpoint_due(core_);
      checkpoint = wanted || !in_time;
      room = std::exchange(core_.room_wanted, false);
    }
    if (wanted) {
      make_room(room_for_checkpoint());
    } else if (room) {
      make_room(std::nullopt);
    }
    if (!checkpoint) continue;
    next_checkpoint = std::chrono::steady_clock::now() + core_.options.checkpoint_interval;
    if (core_.poisoned.load(std::memory_order_acquire)) continue;
    bool failed = false;
    try {
      const auto begun = std::chrono::steady_clock::now();
      make_checkpoint(core_);
      last_ended_ = std::chrono::steady_clock::now();
      if (wanted) last_took_ = last_ended_ - begun;
    } catch (const std::exception&) {
      // The former checkpoint stays in force and the journal goes on growing; what made it fail shows in
      // the next commit's own error (no room, poisoned).  Tried again when next due.
      failed = true;
    }
    {
      const std::scoped_lock lock(core_.pressure_mutex);
      core_.last_checkpoint_failed.store(failed);
    }
    core_.pressure.notify_all();
  }
}

}  // namespace coffer::txn
