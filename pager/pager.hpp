// From logical pages to sealed slots: the page file, the page table, the free map, the superblock.
//
// The page file is an array of slots of `page_bytes`.  A slot in use holds [nonce 24][ciphertext][filler];
// everything needed to open it (tag, sealed length, epoch) stands in the *reference* to it.  The page table
// maps a logical page to such a reference; its nodes, like those of the free map, are sealed in slots of
// their own, and their references form a tree whose root stands in the superblock.  So every byte that is
// believed has been verified against a tag that was itself verified, up to the superblock.
//
// Invariants
//   G1  A slot is written only while nothing refers to it (SlotLedger::reusable is the one predicate).
//   G2  A reference is published (table, journal) only after the slot it names was synced.
//   G3  The free map of checkpoint N marks exactly the slots that checkpoint N's page table, table nodes,
//       free-map nodes and value chunks occupy.
//   G4  Copy A of the superblock is written and synced, then copy B, and only then may anything that only
//       the former checkpoint needed be used again.
//   G5  Nothing read is used before its tag verified; then it is still checked for sense.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "crypto/key_header.hpp"
#include "crypto/seal.hpp"
#include "platform/platform.hpp"
#include "platform/strong.hpp"

namespace coffer::pager {

/// Plaintext bytes in a page, a node or (times slots) a chunk: the slot less its nonce.
[[nodiscard]] constexpr std::size_t content_bytes(std::uint32_t page_bytes) {
  return page_bytes - crypto::kNonceBytes;
}
/// Slots of a full chunk of a large value, and the plaintext it holds: 64 KiB-class.
[[nodiscard]] constexpr std::uint32_t chunk_slots(std::uint32_t page_bytes) {
  return page_bytes >= 65536 ? 1 : 65536 / page_bytes;
}
[[nodiscard]] constexpr std::size_t chunk_bytes(std::uint32_t page_bytes) {
  return std::size_t{chunk_slots(page_bytes)} * page_bytes - crypto::kNonceBytes;
}
/// Slots that `sealed_bytes` of ciphertext with their nonce take.
[[nodiscard]] constexpr std::uint32_t slots_for(std::uint32_t page_bytes, std::uint64_t sealed_bytes) {
  return static_cast<std::uint32_t>((sealed_bytes + crypto::kNonceBytes + page_bytes - 1) / page_bytes);
}

/// All that is needed to find, read and open one sealed slot.
struct SlotRef {
  SlotId slot{};                   ///< below 2^48
  std::uint32_t sealed_bytes = 0;  ///< 1 to content_bytes; 0 marks an empty table entry
  Epoch epoch{};
  crypto::Tag tag{};
  friend bool operator==(const SlotRef&, const SlotRef&) = default;
};

struct SlotRun {
  SlotId first{};
  std::uint32_t count = 0;
};

/// Says what failed and where in words for Tampered / Corrupted, by suite.
[[noreturn]] void raise_damaged(crypto::Suite suite, const std::string& what);

// --- The page file ------------------------------------------------------------------------------------

/// Slots by number.  Reads copy out of read-only windows that never move (G: copy once); writes go by
/// position.  Thread-safe.
class PageFile {
 public:
  PageFile(std::unique_ptr<platform::File> file, std::uint32_t page_bytes,
           std::uint64_t map_granularity_bytes);
  ~PageFile();

  [[nodiscard]] std::uint32_t page_bytes() const { return page_bytes_; }
  [[nodiscard]] std::uint64_t slot_count() const { return slots_.load(std::memory_order_acquire); }
  [[nodiscard]] const platform::Path& path() const;
  /// Copies the first `nonce + out.size()` bytes of a slot (or run), once.  A slot beyond the end raises
  /// IoError.  For `out` larger than a page positioned reads are used.
  void read(SlotId slot, crypto::Nonce& nonce, std::span<std::byte> out) const;
  /// Writes consecutive slots; every piece is a whole slot.
  void write(SlotId first, std::span<const std::span<const std::byte>> slots);
  /// Grows to `slots`, allocated on disk (NoSpace).
  void grow(std::uint64_t slots);
  void shrink(std::uint64_t slots);
  void sync();

