#include "txn/engine.hpp"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "platform/mutation.hpp"
#include "txn/checkpoint.hpp"
#include "txn/locked_budget.hpp"
#include "txn/recovery.hpp"
#include "txn/tail_moves.hpp"

namespace coffer::txn {

Engine::Engine(platform::Platform& platform, StoreFiles files, const Options& options)
    : core_(std::make_unique<Core>(platform, std::move(files), options)) {}

Engine::~Engine() {
  if (core_->platform.forked()) {
    // The parent's threads, locks and files are not ours: touch nothing.
    static_cast<void>(background_.release());
    static_cast<void>(core_.release());
    return;
  }
  if (closed_) return;
  try {
    shut_down();
  } catch (const std::exception&) {
    // What was acknowledged is durable; the rest is recovered at the next open.
  }
}

std::unique_ptr<Engine> Engine::open(platform::Platform& platform, const platform::Path& path,
                                     const Key* key, const Options& options) {
  std::unique_ptr<Engine> engine(new Engine(platform, StoreFiles{path}, options));
  try {
    engine->open_files(key);
    engine->recover_journal();
  } catch (...) {
    engine->closed_ = true;  // nothing to shut down
    throw;
  }
  if (!options.read_only && options.background_checkpoints) {
    engine->background_ = std::make_unique<BackgroundCheckpointer>(*engine->core_);
  }
  return engine;
}

void Engine::open_files(const Key* key) {
  Core& core = *core_;
  auto& files = core.platform.files();
  const auto policy = lock_policy_of(core.options.memory_locking);
  if (!files.is_directory(core.files.directory)) {
    throw InvalidArgument(
        fmt::format("{} is not a store: there is no such directory; create one first",
                    core.files.directory.string()));
  }
  if (!files.exists(core.files.keys())) {
    throw Corrupted(
        fmt::format("{} is not a store, or its file 'keys' is missing; restore from a backup",
                    core.files.directory.string()));
  }
  core.lock = files.lock(core.files.lock(), core.options.read_only);
  const auto mode =
      core.options.read_only ? platform::OpenMode::read_only : platform::OpenMode::read_write;

  if (!core.options.read_only && !planted(Mutation::skip_name_sync)) make_name_durable();

  auto keys_file = files.open(core.files.keys(), mode);
  // One byte more than the format has, so that a file that was extended shows.
  std::vector<std::byte> header(crypto::key_header_file_bytes() + 1);
  header.resize(keys_file->read_at(0, header));
  crypto::OpenedKeyHeader opened =
      crypto::open_key_header(core.platform, header, key, policy, core.files.keys());
  if (opened.repaired && !core.options.read_only) {
    // Only what is wrong is written, so that the good copy is whole at any moment.
    const std::span<const std::byte> whole(opened.bytes);
    const std::span<const std::byte> found(header);
    const std::size_t half = whole.size() / 2;
    keys_file->sync();
    for (const std::size_t at : {std::size_t{0}, half}) {
      const auto right = whole.subspan(at, half);
      if (found.size() >= at + half && std::ranges::equal(found.subspan(at, half), right)) continue;
      keys_file->write_at(at, right);
      keys_file->sync();
    }
  }

  for (const auto& path : {core.files.superblock(), core.files.pages()}) {
    if (!files.exists(path)) {
      pager::raise_damaged(opened.keys->suite(), fmt::format("{} is missing", path.string()));
    }
  }
  auto superblock_file = files.open(core.files.superblock(), mode);
  pager::FoundSuperblock found = pager::read_superblock(*superblock_file, *opened.keys);
  if (found.superblock.page_bytes != opened.parameters.page_bytes) {
    throw Corrupted(fmt::format("{} and {} name different page sizes; restore from a backup",
                                core.files.keys().string(), core.files.superblock().string()));
  }
  if (!core.options.read_only && !planted(Mutation::skip_settling)) {
    crypto::NonceRun nonces(core.platform.entropy());
    pager::settle_superblock(*superblock_file, found, *opened.keys, nonces);
  }
  core.build(std::move(opened), std::move(found.superblock), files.open(core.files.pages(), mode),
             std::move(superblock_file));
}

/// Creating a store ends with syncing the directory that names it.  Whoever did so may have been killed before
/// that, and what is committed here must not go with the name.
void Engine::make_name_durable() {
  auto& files = core_->platform.files();
  platform::Path place = core_->files.directory;
  if (!place.has_filename()) place = place.parent_path();
  files.sync_directory(place);
  try {
    files.sync_directory(place.has_parent_path() ? place.parent_path() : platform::Path("."));
  } catch (const IoError& e) {
    // Somebody who may not look into that directory did not create the store in it.
    if (e.code() != EACCES && e.code() != EPERM) throw;
  }
}

void Engine::recover_journal() {
  Core& core = *core_;
  const Recovered recovered = recover(core);
  journal_end_ = recovered.end;
  if (core.options.anchor) {
    // Replayed commits belong to the journal's opening, which the superblock may not list yet.
    pager::Superblock with_journal = core.superblock;
    if (recovered.replayed) {
      note_opening(with_journal, *core.keys, core.generation, core.superblock.commit.next());
    }
    check_anchor(with_journal, *core.keys, CommitNumber{core.latest_commit.load()},
                 *core.options.anchor);
  }
  if (core.options.read_only || !(recovered.replayed || recovered.dropped)) return;
  try {
    start_journal(recovered.end);
  } catch (const NoSpace&) {
    // A full disk does not keep a store from being read; the first writer tries again.
  }
}

/// A checkpoint that names a fresh generation, and a writer that continues there.
void Engine::start_journal(const journal::JournalEnd& end) {
  Core& core = *core_;
  make_checkpoint(core, {.new_generation = !planted(Mutation::keep_generation)});
  const std::scoped_lock lock(core.checkpoint_mutex, core.publish_mutex);
  core.journal = std::make_unique<journal::JournalWriter>(
      core.journal_files(), core.keys->journal(), core.platform.entropy(), core.generation,
      Epoch{core.keys->current_epoch()},
      journal::JournalEnd{.position = core.superblock.journal_position,
                          .last_tag = core.superblock.journal_previous_tag,
                          .last_commit = end.last_commit},
      core.staging.bytes());
}

std::unique_ptr<ReadView> Engine::begin_read(std::optional<bool> latest) {
  core_->check_alive();
  if (closed_) throw InvalidArgument("the store is closed");
  return std::make_unique<ReadView>(
      *core_, latest.value_or(core_->options.durability == Durability::relaxed));
}

std::unique_ptr<WriteView> Engine::begin_write(bool wait) {
  Core& core = *core_;
  core.check_alive();
  if (closed_) throw InvalidArgument("the store is closed");
  if (core.options.read_only) {
    throw InvalidArgument("the store was opened read-only; open it for writing to change it");
  }
  core.check_not_poisoned();
  if (wait) {
    core.writer_turn.take();
  } else if (!core.writer_turn.try_take()) {
    return nullptr;
  }
  try {
    core.check_not_poisoned();
    if (!core.journal) start_journal(journal_end_);
    if (background_) {
      // Writers do not outrun the checkpointer without bound.
      std::unique_lock lock(core.pressure_mutex);
      core.pressure.wait(lock, [&core] {
        const bool too_far =
            core.journal_bytes_since_checkpoint() > 4 * core.options.checkpoint_journal_bytes ||
            core.overlay->buffered_bytes() > 2 * core.options.write_buffer_bytes_max;
        if (!too_far || core.last_checkpoint_failed.load() || core.stopping ||
            core.poisoned.load()) {
          return true;
        }
        core.checkpoint_wanted = true;
        core.pressure.notify_all();
        return false;
      });
    }
    return std::make_unique<WriteView>(core);
  } catch (...) {
    core.writer_turn.give();
    throw;
  }
}

/// The next journal segment is made while there is still room in this one, so that no commit waits for it.
void Engine::ask_for_room() {
  Core& core = *core_;
  if (!core.journal->room_is_short(Lsn{core.journal_position.load(std::memory_order_acquire)}) ||
      core.room_asked_for.exchange(true)) {
    return;
  }
  {
    const std::scoped_lock lock(core.pressure_mutex);
    core.room_wanted = true;
  }
  core.pressure.notify_all();
}

void Engine::after_commit() {
  Core& core = *core_;
  if (background_ && core.journal) ask_for_room();
  if (!checkpoint_due(core)) return;
  if (background_) {
    {
      const std::scoped_lock lock(core.pressure_mutex);
      core.checkpoint_wanted = true;
    }
    core.pressure.notify_all();
    return;
  }
  try {
    make_checkpoint(core);
  } catch (const std::exception&) {
    // The commit itself is done and must not look as if it were not: the journal goes on growing until there
    // is room, and a poisoned store says so in the next call.
  }
}

void Engine::wait_durable(CommitNumber commit) {
  core_->check_alive();
  core_->wait_durable(commit);
}

bool Engine::is_durable(CommitNumber commit) const {
  return core_->durable_commit.load(std::memory_order_acquire) >= commit.value;
}

void Engine::sync() {
  core_->check_alive();
  core_->check_not_poisoned();
  core_->wait_durable(CommitNumber{core_->latest_commit.load()});
}

void Engine::checkpoint() {
  core_->check_alive();
  if (closed_) throw InvalidArgument("the store is closed");
  if (core_->options.read_only) {
    throw InvalidArgument(
        "the store was opened read-only; open it for writing to make a checkpoint");
  }
  make_checkpoint(*core_);
}

std::vector<std::byte> Engine::key_header_copy() const {
  Core& core = *core_;
  core.check_alive();
  const auto file = core.platform.files().open(core.files.keys(), platform::OpenMode::read_only);
  std::vector<std::byte> copy(crypto::key_header_file_bytes() / 2);
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{copy.size()}}) {
    if (file->read_at(at, copy) == copy.size() &&
        crypto::hash({}, {copy}) == core.keys->header_hash()) {
      return copy;
    }
  }
  pager::raise_damaged(core.keys->suite(),
                       fmt::format("{}: neither copy is the one that the store was opened with",
                                   core.files.keys().string()));
}

