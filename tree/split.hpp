// How a node that has no room for one more cell is divided in two.
//
// The cells that the node would have with the new one in it are numbered 0, 1, ...; those below the
// split point stay to the left.  The split point is near the middle, where the separator is shortest;
// entries that come in ascending (descending) order leave full pages behind.
//
// Refers to the node's bytes and the new cell's until it is applied.
#pragma once

#include "tree/node_editor.hpp"
#include "tree/search.hpp"

namespace coffer::tree {

/// A branch is divided before its page is full: a descent opens all that a branch holds, and pays by the
/// byte.  Nodes of this size make paths cheapest (two branches of 100 children cost half of what one of
/// 200 under a root costs); long separators keep at least a few dozen children together.
inline constexpr std::size_t kBranchBytesWanted = 2048;
inline constexpr std::size_t kBranchChildrenMin = 64;

/// Of a branch with so many children in so many bytes.
[[nodiscard]] constexpr bool branch_too_large(std::size_t children, std::size_t bytes) {
  return bytes > kBranchBytesWanted && children > kBranchChildrenMin;
}

class SplitPlan {
 public:
  enum class Pattern { random, ascending, descending };

  SplitPlan() = default;
  /// `draft` goes before cell `index` of the node, or takes its place.  Corrupted when no split point
  /// makes both halves fit, which a sound node cannot do.
  SplitPlan(const NodeView& node, std::size_t index, bool replaces, const CellDraft& draft,
            bool pairs, Pattern pattern);

  /// Between left and right.
  [[nodiscard]] Separator separator() const { return separator_at(split_); }

  /// Writes the right half to an empty page.
  void write_right(txn::MutablePage& right) const;
  /// Writes the left half to an empty page.
  void write_left(txn::MutablePage& left) const;
  /// Leaves the left half in the node's own page; the right half must be written already.
  void keep_left(txn::MutablePage& page) const;

 private:
  [[nodiscard]] std::size_t count() const { return node_.count() + (replaces_ ? 0 : 1); }
  [[nodiscard]] std::size_t old_index(std::size_t i) const {
    return i > index_ && !replaces_ ? i - 1 : i;
  }
  [[nodiscard]] std::size_t cell_bytes(std::size_t i) const;
  [[nodiscard]] LeafCell leaf_cell(std::size_t i) const;
  [[nodiscard]] Separator separator_at(std::size_t split) const;
  void choose(Pattern pattern);
  void write(txn::MutablePage& page, std::size_t first, std::size_t last) const;

  NodeView node_;
  std::size_t index_ = 0;
  bool replaces_ = false;
  bool pairs_ = false;
  CellDraft draft_;
  std::size_t split_ = 0;
};

}  // namespace coffer::tree
