// Looks at a whole tree: that every page is where and what it should be, that the entries are in order
// and within the bounds that the branches name, and that the counts of bytes are true.
//
// Raises Corrupted, naming the page, at the first thing that is wrong.  Pins one page a level.
#pragma once

#include "tree/btree.hpp"

namespace coffer::tree {

/// Hears of everything that a tree consists of.  May raise what it likes, which ends the check.
class CheckVisitor {
 public:
  /// A page of the tree or of a large value's index.
  virtual void page(PageId id) = 0;
  /// A chunk of a large value; it has not been opened.
  virtual void chunk(std::uint64_t value_id, std::uint64_t index, const txn::ChunkRef& ref) = 0;

 protected:
  ~CheckVisitor() = default;
};

struct CheckCounts {
  std::uint64_t trees = 0;
  std::uint64_t entries = 0;
  std::uint64_t leaves = 0;
  std::uint64_t branches = 0;
  std::uint64_t large_values = 0;
  std::uint64_t leaf_used_bytes = 0;  ///< of cells and their offsets
  std::uint64_t branch_used_bytes = 0;
};

[[nodiscard]] CheckCounts check_tree(const BTree& tree, CheckVisitor& visitor);
/// The catalog and all trees that it names; the catalog's entries and itself are not counted.
[[nodiscard]] CheckCounts check_all_trees(const TreeContext& context, CheckVisitor& visitor);

}  // namespace coffer::tree
