// Finding a place in a node.  Entries are in the order of (key, value); in a tree without multiple
// values the value takes no part.
#pragma once

#include <optional>

#include "tree/key_hash.hpp"
#include "tree/node.hpp"

namespace coffer::tree {

/// A place in a tree's order.
struct Target {
  Bytes key;
  Bytes value{};              ///< multi-value trees: of the pair; empty is the lowest
  bool after_values = false;  ///< behind everything that `key` has
};

/// Negative when the entry (or separator) sorts before the target, 0 when it is the target.
[[nodiscard]] inline int compare_entry(Bytes key, Bytes value, const Target& target, bool pairs) {
  if (const int order = compare(key, target.key); order != 0) return order;
  if (target.after_values) return -1;
  return pairs ? compare(value, target.value) : 0;
}

struct LeafPlace {
  std::size_t index = 0;  ///< of the first entry that is not before the target
  bool found = false;     ///< that entry is the target
};

[[nodiscard]] inline LeafPlace find_in_leaf(const NodeView& leaf, const Target& target,
                                            bool pairs) {
  std::size_t low = 0;
  std::size_t high = leaf.count();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    // Whichever half it will be: a leaf is in no cache, and each step would wait for memory.
    if (high - low > 2) {
      leaf.prefetch_cell((low + middle) / 2);
      leaf.prefetch_cell((middle + 1 + high) / 2);
    }
    const LeafCell cell = leaf.leaf_cell(middle);
    const int order = compare_entry(cell.key, cell.value, target, pairs);
    if (order == 0) return {middle, true};
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {low, false};
}

/// The entry that has this key, if there is one.  Not for trees with multiple values.
///
/// Looks at the cell pointers, which lie together, and at one cell.
[[nodiscard]] inline std::optional<LeafCell> find_key(const NodeView& leaf, Bytes key) {
  const std::optional<std::size_t> index = leaf.find_hash(key_hash(key));
  if (!index) return std::nullopt;
  const LeafCell cell = leaf.leaf_cell(*index);
  if (equal(cell.key, key)) return cell;
  // Another key with the same hash, which may stand before the one that is looked for.
  const LeafPlace place = find_in_leaf(leaf, {key}, false);
  if (!place.found) return std::nullopt;
  return leaf.leaf_cell(place.index);
}

/// Index of the child below which the target belongs.
[[nodiscard]] inline std::size_t find_child(const NodeView& branch, const Target& target,
                                            bool pairs) {
  std::size_t low = 1;
  std::size_t high = branch.count();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const BranchCell cell = branch.branch_cell(middle);
    if (compare_entry(cell.key, cell.value, target, pairs) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

/// What separates two neighbours: greater than the left, not greater than the right, and no longer
/// than it must be.  Refers to the right one's bytes.
struct Separator {
  Bytes key;
  Bytes value;
  [[nodiscard]] std::size_t bytes() const { return key.size() + value.size(); }
};

/// Bytes of `right` (the greater) up to and including the first in which it differs from `left`.
[[nodiscard]] inline Bytes shortest_above(Bytes left, Bytes right) {
  std::size_t same = 0;
  while (same < left.size() && same < right.size() && left[same] == right[same]) ++same;
  return Bytes(right.data(), same < right.size() ? same + 1 : right.size());
}

[[nodiscard]] inline Separator separate(const LeafCell& left, const LeafCell& right, bool pairs) {
  if (!pairs || !equal(left.key, right.key)) return {shortest_above(left.key, right.key), {}};
  return {right.key, shortest_above(left.value, right.value)};
}

}  // namespace coffer::tree
