// The free map: which slots the checkpoint in force uses, as a tree of sealed bitmap leaves, and
// what a checkpoint does to it.
//
// In memory the bits themselves stand in the SlotLedger; here is only where each node lies and how
// much is below it (40 bytes for each 64 MiB of the file at 4 KiB a page).
//
// The fixed point.  The map covers the slots of its own nodes.  A changed bit makes its leaf dirty,
// and a dirty leaf the path to the root; each dirty node leaves its slot (a bit is cleared) and
// needs another (a bit is set), and each of these two bits may make a further leaf dirty.
// FreeMapUpdate::settle repeats this until nothing new turns up.  It ends: a node becomes dirty at
// most once and is given a slot at most once, and the nodes that a file can have are bounded by its
// size; clearing is carried through before each allocation.  In practice it ends after one or two
// rounds, since slots are handed out side by side.
//
// A node in whose subtree nothing is in use has no slot: one that became empty after it had been
// given a slot gives it back at the end, which makes no further node dirty.  Levels grow and do not
// shrink but to none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "pager/node.hpp"
#include "pager/node_store.hpp"
#include "pager/slot_ledger.hpp"

namespace coffer::pager {

struct FreeMap {
  /// By level, leaves first, then by index; the topmost has one.  Missing ones at the end are
  /// empty.
  std::vector<std::vector<Child>> levels;

  [[nodiscard]] unsigned level_count() const { return static_cast<unsigned>(levels.size()); }
  [[nodiscard]] Child node(unsigned level, std::uint64_t index) const {
    return level < levels.size() && index < levels[level].size() ? levels[level][index] : Child{};
  }
  [[nodiscard]] Child root() const { return levels.empty() ? Child{} : node(level_count() - 1, 0); }
};

class FreeMapUpdate {
 public:
  FreeMapUpdate(const FreeMap& before, SlotLedger& ledger, std::uint32_t page_bytes,
                crypto::Suite suite)
      : before_(before),
        ledger_(ledger),
        suite_(suite),
        shape_(format::free_map_shape(page_bytes)),
        levels_(before.level_count()) {}

  /// The next checkpoint uses the run.  Tampered (Corrupted when unencrypted) when a slot of it is in use
  /// already: a superblock that was put back beside later journal segments comes to that.
  void set(SlotRun run);
  /// It no longer does.  Likewise when it never did.
  void clear(SlotRun run);
  /// Allocates slots for the map's own nodes until that changes nothing more.  What it allocates is
  /// added to `taken` at once, for the caller to release when anything fails.
  void settle(std::vector<SlotRun>& taken);
  /// Seals and writes the dirty nodes.
  void write(NodeWriter& writer);

  [[nodiscard]] const FreeMap& after() const { return after_; }
  [[nodiscard]] const std::vector<SlotRun>& node_slots() const { return node_slots_; }
  [[nodiscard]] const std::vector<SlotRun>& slots_gone() const { return slots_gone_; }
  /// One past the last slot in use.
  [[nodiscard]] std::uint64_t slot_count() const;

 private:
  struct DirtyLeaf {
    std::vector<std::uint64_t> words;
    std::uint64_t count = 0;
  };
  struct DirtyNode {
    std::optional<SlotId> slot;
  };

  DirtyLeaf& leaf_of(SlotId slot);
  template <class Action>
  void for_each_bit(SlotRun run, const Action& action);
  void mark(unsigned level, std::uint64_t index);
  void mark_path(std::uint64_t leaf);
  void grow();
  void clear_former_slots();
  bool give_back(std::vector<SlotRun>& taken);
  [[nodiscard]] std::vector<DirtyNode*> without_slot();
  [[nodiscard]] bool exists(unsigned level, std::uint64_t index) const;
  [[nodiscard]] bool has_content(unsigned level, std::uint64_t index) const;
  [[nodiscard]] std::vector<std::uint64_t> words_in_force(std::uint64_t leaf) const;

  const FreeMap& before_;
  SlotLedger& ledger_;
  crypto::Suite suite_;
  format::Shape shape_;
  unsigned levels_;
  std::map<std::uint64_t, DirtyLeaf> leaves_;
  std::vector<std::map<std::uint64_t, DirtyNode>> dirty_;  ///< by level
  std::vector<SlotRun> to_clear_;    ///< former slots of nodes that became dirty
  std::vector<SlotRun> slots_gone_;  ///< the same, once cleared
  std::vector<SlotRun> node_slots_;
  FreeMap after_;
};

}  // namespace coffer::pager