std::unique_ptr<StoreImage> Engine::image() {
  Core& core = *core_;
  core.check_alive();
  if (closed_) throw InvalidArgument("the store is closed");
  if (core.options.read_only) {
    throw InvalidArgument(
        "the store was opened read-only; open it for writing: a snapshot begins with a checkpoint");
  }
  // No checkpoint takes force between the one that is marked and its pinning.
  const std::scoped_lock lock(core.checkpoint_mutex);
  make_checkpoint_locked(core, {.mark = true});
  return std::make_unique<StoreImage>(core, key_header_copy());
}

Anchor Engine::anchor() const {
  Core& core = *core_;
  core.check_alive();
  const std::scoped_lock lock(core.publish_mutex);
  const CommitNumber durable{core.durable_commit.load()};
  pager::Superblock now = core.superblock;
  if (durable > now.commit) note_opening(now, *core.keys, core.generation, now.commit.next());
  const auto anchor = anchor_of(now, *core.keys, durable);
  if (!anchor) {
    throw Corrupted(
        fmt::format("the history in {} cannot be; restore from a backup and report this",
                    core.files.superblock().string()));
  }
  return *anchor;
}

Statistics Engine::statistics() const {
  Core& core = *core_;
  core.check_alive();
  Statistics s;
  {
    const std::scoped_lock lock(core.publish_mutex);
    s.format_version = core.superblock.format_version;
    s.checkpoint = core.superblock.checkpoint;
    s.checkpoint_commit = core.superblock.commit.value;
    s.logical_pages = core.superblock.page_count;
    s.journal_file_bytes = core.journal ? core.journal->file_bytes()
                                        : journal::journal_file_bytes(core.journal_files());
  }
  s.encrypted = core.keys->suite() != crypto::Suite::none;
  s.page_size = core.page_bytes;
  s.last_commit = core.latest_commit.load();
  s.durable_commit = core.durable_commit.load();
  s.page_file_bytes = core.page_file->slot_count() * core.page_bytes;
  s.free_slots = core.ledger->free_slots();
  s.held_slots = core.ledger->held_slots();
  s.pinned_slots = core.ledger->pinned_slots();
  s.journal_bytes = core.journal_bytes_since_checkpoint();
  s.write_buffer_bytes = core.overlay->buffered_bytes();
  s.table_cache_bytes = core.metadata->cache_bytes();
  const platform::LockAccount account = core.platform.memory().account();
  s.locked_bytes = account.locked_bytes;
  s.failed_locks = account.failed_locks;
  s.proceeding_unlocked = account.unlocked_plain_bytes != 0;
  s.locked_bytes_store = core.frames->locked_bytes() + core.chunks->locked_bytes();
  s.locked_bytes_max = core.options.locked_bytes_max;
  s.plaintext_pages = core.frames->frames_in_use();
  s.pages_opened = core.pages_opened.load();
  s.pages_sealed = core.pages_sealed.load();
  s.syncs = core.syncs.load();
  s.poisoned = core.poisoned.load();
  s.readers = core.snapshots.readers();
  return s;
}

