// What the parts of the transaction manager share: one open store.
//
// Parts: ReadView and WriteView (transactions), commit.cpp, wait_durable in core.cpp (group commit),
// checkpoint.cpp, background.cpp, recovery.cpp.
// Engine (engine.hpp) puts them together and is what the layer above sees.
//
// Locks, in the order in which they are taken
//   1  the writer's turn (WriterTurn)     one write transaction at a time, for as long as it lives
//   2  checkpoint_mutex                   one checkpoint (or check) at a time
//   3  publish_mutex                      a commit becoming visible; a checkpoint freezing or taking force
//   4  sync_mutex                         who syncs the journal, who waits
//   5  locks inside Overlay, Snapshots, SlotLedger, Metadata, FramePool, JournalWriter (leaves)
// Readers take none of 1 to 4.
//
// Invariants
//   T1  A commit is acknowledged only when a sync begun after its commit mark was written has succeeded.
//   T2  latest >= durable; both only grow; a version at or below `latest` is published.
//   T3  After a failed sync, or a failed write of a commit mark or superblock, `poisoned` is set before anybody
//       is told anything else, and is never taken back.
//   T4  Slots named by the journal since the checkpoint in force carry Hold::journal.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <coffer/options.hpp>

#include "crypto/key_header.hpp"
#include "journal/journal.hpp"
#include "pager/frame_pool.hpp"
#include "pager/pager.hpp"
#include "platform/locked_heap.hpp"
#include "platform/platform.hpp"
#include "platform/spinning.hpp"
#include "txn/history.hpp"
#include "txn/overlay.hpp"
#include "txn/sealed_page.hpp"
#include "txn/snapshots.hpp"
#include "txn/store_files.hpp"

namespace coffer::txn {

/// Room for `more` elements, made as push_back makes it: `reserve` alone would move all of them each time.
template <class T>
void reserve_more(std::vector<T>& vector, std::size_t more) {
  const std::size_t wanted = vector.size() + more;
  if (wanted > vector.capacity()) vector.reserve(std::max(wanted, 2 * vector.capacity()));
}

/// A run of slots that commits since the last checkpoint have begun or ceased to refer to.
struct RunChange {
  pager::SlotRun run;
  CommitNumber commit{};
  bool used = false;
};

/// A run that is no longer referenced, but that snapshots may still need (rule V).
struct RetiredRun {
  pager::SlotRun run;
  CommitNumber born{};
  CommitNumber freed{};
};

/// A page number that a commit since the last checkpoint has freed.
struct FreedPage {
  PageId page{};
  CommitNumber commit{};
};

/// What changes with each commit and is not a page.
struct StoreState {
  PageId next_page{1};
  std::uint64_t next_value_id = 1;
};

/// One writer at a time; its turn may end on another thread than it began on.
class WriterTurn {
 public:
  void take();
  [[nodiscard]] bool try_take();
  void give() noexcept;

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  bool taken_ = false;
};

struct Core {
  Core(platform::Platform& platform, StoreFiles store_files, const Options& options);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// Second half of construction, once keys and superblock are known: everything that holds plaintext.
  void build(crypto::OpenedKeyHeader&& keys, pager::Superblock found,
             std::unique_ptr<platform::File> page_file,
             std::unique_ptr<platform::File> superblock_file);

  /// Every call of the interface begins with this: a forked child gets Error.
  void check_alive() const;
  /// Poisoned, with the first cause.
  void check_not_poisoned() const;
  void poison(const char* cause) noexcept;

  /// The catalog's root as `snapshot` sees it: it is made once, by some commit, and never moves.
  [[nodiscard]] PageId catalog_at(CommitNumber snapshot) const;
  /// The last commit that changed the catalog, unless it is later than the snapshot.
  [[nodiscard]] std::optional<CommitNumber> catalog_commit_of(CommitNumber snapshot) const {
    // A snapshot was taken from a number published after this one, so a change in it is seen here.
    const CommitNumber changed{catalog_changed.load(std::memory_order_acquire)};
    if (changed > snapshot) return std::nullopt;
    return changed;
  }
  /// Changes when a checkpoint takes force, before the page table does; never 0.
  [[nodiscard]] std::uint64_t table_state() const {
    return installs.load(std::memory_order_acquire);
  }
  /// The version of a page that `snapshot` sees.
  [[nodiscard]] Resolved resolve(PageId page, CommitNumber snapshot) const;

  [[nodiscard]] journal::JournalFiles journal_files() const {
    return {.files = &platform.files(),
            .directory = files.directory,
            .segment_bytes = superblock.segment_bytes};
  }

  /// Returns when `commit` is durable; syncs the journal for all who wait (T1).
  void wait_durable(CommitNumber commit);

