// See change_walk.hpp.
#include "backup/change_walk.hpp"

#include "platform/contracts.hpp"
#include "tree/node.hpp"
#include "tree/search.hpp"

namespace coffer::backup {
namespace {

using format::BoundKind;

RangeBound bound_at(Bytes key, Bytes value) {
  return {.kind = BoundKind::at, .key = key, .value = value};
}

/// Before a leaf's entry, or behind it.  In a tree without multiple values a value takes no part.
RangeBound bound_of(const tree::LeafCell& cell, BoundKind kind, bool pairs) {
  return {.kind = kind, .key = cell.key, .value = pairs ? cell.value : Bytes()};
}

}  // namespace

ChangeWalk::ChangeWalk(txn::StoreImage& image, std::uint64_t checkpoint, Pace& pace)
    : pace_(pace), changed_(image.superblock().next_page.value) {
  Expects(checkpoint != 0);
  image.walk(
      {.page =
           [this](PageId page, const pager::SlotRef&) {
             if (page.value < changed_.size()) changed_[page.value] = true;
           },
       .node = [this](const pager::NodePlace&, const pager::SlotRef&, auto) { pace_.advance(0); },
       .used_slot = {}},
      checkpoint);
}

bool ChangeWalk::changed(PageId page) const {
  // A page that there cannot be is found to be missing when it is read.
  return page.value >= changed_.size() || changed_[page.value];
}

void ChangeWalk::write(const tree::BTree& tree, RecordWriter& records) {
  tree_ = &tree;
  records_ = &records;
  open_ = false;
  const txn::PagePin root = tree.source().pin(tree.root());
  const tree::NodeView view(root);
  if (!view.is_leaf()) {
    branch(view, {});
  } else if (changed(view.id())) {
    leaf(view, {});
  }
  if (open_) end_range({});
}

void ChangeWalk::branch(const tree::NodeView& view, const Bounds& bounds) {
  pace_.advance(0);
  const bool moved = changed(view.id());
  for (std::size_t i = 0; i < view.count(); ++i) {
    const tree::BranchCell cell = view.branch_cell(i);
    Bounds below = bounds;
    if (i > 0) {
      below.low = bound_at(cell.key, cell.value);
      below.low_moved = false;
    }
    if (i + 1 < view.count()) {
      const tree::BranchCell next = view.branch_cell(i + 1);
      below.high = bound_at(next.key, next.value);
      below.high_moved = false;
    }
    below.low_moved |= moved;
    below.high_moved |= moved;
    child(cell.child, view.level() - 1, below);
  }
}

void ChangeWalk::child(PageId page, unsigned level, const Bounds& bounds) {
  if (level == 0 && !changed(page) && !bounds.low_moved && !bounds.high_moved) {
    if (open_) end_range(bounds.low);
    return;
  }
  const txn::PagePin pin = tree_->source().pin(page);
  const tree::NodeView view(pin);
  if (view.level() != level) {
    tree::raise_damaged(page, "it is not on the level it is named from");
  }
  if (level > 0) {
    branch(view, bounds);
  } else if (changed(page)) {
    leaf(view, bounds);
  } else {
    unchanged_leaf(view, bounds);
  }
}

void ChangeWalk::leaf(const tree::NodeView& view, const Bounds& bounds) {
  if (!open_) begin_range(bounds.low);
  records_->leaf(*tree_, view);
}

void ChangeWalk::unchanged_leaf(const tree::NodeView& view, const Bounds& bounds) {
  if (view.count() == 0) tree::raise_damaged(view.id(), "a leaf has no entries");
  const bool pairs = tree_->pairs();
  const tree::LeafCell first = view.leaf_cell(0);
  if (bounds.low_moved) {
    const RangeBound& low = bounds.low;
    const bool gap =
        low.kind == BoundKind::open
            ? !first.key.empty() || (pairs && !first.value.empty())
            : tree::compare_entry(first.key, first.value, {low.key, low.value}, pairs) > 0;
    if (!open_ && gap) begin_range(low);
    if (open_) end_range(bound_of(first, BoundKind::at, pairs));
  } else if (open_) {
    end_range(bounds.low);
  }
  if (bounds.high_moved) {
    begin_range(bound_of(view.leaf_cell(view.count() - 1), BoundKind::behind, pairs));
  }
}

void ChangeWalk::begin_range(const RangeBound& low) {
  Expects(!open_);
  records_->begin_range(low);
  open_ = true;
}

void ChangeWalk::end_range(const RangeBound& high) {
  Expects(open_);
  records_->end_range(high);
  open_ = false;
}

}  // namespace coffer::backup
