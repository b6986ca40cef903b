// What changed in a tree between an earlier checkpoint and an image of a later one, as ranges to be replaced.
//
// A page changed when it was born after the earlier checkpoint.  One that did not change was then the same page of
// the same tree: a number that was given up and taken again is born again.  So a leaf that did not change had these
// entries, and between its first and its last no others.  What lay around them, up to the leaf's bounds, was
// nothing, provided that its bounds are where they were.
//
// Invariants
//   L1  A leaf's bound is where it was when no branch changed on the way down from the one that has the bound's
//       separator to the leaf.  Thus below a branch that changed all bounds of its children are taken to have moved,
//       the outermost too: the branch may have lost its last child, whose place its neighbour has now.  (A root
//       never changes its number, so that the outermost bounds of a tree move with its root like others.)
//   L2  The ranges cover each leaf that changed up to its bounds, and of one that did not what lies between a bound
//       that moved and the entry next to it.  So they cover every place where the two checkpoints, or any commit
//       between them, differ: ranges may be applied to a state that is later than the earlier checkpoint.
//   L3  Leaves that neither changed nor have a bound that moved are not read.  Every branch is.
//   L4  A page is pinned on each level, at most, and one of a large value's index.
#pragma once

#include <cstdint>
#include <vector>

#include "backup/pace.hpp"
#include "backup/record_writer.hpp"
#include "tree/btree.hpp"
#include "txn/store_image.hpp"

namespace coffer::backup {

class ChangeWalk {
 public:
  /// Finds the pages of `image` that were born after `checkpoint`: a bit of ordinary memory for every page number.
  /// Everything outlives the walk.
  ChangeWalk(txn::StoreImage& image, std::uint64_t checkpoint, Pace& pace);

  /// Writes the ranges of `tree`, which is one of the image's.
  void write(const tree::BTree& tree, RecordWriter& records);

 private:
  struct Bounds {
    RangeBound low;
    RangeBound high;
    bool low_moved = false;
    bool high_moved = false;
  };

  [[nodiscard]] bool changed(PageId page) const;
  void branch(const tree::NodeView& view, const Bounds& bounds);
  void child(PageId page, unsigned level, const Bounds& bounds);
  void leaf(const tree::NodeView& view, const Bounds& bounds);
  void unchanged_leaf(const tree::NodeView& view, const Bounds& bounds);
  void begin_range(const RangeBound& low);
  void end_range(const RangeBound& high);

  Pace& pace_;
  std::vector<bool> changed_;
  const tree::BTree* tree_ = nullptr;
  RecordWriter* records_ = nullptr;
  bool open_ = false;  ///< a range is; it goes on with the next leaf that changed
};

}  // namespace coffer::backup
