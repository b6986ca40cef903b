// The page table and the free map: of the checkpoint in force, and the making of the next.
//
// Both are radix trees of sealed nodes (pager_format.hpp).  A node is never changed in place: a
// checkpoint writes changed nodes, and with them the path to the root, into other slots, and the
// superblock's new roots put them in force.
//
// Invariants
//   M1  A lookup sees each page as of the checkpoint in force, before, or from install() on, after it.
//   M2  A node of the former checkpoint is not read after install(): then its slot may be used again.
//   M3  prepare() changes nothing that a lookup or a later prepare() can see; when it throws, or after
//       abandon(), the slots that it took are free again.
//   M4  prepare() takes no more slots for nodes than node_slots_max() said.
//   M5  install() and abandon() cannot fail.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "crypto/key_header.hpp"
#include "crypto/seal.hpp"
#include "pager/checkpoint_walk.hpp"
#include "pager/page_file.hpp"
#include "pager/slot_ledger.hpp"
#include "pager/superblock.hpp"

namespace coffer::pager {

/// What a checkpoint changes, as collected from the commits since the last one.
struct CheckpointChanges {
  /// New reference of a page, or nothing when it was freed; each page once.  The slots are held.
  /// They are synced or will be by the caller's PageFile::sync before the superblock is written.
  std::vector<std::pair<PageId, std::optional<SlotRef>>> pages{};
  std::vector<SlotRun> runs_used{};    ///< value chunks now referenced
  std::vector<SlotRun> runs_unused{};  ///< value chunks no longer referenced
  std::uint64_t checkpoint = 0;        ///< its number: the birth of what it changes
};

/// What `Metadata::prepare` made; goes into the superblock and the ledger.
struct CheckpointRoots {
  SlotRef table_root{};
  std::uint8_t table_levels = 0;
  SlotRef free_root{};
  std::uint8_t free_levels = 0;
  std::uint64_t slot_count = 0;  ///< one past the last slot in use
  std::uint64_t page_count = 0;
  std::vector<SlotRun> now_used;        ///< pages', chunks' and nodes' slots
  std::vector<SlotRun> no_longer_used;  ///< likewise

  void put_into(Superblock& superblock) const {
    superblock.table_root = table_root;
    superblock.table_levels = table_levels;
    superblock.free_root = free_root;
    superblock.free_levels = free_levels;
    superblock.slot_count = slot_count;
    superblock.page_count = page_count;
  }
};

/// The page table and the free map of the checkpoint in force, and the making of the next ones.
/// lookup, find_empty and node_slots_max may be called by many threads; prepare/install/abandon by
/// one at a time, also while lookups go on.
class Metadata {
 public:
  /// Tells `file` the suite of `keys`.
  Metadata(PageFile& file, SlotLedger& ledger, const crypto::KeyRing& keys,
           platform::Entropy& entropy, std::uint64_t cache_bytes_max);
  ~Metadata();
  Metadata(const Metadata&) = delete;
  Metadata& operator=(const Metadata&) = delete;

  /// Takes the roots from a superblock and loads the free map into the ledger, which must know of
  /// no used slot yet.  Raises Tampered or Corrupted when a node does not verify or does not make
  /// sense.
  void load(const Superblock& superblock);

  /// The page's reference in the checkpoint in force; nothing when the table has none.
  [[nodiscard]] std::optional<SlotRef> lookup(PageId page) const;
  /// The first page number at or above `from` and below `limit` with an empty entry; nothing when
  /// all are in use.  Uses the counts of the subtrees: cost is a descent.
  [[nodiscard]] std::optional<PageId> find_empty(PageId from, PageId limit) const;

  /// Most slots that nodes can take in a checkpoint that changes `pages` pages (and as many slots):
  /// what a commit reserves beside the pages' own slots.  Holds for the file as it is now;
  /// SlotLedger's reserve keeps up with its growth.
  [[nodiscard]] std::uint64_t node_slots_max(std::uint64_t pages, PageId next_page) const;

  /// Builds, seals and writes the changed nodes into slots held for the checkpoint (not synced).
  /// The allocation of the free map's own slots is carried to its fixed point first.  Pages' slots
  /// and `runs_used`, which the caller holds for whatever reason, are held for the checkpoint too
  /// from here on.
  [[nodiscard]] CheckpointRoots prepare(const CheckpointChanges& changes, crypto::NonceRun& nonces);
  /// The superblock is written: lookups see the new table from now on.  Comes before
  /// SlotLedger::install_checkpoint (M2).
  void install();
  /// The checkpoint failed: forgets what prepare made and releases its slots.
  void abandon() noexcept;

  [[nodiscard]] std::uint64_t cache_bytes() const;

  /// Walks every node (verifying it again from disk), for check: each page with its reference, each
  /// node's slot.  Counts per subtree are compared.  The callbacks must not call this object; an
  /// install() waits.
  void walk(const CheckpointWalk& walk) const;

  /// Opaque (metadata_state.hpp); public only so that this folder's sources can name it.
  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace coffer::pager