void Engine::close() {
  core_->check_alive();
  if (closed_) return;
  shut_down();
  // Whoever waited for its commits has heard of the failure; these it was to be told of here.
  const std::uint64_t latest = core_->latest_commit.load();
  const std::uint64_t durable = core_->durable_commit.load();
  if (!core_->poisoned.load() || latest == durable) return;
  const std::scoped_lock guard(core_->poison_mutex);
  throw Poisoned(fmt::format(
      "the store is closed, but commits {} to {} may be lost: a failure ({}) kept them from being "
      "made durable; open it again, which recovers everything acknowledged, and see which are "
      "there",
      durable + 1, latest, core_->poison_cause));
}

/// For room on the disk only: what goes wrong leaves the checkpoint that is there.
void Engine::shorten_file() noexcept {
  try {
    if (core_->snapshots.count() == 0 && tail_moves_due(*core_)) {
      make_checkpoint(*core_, {.move_tail = true});
    }
  } catch (const std::exception&) {
    // See above.  A failed sync has poisoned the store, when everything was durable.
  }
}

void Engine::shut_down() {
  Core& core = *core_;
  if (background_) background_->stop();
  closed_ = true;
  const bool writable = core.journal && !core.poisoned.load();
  const auto let_go = gsl::finally([&core] { core.lock.reset(); });
  if (writable) {
    make_checkpoint(core);
    shorten_file();
    core.ledger->reserve(0);
    core.ledger->shrink_file();
    core.journal->shrink();
  }
}

}  // namespace coffer::txn
