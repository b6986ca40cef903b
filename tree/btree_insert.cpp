#include <coffer/error.hpp>

#include <vector>

#include "tree/btree.hpp"
#include "tree/split.hpp"
#include "tree/undo.hpp"

namespace coffer::tree {

// Where an entry stands or belongs.
struct BTree::Spot {
  Path path;
  std::size_t index = 0;
  bool found = false;
  std::optional<LargeValueDescriptor> large;  // the value that stands there
};

// A node that is to be split, with everything acquired for it.
struct BTree::SplitLevel {
  txn::MutablePage page;
  txn::MutablePage left;  // only for the root, whose content goes into two new pages
  txn::MutablePage right;
  SplitPlan plan;
  platform::LockedBuffer separator;  // only for the root, whose bytes make way
  std::size_t separator_key_bytes = 0;
};

// Pages that belong to nobody yet: given back unless `keep` is called.
class BTree::NewPages {
 public:
  explicit NewPages(const TreeContext& context) : context_(context) {}
  NewPages(const NewPages&) = delete;
  NewPages& operator=(const NewPages&) = delete;
  ~NewPages() {
    for (const PageId id : pages_) {
      try {
        context_.sink->free(id);
      } catch (...) {
        if (context_.registry) context_.registry->note_leak();
      }
    }
  }
  txn::MutablePage allocate() {
    pages_.reserve(pages_.size() + 1);
    txn::MutablePage page = context_.sink->allocate();
    pages_.push_back(page.id());
    return page;
  }
  void keep() { pages_.clear(); }

