// Which slots may be written.
//
// The predicate, stated once (SlotBlock::busy_word in slot_block.hpp):
//
//   a slot is reusable when the checkpoint in force does not use it and no Hold is on it.
//
// "The checkpoint in force" is what both copies of the superblock name.  From the moment in which
// copy A is written until install_checkpoint both the former and the new one count: the former's
// slots are still marked as used, the new one's still carry the hold under which they were written.
//
// What the callers owe
//   Hold::transaction  from allocation until the write transaction has committed or aborted.
//   Hold::version      on the slot of each version of a page that lies in memory, and on the base in the
//                      checkpoint in force of a page that was modified since, until no snapshot and
//                      no later reader needs that version.
//   Hold::journal      on each run that a journal record names (as reference, or as a chunk), until a
//                      checkpoint that began after the record is in force.
//   Hold::checkpoint   on everything that the checkpoint in progress will name, whoever wrote it: a version
//                      may be given up before the checkpoint that took it over is in force.
//                      Metadata::prepare sees to it; install_checkpoint takes it off again.
//   Hold::backup       put on and taken off by SlotPin only, on all that a checkpoint uses.
//   A hold is put on before the one that it takes over from is taken off.
//
// Invariants
//   L1  A slot is handed out only when it is reusable, and is held from then on.
//   L2  Outside of Hold::checkpoint no allocation leaves fewer than `reserve` free slots.  When the file
//       grows, the reserve grows by the free-map nodes that a larger file can have.
//   L3  Free slots are allocated on disk: the file grows through PageFile::grow only.
//
// Failures: NoSpace from allocate and reserve, and everything is as it was.  release and
// install_checkpoint cannot fail.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pager/page_file.hpp"
#include "pager/slot.hpp"

namespace coffer::pager {

/// Why a slot (or run) that the checkpoint in force does not use must not be used all the same, or
/// will still be needed when the next checkpoint stops using it.
enum class Hold : std::uint8_t {
  version =
      1,  ///< an in-memory version of a page, or a chunk, that a snapshot or a later reader needs
  journal = 2,      ///< named by a journal record that a recovery would replay
  checkpoint = 4,   ///< written by the checkpoint in progress
  transaction = 8,  ///< written by the open write transaction
  backup = 16,      ///< of a checkpoint that a backup is being made of (SlotPin)
};

class SlotLedger;

/// Keeps all slots of one checkpoint from being written while it lives, whatever is checkpointed meanwhile.
/// Must not outlive the ledger.
class SlotPin {
 public:
  ~SlotPin();
  SlotPin(const SlotPin&) = delete;
  SlotPin& operator=(const SlotPin&) = delete;
  /// One past the last slot, a multiple of 64.
  [[nodiscard]] std::uint64_t slots_end() const { return words_.size() * 64; }
  /// Bit b of word w: slot 64 w + b is used by that checkpoint.
  [[nodiscard]] std::span<const std::uint64_t> words() const { return words_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  friend class SlotLedger;
  explicit SlotPin(SlotLedger& ledger) : ledger_(ledger) {}
  SlotLedger& ledger_;
  std::vector<std::uint64_t> words_;
  std::uint64_t count_ = 0;
};

/// Knows of every slot whether it may be written.  Thread-safe.
class SlotLedger {
 public:
  /// All of the file's slots are free at first.  It covers the file as long as PageFile says it is: what
  /// costs memory is what the superblock or the journal vouches for, not the length that anybody can give
  /// a file.
  explicit SlotLedger(PageFile& file);
  ~SlotLedger();
  SlotLedger(const SlotLedger&) = delete;
  SlotLedger& operator=(const SlotLedger&) = delete;

  /// From the free map at open: the checkpoint in force uses this slot.
  void load_used(SlotId slot);
  /// The same for 64 slots a word; `first` is a multiple of 64.  Bits beyond the file must be zero.
  void load_used(SlotId first, std::span<const std::uint64_t> words);

  [[nodiscard]] bool reusable(SlotId slot) const;
  /// A run of `count` reusable slots, now held for `hold`.  Grows the file where needed (doubling
  /// while small, then in fixed steps).  NoSpace when that fails, or when only what is reserved is
  /// left and `hold` is not Hold::checkpoint.
  [[nodiscard]] SlotRun allocate(std::uint32_t count, Hold hold);
  /// `count` slots, a run of one for each, in rising order until the end of the file; neighbours are
  /// likely.
  [[nodiscard]] std::vector<SlotRun> allocate_scattered(std::uint64_t count, Hold hold);
  /// The next single slots are looked for from the file's beginning on.
  void search_from_start();
  /// Puts a hold on a run (also on one that the checkpoint uses).  A run beyond the end of the file
  /// raises Tampered or Corrupted: only a reference from disk can name it.
  void hold(SlotRun run, Hold hold);
  /// Takes it off again; a run without holds that the checkpoint does not use is reusable at once.
  /// A hold that is not there is no error.
  void release(SlotRun run, Hold hold);
  /// True when every slot of the run has this hold.
  [[nodiscard]] bool held(SlotRun run, Hold hold) const;

  /// The checkpoint that now is in force uses `now_used` and no longer uses `no_longer_used`. Takes
  /// Hold::checkpoint off `now_used`; other holds stay.
  void install_checkpoint(std::span<const SlotRun> now_used,
                          std::span<const SlotRun> no_longer_used);
  /// True when the checkpoint in force uses the slot.
  [[nodiscard]] bool in_checkpoint(SlotId slot) const;
  /// The same for 64 slots a word; `first` is a multiple of 64, and what lies beyond the file reads
  /// as zero.
  void copy_in_checkpoint(SlotId first, std::span<std::uint64_t> words) const;

  /// Single slots that stay free, allocated on disk, for the next checkpoint.  NoSpace when the
  /// file cannot grow that far; then the former reserve stands.  Allocations for Hold::checkpoint
  /// use the reserve up without lowering the number: whoever reserves while a checkpoint is being
  /// made counts in what that one has yet to allocate.
  void reserve(std::uint64_t slots);

  /// Pins what the checkpoint in force uses.  The caller sees to it that none takes force meanwhile.
  [[nodiscard]] std::unique_ptr<SlotPin> pin();

  [[nodiscard]] std::uint64_t free_slots() const;
  [[nodiscard]] std::uint64_t used_slots() const;  ///< by the checkpoint in force
  /// Neither free nor used by the checkpoint in force, nor only pinned.
  [[nodiscard]] std::uint64_t held_slots() const;
  /// Kept by nothing but pins.
  [[nodiscard]] std::uint64_t pinned_slots() const;
  /// Slots at the end of the file that are reusable: what close may cut off.
  [[nodiscard]] std::uint64_t free_tail() const;
  /// Cuts the free tail off the file, keeping the reserve.
  void shrink_file();

 private:
  friend class SlotPin;
  void unpin(const SlotPin& pin) noexcept;

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace coffer::pager
