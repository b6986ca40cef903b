// Changes a tree's page, touching as few bytes as it can: the engine logs what was touched.
//
//   E1  The header's gap and the fragmented count are true after every call.
//   E2  A call checks what it needs of the page before it writes; it raises nothing but Corrupted, and
//       then the page is as it was.
//   E3  Nothing is copied out of the page: compaction slides cells inside it.
#pragma once

#include "tree/key_hash.hpp"
#include "tree/node.hpp"

namespace coffer::tree {

/// A cell to be written; refers to its key and value.
struct CellDraft {
  Bytes key;
  Bytes value;
  PageId child = kNoPage;
  bool branch = false;
  bool large = false;

  [[nodiscard]] static CellDraft for_leaf(Bytes key, Bytes value, bool large) {
    return {key, value, kNoPage, false, large};
  }
  [[nodiscard]] static CellDraft for_branch(PageId child, Bytes key, Bytes value) {
    return {key, value, child, true, false};
  }
  [[nodiscard]] std::size_t bytes() const {
    const std::size_t head =
        branch ? kBranchCellHeaderBytes + (value.empty() ? 0 : kBranchCellValueBytes)
               : kLeafCellHeaderBytes;
    return head + key.size() + value.size();
  }
  /// Of the key, for a leaf's cell pointer.
  [[nodiscard]] std::uint16_t hash() const { return branch ? 0 : key_hash(key); }
  /// `out` has bytes() bytes.
  void write(std::span<std::byte> out) const;
};

/// What a node's header says of it.
struct NodeShape {
  std::size_t level;
  std::size_t count;
  std::size_t gap_end;
  std::size_t fragmented;
};
/// `hash` is for leaves.
inline void store_cell_pointer(std::byte* pointer, std::size_t level, std::size_t cell_offset,
                               std::uint16_t hash) {
  store(pointer, static_cast<std::uint16_t>(cell_offset));
  if (level == 0) store(pointer + kCellPointerHashOffset, hash);
}

/// With no version.
[[nodiscard]] inline txn::PageHeader node_header(const NodeShape& shape) {
  return {.gap_begin = static_cast<std::uint16_t>(kNodeHeaderBytes +
                                                  cell_pointer_bytes_on(shape.level) * shape.count),
          .gap_end = static_cast<std::uint16_t>(shape.gap_end),
          .type = shape.level == 0 ? kPageTypeLeaf : kPageTypeBranch,
          .level = static_cast<std::uint8_t>(shape.level),
          .count = static_cast<std::uint16_t>(shape.count),
          .version = 0};
}

class NodeEditor {
 public:
  explicit NodeEditor(txn::MutablePage& page) : page_(page) {}

  /// Makes the page an empty node, whatever it was.
  void clear(unsigned level);
  /// Inserts before `index`.  The cell and its pointer fit (free_bytes()).
  void insert(std::size_t index, const CellDraft& draft);
  void insert_copy(std::size_t index, Bytes cell);
  void append(const CellDraft& draft) { insert(view().count(), draft); }
  void append_copy(Bytes cell) { insert_copy(view().count(), cell); }
  /// Puts another cell in the place of `index`; it fits what is free and what the old one takes.
  void replace(std::size_t index, const CellDraft& draft);
  /// Removes [first, last).
  void erase(std::size_t first, std::size_t last);
  /// Points a branch's cell to another child.
  void set_child(std::size_t index, PageId child);
  /// Moves all free bytes into the gap.
  void compact();
  /// Becomes a copy of `from`, another page.
  void copy_from(const NodeView& from, std::span<const std::byte> bytes);

  [[nodiscard]] NodeView view() const { return {page_.id(), page_.bytes(), true}; }

 private:
  void set_shape(const NodeShape& shape);
  std::span<std::byte> make_room(std::size_t index, std::size_t bytes, std::uint16_t hash);

  txn::MutablePage& page_;
};

}  // namespace coffer::tree