 private:
  const TreeContext& context_;
  std::vector<PageId> pages_;
};

txn::PageSink& BTree::sink() const {
  if (context_.sink == nullptr) {
    throw InvalidArgument("this transaction only reads; change trees in a WriteTransaction");
  }
  return *context_.sink;
}

PageId BTree::create_root(txn::PageSink& sink) {
  txn::MutablePage page = sink.allocate();
  NodeEditor(page).clear(0);
  return page.id();
}

BTree::Spot BTree::locate(Bytes key, Bytes value) const {
  Spot spot;
  const Target target{key, value};
  const txn::PagePin pin = descend(target, spot.path);
  const NodeView leaf(pin);
  const LeafPlace place = find_in_leaf(leaf, target, pairs());
  spot.index = place.index;
  spot.found = place.found;
  if (place.found) {
    const LeafCell cell = leaf.leaf_cell(place.index);
    if (cell.large) spot.large = descriptor(cell, pin.id());
  }
  return spot;
}

bool BTree::admits(const Spot& spot, PutMode mode) const {
  if (mode == PutMode::append) {
    // Behind all is: the last cell on every level, and no entry at or behind the place in the leaf.
    bool last = true;
    for (std::size_t level = 0; level <= spot.path.root_level() && last; ++level) {
      const txn::PagePin pin = pin_at(spot.path.at(level).page, level);
      const std::size_t count = NodeView(pin).count();
      last = level == 0 ? spot.index == count : spot.path.at(level).index + 1 == count;
    }
    if (spot.found || !last) {
      throw InvalidArgument("append takes only what lies behind the last entry; use put");
    }
  }
  return !spot.found || (mode == PutMode::set && !pairs());
}

bool BTree::put(Bytes key, Bytes value, PutMode mode) {
  require_writable();
  require_entry(key, value);
  const bool here = in_leaf(key, value);
  if (mode == PutMode::append && here && append_again(key, value)) return true;
  const Spot spot = locate(key, value);
  if (!admits(spot, mode)) return false;
  if (here) {
    const PageId leaf = place(spot, CellDraft::for_leaf(key, value, false));
    if (mode == PutMode::append) {
      last_leaf_ = leaf;
      last_leaf_at_ = source().change_count();
    }
    return true;
  }
  LargeValueWriter writer(sink(), context_.registry);
  writer.write(value);
  const LargeValueDescriptor large = writer.finish();
  std::array<std::byte, kLargeDescriptorBytesMax> cell{};
  const std::size_t bytes = encode_large_value(LargeValueGeometry(source()), large, cell);
  place(spot, CellDraft::for_leaf(key, Bytes(cell.data(), bytes), true));
  writer.release();
  return true;
}

bool BTree::append_again(Bytes key, Bytes value) {
  if (last_leaf_ == kNoPage || source().change_count() != last_leaf_at_) return false;
  const CellDraft draft = CellDraft::for_leaf(key, value, false);
  std::size_t count = 0;
  {
    const txn::PagePin pin = pin_at(last_leaf_, 0);
    const NodeView leaf(pin);
    count = leaf.count();
    if (count == 0 || draft.bytes() + leaf.cell_pointer_bytes() > leaf.free_bytes()) return false;
    const LeafCell last = leaf.leaf_cell(count - 1);
    if (compare_entry(last.key, last.value, {key, value}, pairs()) >= 0) return false;
  }
  txn::MutablePage page = sink().modify(last_leaf_);
  NodeEditor(page).insert(count, draft);
  last_leaf_at_ = source().change_count();
  return true;
}

void BTree::append_leaf(PageId leaf, const Separator& separator) {
  Path path;
  txn::PagePin pin = source().pin(root_);
  NodeView node(pin);
  if (node.is_leaf()) {
    Expects(node.count() == 0);
    pin.reset();
    txn::MutablePage page = sink().modify(root_);
    NodeEditor root(page);
    root.clear(1);
    root.append(CellDraft::for_branch(leaf, {}, {}));
    return;
  }
  path.set_root_level(node.level());
  for (std::size_t level = node.level();; --level) {
    path.at(level) = {pin.id(), static_cast<std::uint32_t>(node.count() - 1)};
    if (level == 1) break;
    pin = pin_at(node.child(node.count() - 1), level - 1);
    node = NodeView(pin);
  }
  const std::size_t end = node.count();
  pin.reset();
  insert_cell(path, 1, end, false, CellDraft::for_branch(leaf, separator.key, separator.value));
}

void BTree::put_large(Bytes key, const LargeValueDescriptor& value) {
  require_writable();
  require_key(key);
  if (pairs()) throw InvalidArgument("a multi-value tree has no large values");
  const Spot spot = locate(key, {});
  std::array<std::byte, kLargeDescriptorBytesMax> cell{};
  const std::size_t bytes = encode_large_value(LargeValueGeometry(source()), value, cell);
  place(spot, CellDraft::for_leaf(key, Bytes(cell.data(), bytes), true));
}

PageId BTree::place(const Spot& spot, const CellDraft& draft) {
  if (!spot.large) return insert_cell(spot.path, 0, spot.index, spot.found, draft);
  Undo undo(context_);
  const PageId leaf = insert_cell(spot.path, 0, spot.index, true, draft);
  free_large_value(sink(), *spot.large, context_.registry.get());
  undo.keep();
  return leaf;
}

PageId BTree::insert_cell(const Path& path, std::size_t from_level, std::size_t index,
                          bool replaces, const CellDraft& draft) {
  // First acquire, from the lowest up, every page that will change; nothing is written yet.
  NewPages new_pages(context_);
  std::vector<SplitLevel> splits;
  txn::MutablePage page;
  CellDraft next = draft;
  for (std::size_t level = from_level; level <= path.root_level(); ++level) {
    page = sink().modify(path.at(level).page);
    const NodeView node(page);
    const std::size_t given_back =
        replaces ? node.cell(index).size() + node.cell_pointer_bytes() : 0;
    const std::size_t added = next.bytes() + node.cell_pointer_bytes();
    const bool fits = added <= node.free_bytes() + given_back;
    if (fits && (level == 0 || !branch_too_large(node.count() + 1, node.used_bytes() + added))) {
      break;
    }
    splits.push_back(plan_split(std::move(page), path, index, replaces, next, new_pages));
    page = {};
    if (level == path.root_level()) break;
    const Separator separator = splits.back().plan.separator();
    next = CellDraft::for_branch(splits.back().right.id(), separator.key, separator.value);
    index = path.at(level + 1).index + 1;
    replaces = false;
  }
  // Then write, from the top down: what goes into a page may lie in the page below it.
  if (page) {
    NodeEditor editor(page);
    if (replaces) {
      editor.replace(index, next);
    } else {
      editor.insert(index, next);
    }
  }
  for (auto split = splits.rbegin(); split != splits.rend(); ++split) apply_split(*split);
  new_pages.keep();
  return splits.empty() ? path.at(from_level).page : splits.front().right.id();
}

BTree::SplitLevel BTree::plan_split(txn::MutablePage page, const Path& path, std::size_t index,
                                    bool replaces, const CellDraft& draft, NewPages& new_pages) {
  const NodeView node(page);
  const std::size_t level = node.level();
  bool leftmost = index == 0 && !replaces;
  bool rightmost = index == node.count() && !replaces;
  for (std::size_t above = level + 1; above <= path.root_level(); ++above) {
    leftmost = leftmost && path.at(above).index == 0;
    if (!rightmost) continue;
    const txn::PagePin pin = pin_at(path.at(above).page, above);
    rightmost = path.at(above).index + 1 == NodeView(pin).count();
  }
  const SplitPlan::Pattern pattern = rightmost  ? SplitPlan::Pattern::ascending
                                     : leftmost ? SplitPlan::Pattern::descending
                                                : SplitPlan::Pattern::random;
  SplitLevel split;
  split.plan = SplitPlan(node, index, replaces, draft, pairs(), pattern);
  split.right = new_pages.allocate();
  if (level == path.root_level()) {
    if (level + 1 >= kLevelsMax) raise_damaged(node.id(), "the tree is higher than any can be");
    split.left = new_pages.allocate();
    const Separator separator = split.plan.separator();
    split.separator_key_bytes = separator.key.size();
    if (separator.bytes() != 0) {
      split.separator = source().heap().allocate(separator.bytes());
      std::byte* to = split.separator.bytes().data();
      std::memcpy(to, separator.key.data(), separator.key.size());
      if (!separator.value.empty()) {
        std::memcpy(to + separator.key.size(), separator.value.data(), separator.value.size());
      }
    }
  }
  split.page = std::move(page);
  return split;
}

void BTree::apply_split(SplitLevel& split) {
  const std::size_t level = NodeView(split.page).level();
  split.plan.write_right(split.right);
  if (!split.left) {
    split.plan.keep_left(split.page);
    return;
  }
  split.plan.write_left(split.left);
  NodeEditor root(split.page);
  root.clear(static_cast<unsigned>(level + 1));
  root.append(CellDraft::for_branch(split.left.id(), {}, {}));
  const std::span<const std::byte> separator = split.separator.bytes();
  root.append(CellDraft::for_branch(split.right.id(), separator.first(split.separator_key_bytes),
                                    separator.subspan(split.separator_key_bytes)));
}

}  // namespace coffer::tree
