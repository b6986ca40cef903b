// What a checkpoint does to the page table: which nodes change, and their new bytes.
//
// Two steps, because a node's parent carries its tag and the free map must know of every slot
// before anything is sealed.  plan() finds the nodes that change, bottom up, and which of them are
// left with something in them; their slots are then allocated; write() seals them, leaves first.
//
// Levels grow as page numbers do: the former root becomes child 0 of the new one.  They do not
// shrink but to none, when the last page is freed.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "pager/node.hpp"
#include "pager/node_store.hpp"

namespace coffer::pager {

struct TableRoot {
  Child root{};  ///< count: pages in use
  unsigned levels = 0;
};

/// Where the update finds the table as it is.
class TableReader {
 public:
  [[nodiscard]] virtual NodePointer table_node(unsigned level, std::uint64_t index) const = 0;
  /// A page's new version is said to lie where the table has its present one.
  [[noreturn]] virtual void raise_reused(PageId page, SlotId slot) const = 0;

 protected:
  ~TableReader() = default;
};

/// A node that the next checkpoint has anew; nullptr when it is gone, or not kept in memory.
struct ChangedNode {
  unsigned level = 0;
  std::uint64_t index = 0;
  NodePointer node;
};

class TableUpdate {
 public:
  using PageChange = std::pair<PageId, std::optional<SlotRef>>;

  /// `birth` is the number of the checkpoint that the update is for.
  TableUpdate(const TableReader& reader, const TableRoot& before, std::uint32_t page_bytes,
              std::uint64_t birth)
      : reader_(reader),
        before_(before),
        after_(before),
        page_bytes_(page_bytes),
        birth_(birth),
        shape_(format::table_shape(page_bytes)) {}

  void plan(std::span<const PageChange> changes);
  /// Nodes that need a slot.
  [[nodiscard]] std::uint64_t slots_needed() const { return slots_needed_; }
  /// Seals and writes; `slots` has one for each node that needs it.  Keeps new nodes in memory up
  /// to `keep_bytes_max`.
  void write(std::span<const SlotRun> slots, NodeWriter& writer, std::uint64_t keep_bytes_max);

  [[nodiscard]] const TableRoot& after() const { return after_; }
  /// Slots of pages, and of nodes, that the table no longer names; pages' slots that it now does.
  [[nodiscard]] const std::vector<SlotRun>& slots_gone() const { return slots_gone_; }
  [[nodiscard]] const std::vector<SlotRun>& page_slots() const { return page_slots_; }
  [[nodiscard]] std::vector<ChangedNode>& changed_nodes() { return changed_nodes_; }

 private:
  struct Dirty {
    std::uint64_t index = 0;
    std::uint64_t count_before = 0;
    std::uint64_t count = 0;
    std::size_t first_change = 0;  ///< of the pages, or of the dirty nodes one level below
    std::size_t changes = 0;
    SlotRef ref{};
  };

  void plan_leaf(std::uint64_t index, std::size_t first, std::size_t changes);
  void plan_level(unsigned level);
  [[nodiscard]] Child former_root_at(unsigned level, std::uint64_t index) const;
  [[nodiscard]] NodePointer former(unsigned level, std::uint64_t index) const;
  [[nodiscard]] std::vector<Child> children(unsigned level, const Dirty& dirty) const;
  void note_gone(unsigned level, std::uint64_t index);

  const TableReader& reader_;
  const TableRoot before_;
  TableRoot after_;
  std::uint32_t page_bytes_;
  std::uint64_t birth_;
  format::Shape shape_;
  std::vector<PageChange> changes_;         ///< ascending
  std::vector<std::vector<Dirty>> levels_;  ///< ascending
  std::uint64_t slots_needed_ = 0;
  std::vector<SlotRun> slots_gone_;
  std::vector<SlotRun> page_slots_;
  std::vector<ChangedNode> changed_nodes_;
};

}  // namespace coffer::pager