 private:
  struct Windows;
  std::unique_ptr<platform::File> file_;
  std::uint32_t page_bytes_;
  std::atomic<std::uint64_t> slots_{0};
  std::unique_ptr<Windows> windows_;
};

// --- Which slots may be used --------------------------------------------------------------------------

/// Why a slot (or run) that the checkpoint in force does not use must not be used all the same, or will
/// still be needed when the next checkpoint stops using it.
enum class Hold : std::uint8_t {
  version = 1,     ///< an in-memory version of a page, or a chunk, that a snapshot or a later reader needs
  journal = 2,     ///< named by a journal record that a recovery would replay
  checkpoint = 4,  ///< written by the checkpoint in progress
  transaction = 8, ///< written by the open write transaction
};

/// Knows of every slot whether it may be written.  Thread-safe.
///
/// The predicate, in one place: a slot is reusable when the checkpoint in force (both superblock copies)
/// does not use it and no Hold is on it.
class SlotLedger {
 public:
  explicit SlotLedger(PageFile& file);

  /// From the free map at open: the checkpoint in force uses this slot.
  void load_used(SlotId slot);

  [[nodiscard]] bool reusable(SlotId slot) const;
  /// A run of `count` reusable slots, now held for `hold`.  Grows the file where needed (doubling while
  /// small, then in fixed steps).  NoSpace when that fails, or when only what is reserved is left and
  /// `hold` is not Hold::checkpoint.
  [[nodiscard]] SlotRun allocate(std::uint32_t count, Hold hold);
  /// As many single-slot-wide runs as needed for `count` slots, as contiguous as they come.
  [[nodiscard]] std::vector<SlotRun> allocate_scattered(std::uint64_t count, Hold hold);
  /// Puts a hold on a run (also on one that the checkpoint uses).  Runs are named by the same first slot
  /// and count throughout their life.
  void hold(SlotRun run, Hold hold);
  /// Takes it off again; a run without holds that the checkpoint does not use is reusable at once.
  void release(SlotRun run, Hold hold);
  [[nodiscard]] bool held(SlotRun run, Hold hold) const;

  /// The checkpoint that now is in force uses `now_used` and no longer uses `no_longer_used`.
  void install_checkpoint(std::span<const SlotRun> now_used, std::span<const SlotRun> no_longer_used);
  /// True when the checkpoint in force uses the slot.
  [[nodiscard]] bool in_checkpoint(SlotId slot) const;

  /// Single slots that stay free, allocated on disk, for the next checkpoint.  NoSpace when the file
  /// cannot grow that far; then the former reserve stands.
  void reserve(std::uint64_t slots);

  [[nodiscard]] std::uint64_t free_slots() const;
  [[nodiscard]] std::uint64_t used_slots() const;  ///< by the checkpoint in force
  [[nodiscard]] std::uint64_t held_slots() const;  ///< neither free nor used by the checkpoint
  /// Slots at the end of the file that are reusable: what close may cut off.
  [[nodiscard]] std::uint64_t free_tail() const;
  /// Cuts the free tail off the file, keeping the reserve.
  void shrink_file();

 private:
  struct State;
  std::unique_ptr<State> state_;

