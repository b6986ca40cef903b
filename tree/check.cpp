#include "tree/check.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "tree/catalog.hpp"
#include "tree/key_hash.hpp"

namespace coffer::tree {

namespace {

struct Bounds {
  std::optional<Separator> low;   // no entry is before it
  std::optional<Separator> high;  // every entry is before it
};

class LargeValueRelay final : public LargeValueVisitor {
 public:
  LargeValueRelay(CheckVisitor& visitor, std::uint64_t value_id)
      : visitor_(visitor), value_id_(value_id) {}
  void index_page(PageId id, unsigned) override { visitor_.page(id); }
  void chunk(std::uint64_t index, const txn::ChunkRef& ref) override {
    visitor_.chunk(value_id_, index, ref);
  }

 private:
  CheckVisitor& visitor_;
  std::uint64_t value_id_;
};

class Checker {
 public:
  Checker(const BTree& tree, CheckVisitor& visitor) : tree_(tree), visitor_(visitor) {}

  CheckCounts run() {
    const txn::PagePin root = tree_.source().pin(tree_.root());
    node(root, NodeView(root).level(), {});
    return counts_;
  }

 private:
  void node(const txn::PagePin& pin, std::size_t level, const Bounds& bounds) {
    visitor_.page(pin.id());
    const NodeView view(pin);
    if (view.level() != level) raise_damaged(pin.id(), "it is not on the level it is named from");
    space(view);
    if (level == 0) {
      leaf(view, bounds);
    } else {
      branch(view, bounds);
    }
  }

  // The cells fill what the header says is filled, and none overlaps another.
  static void space(const NodeView& view) {
    std::array<std::uint16_t, kCellsMax> order;
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(view.count());
    for (std::size_t i = 0; i < view.count(); ++i) order[i] = static_cast<std::uint16_t>(i);
    std::sort(order.begin(), end, [&](std::uint16_t a, std::uint16_t b) {
      return view.cell_offset(a) < view.cell_offset(b);
    });
    std::size_t free_from = view.gap_end();
    std::size_t total = 0;
    for (auto i = order.begin(); i != end; ++i) {
      if (view.cell_offset(*i) < free_from) raise_damaged(view.id(), "its cells overlap");
      const std::size_t bytes = view.cell(*i).size();
      free_from = view.cell_offset(*i) + bytes;
      total += bytes;
    }
    if (total + view.fragmented() != view.content_bytes() - view.gap_end()) {
      raise_damaged(view.id(), "its free space is miscounted");
    }
  }

  int order(Bytes key, Bytes value, const Separator& other) const {
    return compare_entry(key, value, {other.key, other.value}, tree_.pairs());
  }
  void within(const NodeView& view, Bytes key, Bytes value, const Bounds& bounds) const {
    if ((bounds.low && order(key, value, *bounds.low) < 0) ||
        (bounds.high && order(key, value, *bounds.high) >= 0)) {
      raise_damaged(view.id(), "an entry is outside the bounds that the page above names");
    }
  }

  void leaf(const NodeView& view, const Bounds& bounds) {
    if (view.count() == 0 && view.id() != tree_.root()) {
      raise_damaged(view.id(), "a leaf has no entries");
    }
    for (std::size_t i = 0; i < view.count(); ++i) {
      const LeafCell cell = view.leaf_cell(i);
      entry(view, cell);
      within(view, cell.key, cell.value, bounds);
      if (i > 0) {
        const LeafCell before = view.leaf_cell(i - 1);
        if (order(before.key, before.value, {cell.key, cell.value}) >= 0) {
          raise_damaged(view.id(), "its entries are out of order");
        }
      }
      if (view.hash(i) != key_hash(cell.key)) {
        raise_damaged(view.id(), "a hash is not that of its key");
      }
    }
    ++counts_.leaves;
    counts_.entries += view.count();
    counts_.leaf_used_bytes += view.used_bytes();
  }

  void entry(const NodeView& view, const LeafCell& cell) {
    const bool key_fits = cell.key.size() <= tree_.key_bytes_max() &&
                          (!tree_.options().integer_keys || cell.key.size() == 8);
    if (!key_fits) raise_damaged(view.id(), "a key has a length that the tree does not allow");
    if (!cell.large) return;
    if (tree_.pairs()) raise_damaged(view.id(), "a multi-value tree holds a large value");
    const LargeValueDescriptor value = tree_.descriptor(cell, view.id());
    LargeValueRelay relay(visitor_, value.value_id);
    visit_large_value(tree_.source(), value, relay);
    ++counts_.large_values;
  }

  void branch(const NodeView& view, const Bounds& bounds) {
    ++counts_.branches;
    counts_.branch_used_bytes += view.used_bytes();
    for (std::size_t i = 0; i < view.count(); ++i) {
      const BranchCell cell = view.branch_cell(i);
      Bounds below = bounds;
      if (i > 0) {
        within(view, cell.key, cell.value, bounds);
        below.low = Separator{cell.key, cell.value};
      }
      if (i + 1 < view.count()) {
        const BranchCell next = view.branch_cell(i + 1);
        below.high = Separator{next.key, next.value};
        if (below.low && order(below.low->key, below.low->value, *below.high) >= 0) {
          raise_damaged(view.id(), "its separators are out of order");
        }
      }
      const txn::PagePin child = tree_.source().pin(cell.child);
      node(child, view.level() - 1, below);
    }
  }

  const BTree& tree_;
  CheckVisitor& visitor_;
  CheckCounts counts_;
};

}  // namespace

CheckCounts check_tree(const BTree& tree, CheckVisitor& visitor) {
  CheckCounts counts = Checker(tree, visitor).run();
  counts.trees = 1;
  return counts;
}

CheckCounts check_all_trees(const TreeContext& context, CheckVisitor& visitor) {
  CheckCounts total;
  const std::optional<BTree> catalog = catalog_tree(context);
  if (!catalog) return total;
  static_cast<void>(check_tree(*catalog, visitor));
  for_each_tree(context, [&](Bytes, const CatalogEntry& entry) {
    const CheckCounts one = check_tree(BTree(context, entry.root, entry.options), visitor);
    total.trees += one.trees;
    total.entries += one.entries;
    total.leaves += one.leaves;
    total.branches += one.branches;
    total.large_values += one.large_values;
    total.leaf_used_bytes += one.leaf_used_bytes;
    total.branch_used_bytes += one.branch_used_bytes;
  });
  return total;
}

}  // namespace coffer::tree
