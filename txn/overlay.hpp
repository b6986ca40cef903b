// Versions of pages since the last checkpoint, and older ones that snapshots still need.
//
// For each page that changed, a chain of versions from new to old.  A reader at snapshot s takes the newest
// version born at or before s; a page without a chain (or with none that old) is as the page table has it.
//
// Invariants
//   V1  When a page gets its first version here, the one that the page table has is added below it as the
//       base: so a snapshot finds its version here even after a checkpoint replaced the table's entry.
//   V2  A version is dropped only when rule V (snapshots.hpp) says that nobody needs it; the newest of a
//       chain only when the page table in force has it.
//   V3  A version with a slot holds it in the ledger (Hold::version) until it is dropped.
//   V4  Publishing cannot fail: everything that allocates has happened before, in Prepared and in `prepare`.
// Thread-safe; readers share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "pager/pager.hpp"
#include "platform/shared_mutex.hpp"
#include "platform/spinning.hpp"
#include "platform/strong.hpp"
#include "txn/chain_table.hpp"
#include "txn/sealed_page.hpp"
#include "txn/snapshots.hpp"

namespace coffer::txn {

/// What a snapshot finds: nothing (the page is free there) or a version.
struct Resolved {
  bool present = false;
  PageVersion version;
  std::uint64_t table_state =
      0;  ///< in which the page table named it (Core::table_state); 0: the overlay did
};

class Overlay {
 public:
  struct Node {
    CommitNumber born{};
    bool present = false;  ///< false: the page was freed
    PageVersion version;
    std::unique_ptr<Node> older;
  };
  using Chains = ChainTable<std::unique_ptr<Node>>;

  /// A commit's versions, made before the commit becomes visible.
  struct Prepared {
    std::vector<std::pair<PageId, std::unique_ptr<Node>>> versions;
    /// For pages without a chain: what the page table has now (V1).
    std::vector<std::unique_ptr<Node>> bases;  ///< parallel to `versions`; null where none
    std::size_t held = 0;                      ///< of how many versions the holds have been taken
  };

  explicit Overlay(pager::SlotLedger& ledger) : ledger_(&ledger) {}
  ~Overlay();

  /// What `snapshot` sees of the page; nothing when the page table has to say.
  [[nodiscard]] std::optional<Resolved> resolve(PageId page, CommitNumber snapshot) const;
  /// True when the page has a chain.
  [[nodiscard]] bool knows(PageId page) const;

  /// Makes room so that publish cannot fail, and takes the holds of bases and slots (V3).  From here until
  /// publish or cancel no checkpoint may trim (the engine's publish lock sees to that): a base is left out
  /// because the page has a chain, so the chain must still be there.
  void prepare(Prepared& prepared);
  /// Undoes prepare's holds when the commit fails after all.
  void cancel(Prepared& prepared) noexcept;
  void publish(Prepared&& prepared, const Horizon& horizon) noexcept;

  /// A version that has no slot yet, or that a checkpoint must put into the table.
  struct Pending {
    PageId page{};
    CommitNumber born{};
    bool present = false;
    PageVersion version;
  };
  /// The newest version at or before `upto` of each page that has one born after `since`.  A live snapshot at `upto`,
  /// begun under the publish lock, keeps them while this looks; commits go on meanwhile.
  [[nodiscard]] std::vector<Pending> changed(CommitNumber since, CommitNumber upto) const;
  /// Versions in memory that are not the newest of their page (only snapshots need them).
  [[nodiscard]] std::vector<Pending> superseded_in_memory() const;
  /// The version now stands in `slot` (which is synced or will be before anyone depends on it): takes the
  /// hold and drops the memory.  False when the version is gone; no hold is taken then.
  bool settle(PageId page, CommitNumber born, SlotId slot);
  /// How far a trimming has come.
  struct TrimPlace {
    std::size_t next = 0;
    std::uint64_t layout = 0;
  };
  /// A checkpoint that contains everything up to `commit` is in force.  To be followed by trim_some, until that is done.
  [[nodiscard]] TrimPlace begin_trim(CommitNumber checkpoint_commit) noexcept;
  /// Drops what the checkpoint has made superfluous, some chains at a time: whether there are more.  Under the publish
  /// lock, which may be given to commits in between.
  [[nodiscard]] bool trim_some(TrimPlace& place, const Horizon& horizon) noexcept;

  /// Every page with a chain, as `snapshot` sees it.
  void for_each(CommitNumber snapshot,
                const std::function<void(PageId, std::optional<Resolved>)>& visit) const;

  [[nodiscard]] std::uint64_t buffered_bytes() const {
    return buffered_bytes_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t buffered_pages() const {
    return buffered_pages_.load(std::memory_order_relaxed);
  }
  /// How many pages commits have changed since the checkpoint in force.
  [[nodiscard]] std::uint64_t changed_pages() const {
    return changed_pages_.load(std::memory_order_relaxed);
  }

 private:
  void drop(std::unique_ptr<Node> node) noexcept;
  void hold_slot(const Node* node);
  void release_slot(const Node* node) noexcept;
  void trim_chain(Node& newest, const Horizon& horizon) noexcept;
  void account(const Node& node, bool add) noexcept;

  pager::SlotLedger* ledger_;
  mutable platform::Spinning<platform::SharedMutex> mutex_;
  Chains chains_;
  std::atomic<std::uint64_t> buffered_bytes_{0};
  std::atomic<std::uint64_t> buffered_pages_{0};
  CommitNumber checkpoint_{};  ///< up to where the one in force goes, as far as begin_trim was told
  std::atomic<std::uint64_t> changed_pages_{0};
};

}  // namespace coffer::txn