  /// Writes sealed versions that are only in memory to slots, in coalesced runs, and settles them in the
  /// overlay.  The slots get `hold` besides.  Fills in `ref.slot` of each.
  void write_out(std::vector<Overlay::Pending>& versions, pager::Hold hold);
  /// Writes `pages` to their slots (runs of one, as allocate_scattered gives them), each padded with
  /// filler; neighbours with one call.
  void write_slots(const std::vector<pager::SlotRun>& slots,
                   const std::vector<const SealedPage*>& pages);

  /// For Snapshots::horizon; `next` is about to be published.
  [[nodiscard]] Reach reach(CommitNumber next = {}) const {
    return {.durable = durable_commit,
            .sync_target = sync_target,
            .latest = latest_commit,
            .next = next};
  }
  /// Releases retired runs that nobody needs any more.  Under publish_mutex.
  void reclaim_runs(const Horizon& horizon) noexcept;
  /// What the next checkpoint may need, kept free in the page file (NoSpace).  `more` pages are about to be
  /// committed.
  void reserve_for_checkpoint(std::uint64_t more, PageId next_page);
  [[nodiscard]] std::uint64_t journal_bytes_since_checkpoint() const;

  platform::Platform& platform;
  StoreFiles files;
  Options options;
  std::uint32_t page_bytes = 0;
  std::size_t content_bytes = 0;

  std::unique_ptr<platform::FileLock> lock;
  std::unique_ptr<crypto::KeyRing> keys;
  std::unique_ptr<platform::File> superblock_file;
  std::unique_ptr<pager::PageFile> page_file;
  std::unique_ptr<pager::SlotLedger> ledger;
  std::unique_ptr<pager::Metadata> metadata;
  std::unique_ptr<platform::LockedHeap> heap;
  std::unique_ptr<pager::FramePool> frames;
  std::unique_ptr<pager::ChunkPool> chunks;
  std::unique_ptr<PageSealer> sealer;
  std::unique_ptr<Overlay> overlay;
  Snapshots snapshots;
  pager::ChunkBuffer staging;
  std::unique_ptr<journal::JournalWriter>
      journal;  ///< absent when read-only or before the first write; set under both mutexes below, by a writer

  WriterTurn writer_turn;

  std::mutex checkpoint_mutex;
  pager::Superblock superblock;  ///< in force; under checkpoint_mutex and publish_mutex
  std::atomic<bool> last_checkpoint_failed{false};

  platform::Spinning<std::mutex> publish_mutex;
  std::atomic<std::uint64_t> latest_commit{0};
  std::atomic<std::uint64_t> durable_commit{0};
  std::atomic<std::uint64_t> sync_target{
      0};  ///< what the sync under way will make durable; 0: none
  std::atomic<std::uint64_t> durable_position{0};  ///< Lsn
  std::atomic<std::uint64_t> installs{1};          ///< table_state
  std::atomic<std::uint64_t> checkpoint_position{0};
  std::atomic<std::uint64_t> journal_position{0};  ///< behind the last commit mark
  crypto::Tag recovered_tag{};                     ///< of the last fragment that recovery kept
  StoreState state;                                ///< as of latest_commit
  std::atomic<std::uint64_t> catalog_root{0};
  std::atomic<std::uint64_t> catalog_commit{0};  ///< the commit that made it
  std::atomic<std::uint64_t> catalog_changed{
      0};  ///< the last that changed what is in it, since the opening
  std::vector<FreedPage> freed_pages;
  PageId search_from{1};  ///< where the search for empty table entries goes on
  std::vector<RunChange> run_changes;
  std::vector<RunChange> journal_holds;  ///< (T4) with the commit that named each
  std::vector<RetiredRun> retired_runs;
  journal::Generation generation{};  ///< of the journal being written

  std::mutex sync_mutex;
  std::condition_variable synced;
  bool syncing = false;

  std::atomic<bool> poisoned{false};
  mutable std::mutex poison_mutex;
  std::string poison_cause;

  /// Wakes the background checkpointer (set by it), and lets writers wait for room.
  std::mutex pressure_mutex;
  std::condition_variable pressure;
  bool checkpoint_wanted = false;
  bool room_wanted = false;  ///< in the journal
  bool stopping = false;
  std::atomic<bool> room_asked_for{false};  ///< from room_wanted until it has been made

  std::atomic<std::uint32_t> threads_ahead{0};  ///< of scans (ReadAhead)
  std::atomic<std::uint64_t> pages_opened{0};
  std::atomic<std::uint64_t> pages_sealed{0};
  std::atomic<std::uint64_t> syncs{0};
};

}  // namespace coffer::txn