 public:
  ~SlotLedger();
};

// --- The superblock -----------------------------------------------------------------------------------

/// One writable opening of the store under which something was committed.
struct Opening {
  std::array<std::byte, 16> generation{};
  CommitNumber first_commit{};
  friend bool operator==(const Opening&, const Opening&) = default;
};
inline constexpr std::size_t kOpeningsMax = 512;

/// The root of everything but the keys.  Two copies of kSuperblockBytes each in the file `superblock`, each
/// [nonce 24][ciphertext][tag 16], the copy's index in the additional data.
struct Superblock {
  std::uint32_t format_version = 1;
  std::uint32_t page_bytes = 0;
  std::uint64_t segment_bytes = 0;           ///< of the journal
  std::array<std::byte, 16> instance{};
  std::uint64_t checkpoint = 0;              ///< number of this checkpoint
  CommitNumber commit{};                     ///< last commit that it contains
  SlotRef table_root{};                      ///< sealed_bytes 0: an empty table
  std::uint8_t table_levels = 0;
  SlotRef free_root{};
  std::uint8_t free_levels = 0;
  std::uint64_t slot_count = 0;              ///< slots that the free map covers
  std::uint64_t page_count = 0;              ///< logical pages in use
  PageId next_page{1};                       ///< no page at or above this number was ever used
  PageId catalog_root{};
  std::uint64_t next_value_id = 1;
  Lsn journal_position{};
  std::array<std::byte, 16> journal_generation{};
  crypto::Tag journal_previous_tag{};
  Lsn journal_durable_upto{};
  crypto::Hash key_header_hash{};
  /// Hash of the openings that no longer stand in `openings`, then those, oldest first.
  crypto::Hash openings_before{};
  CommitNumber openings_before_end{};        ///< first commit not covered by `openings_before`
  std::vector<Opening> openings;
  friend bool operator==(const Superblock&, const Superblock&) = default;
};

inline constexpr std::uint64_t kSuperblockBytes = 16384;

struct FoundSuperblock {
  Superblock superblock;
  bool repair = false;  ///< the other copy is damaged or older: write it again
};

/// Reads both copies; the valid one with the higher checkpoint number wins.  Both bad: Tampered
/// (Corrupted when unencrypted), never an older state; a file of the wrong size: likewise.
[[nodiscard]] FoundSuperblock read_superblock(const platform::File& file, const crypto::KeyRing& keys);
/// Writes one copy (0 or 1); the caller syncs.
void write_superblock(platform::File& file, int copy, const Superblock& superblock,
                      const crypto::KeyRing& keys, crypto::NonceRun& nonces);

// --- Page table and free map --------------------------------------------------------------------------

/// What a checkpoint changes, as collected from the commits since the last one.
struct CheckpointChanges {
  /// New reference of a page, or nothing when it was freed.  Slots are synced or will be by the caller's
  /// PageFile::sync before the superblock is written.
  std::vector<std::pair<PageId, std::optional<SlotRef>>> pages;
  std::vector<SlotRun> runs_used;    ///< value chunks now referenced
  std::vector<SlotRun> runs_unused;  ///< value chunks no longer referenced
};

/// What `Metadata::prepare` made; goes into the superblock and the ledger.
struct CheckpointRoots {
  SlotRef table_root{};
  std::uint8_t table_levels = 0;
  SlotRef free_root{};
  std::uint8_t free_levels = 0;
  std::uint64_t slot_count = 0;
  std::uint64_t page_count = 0;
  std::vector<SlotRun> now_used;        ///< pages', chunks' and nodes' slots
  std::vector<SlotRun> no_longer_used;  ///< likewise
};

/// The page table and the free map of the checkpoint in force, and the making of the next ones.
/// lookup and find_empty may be called by many threads; prepare/install/abandon by one at a time, also
/// while lookups go on.
class Metadata {
 public:
  Metadata(PageFile& file, SlotLedger& ledger, const crypto::KeyRing& keys,
           platform::Entropy& entropy, std::uint64_t cache_bytes_max);
  ~Metadata();

  /// Takes the roots from a superblock and loads the free map into the ledger.  Raises Tampered or Corrupted
  /// when a node does not verify or does not make sense.
  void load(const Superblock& superblock);

  /// The page's reference in the checkpoint in force; nothing when the table has none.
  [[nodiscard]] std::optional<SlotRef> lookup(PageId page) const;
  /// The first page number at or above `from` and below `limit` with an empty entry; nothing when all are
  /// in use.  Uses the counts of the subtrees: cost is a descent.
  [[nodiscard]] std::optional<PageId> find_empty(PageId from, PageId limit) const;

  /// Most slots that nodes can take in a checkpoint that changes `pages` pages (and as many slots): what a
  /// commit reserves beside the pages' own slots.
  [[nodiscard]] std::uint64_t node_slots_max(std::uint64_t pages, PageId next_page) const;

  /// Builds, seals and writes the changed nodes into slots held for the checkpoint (not synced).
  /// The allocation of the free map's own slots is carried to its fixed point first.
  [[nodiscard]] CheckpointRoots prepare(const CheckpointChanges& changes, crypto::NonceRun& nonces);
  /// The superblock is written: lookups see the new table from now on.
  void install();
  /// The checkpoint failed: forgets what prepare made and releases its slots.
  void abandon() noexcept;

  [[nodiscard]] std::uint64_t cache_bytes() const;

  /// Walks every node (verifying it again from disk), for check: each page with its reference, each node's
  /// slot.  Counts per subtree are compared.
  struct Walk {
    std::function<void(PageId, const SlotRef&)> page;
    std::function<void(crypto::Role, SlotId)> node;
    std::function<void(SlotId)> used_slot;   ///< marked in the free map
  };
  void walk(const Walk& walk) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::pager
