#include <algorithm>
#include <array>

#include <coffer/error.hpp>

#include <fmt/format.h>

#include "tree/btree.hpp"

namespace coffer::tree {

BTree::BTree(TreeContext context, PageId root, TreeOptions options)
    : context_(std::move(context)),
      root_(root),
      options_(options),
      content_bytes_(context_.source->content_bytes()) {
  Expects(content_bytes_ >= kNodeContentBytesMin && content_bytes_ <= kNodeContentBytesMax);
}

std::size_t BTree::inline_value_bytes_max(std::size_t key_bytes) const {
  return inline_cell_bytes_max(content_bytes_) - kLeafCellHeaderBytes - key_bytes;
}

void BTree::require_key(Bytes key) const {
  if (options_.integer_keys && key.size() != 8) {
    throw InvalidArgument("this tree's keys are integers of 8 bytes; make them with integer_key");
  }
  if (key.size() > key_bytes_max()) {
    throw InvalidArgument(
        fmt::format("the key has {} bytes and may have {} (key_bytes_max); use a shorter one",
                    key.size(), key_bytes_max()));
  }
}

void BTree::require_entry(Bytes key, Bytes value) const {
  require_key(key);
  if (pairs() && value.size() > key_bytes_max()) {
    throw InvalidArgument("a multi-value tree's values are no longer than key_bytes_max");
  }
}

LargeValueDescriptor BTree::descriptor(const LeafCell& cell, PageId page) const {
  return decode_large_value(LargeValueGeometry(source()), cell.value, page);
}

txn::PagePin BTree::pin_at(PageId id, std::size_t level) const {
  txn::PagePin pin = source().pin(id);
  if (NodeView(pin).level() != level) raise_damaged(id, "it is not on the level it is named from");
  return pin;
}

std::optional<BTree::Entry> BTree::find(Bytes key) const {
  require_key(key);
  const Target target{key};
  if (pairs()) {
    // The first pair may stand one leaf further on than the empty value would.
    Path path;
    txn::PagePin pin = descend(target, path);
    std::size_t index = find_in_leaf(NodeView(pin), target, true).index;
    while (index == NodeView(pin).count()) {
      pin = next_leaf(path);
      if (!pin) return std::nullopt;
      index = 0;
    }
    const LeafCell cell = NodeView(pin).leaf_cell(index);
    if (!equal(cell.key, key)) return std::nullopt;
    return Entry{std::move(pin), cell.value, cell.large};
  }
  txn::PagePin pin = source().pin(root_);
  NodeView node(pin);
  for (unsigned level = node.level(); level > 0;) {
    --level;
    pin = source().pin(node.child(find_child(node, target, false)));
    node = NodeView(pin);
    if (node.level() != level) [[unlikely]] {
      raise_damaged(pin.id(), "it is not on the level it is named from");
    }
  }
  const std::optional<LeafCell> cell = find_key(node, key);
  if (!cell) return std::nullopt;
  return Entry{std::move(pin), cell->value, cell->large};
}

bool BTree::contains_pair(Bytes key, Bytes value) const {
  Path path;
  const Target target{key, value};
  const txn::PagePin pin = descend(target, path);
  return find_in_leaf(NodeView(pin), target, pairs()).found;
}

txn::PagePin BTree::descend(const Target& target, Path& path) const {
  txn::PagePin pin = source().pin(root_);
  NodeView node(pin);
  std::size_t level = node.level();
  path.set_root_level(level);
  for (; level > 0; --level) {
    const std::size_t index = find_child(node, target, pairs());
    path.at(level) = {pin.id(), static_cast<std::uint32_t>(index)};
    pin = pin_at(node.child(index), level - 1);
    node = NodeView(pin);
  }
  path.at(0) = {pin.id(), 0};
  return pin;
}

txn::PagePin BTree::edge_leaf(Path& path, txn::PagePin pin, bool last) const {
  NodeView node(pin);
  for (std::size_t level = node.level(); level > 0; --level) {
    const std::size_t index = last ? node.count() - 1 : 0;
    path.at(level) = {pin.id(), static_cast<std::uint32_t>(index)};
    if (level == 1) name_ahead(node, path, !last);
    pin = pin_at(node.child(index), level - 1);
    node = NodeView(pin);
  }
  path.at(0) = {pin.id(), 0};
  return pin;
}

/// To a scan's source, what comes behind the leaf at the path's end.
void BTree::name_ahead(const NodeView& parent, const Path& path, bool forward) const {
  if (path.steps_in_a_row() < kStepsOfScan || !source().wants_ahead()) return;
  std::array<PageId, txn::PageSource::kPagesAheadMax> leaves;
  std::size_t index = path.at(1).index;
  std::size_t count = 0;
  const std::size_t behind = forward ? parent.count() - 1 - index : index;
  try {
    for (; count < std::min(behind, leaves.size()); ++count) {
      index = forward ? index + 1 : index - 1;
      leaves[count] = parent.child(index);
    }
  } catch (const Error&) {
    // A damaged cell, which the scan may not come to: told when it does.
  }
  source().read_ahead(std::span(leaves).first(count));
}

txn::PagePin BTree::descend_first(Path& path) const {
  txn::PagePin pin = source().pin(root_);
  path.set_root_level(NodeView(pin).level());
  return edge_leaf(path, std::move(pin), false);
}

txn::PagePin BTree::descend_last(Path& path) const {
  txn::PagePin pin = source().pin(root_);
  path.set_root_level(NodeView(pin).level());
  return edge_leaf(path, std::move(pin), true);
}

txn::PagePin BTree::sibling_leaf(Path& path, bool forward) const {
  for (std::size_t level = 1; level <= path.root_level(); ++level) {
    const Path::Step& step = path.at(level);
    txn::PagePin pin = pin_at(step.page, level);
    const NodeView node(pin);
    if (forward ? step.index + 1 >= node.count() : step.index == 0) continue;
    const std::uint32_t index = forward ? step.index + 1 : step.index - 1;
    if (index >= node.count()) raise_damaged(pin.id(), "it has fewer children than it had");
    // The path changes only when nothing can fail any more, so that its owner may try again.
    Path moved = path;
    moved.at(level).index = index;
    moved.note_step(forward);
    if (level == 1) name_ahead(node, moved, forward);
    pin = pin_at(node.child(index), level - 1);
    pin = edge_leaf(moved, std::move(pin), !forward);
    path = moved;
    return pin;
  }
  return {};
}

txn::PagePin BTree::next_leaf(Path& path) const {
  return sibling_leaf(path, true);
}
txn::PagePin BTree::previous_leaf(Path& path) const {
  return sibling_leaf(path, false);
}

std::uint64_t BTree::count() const {
  Path path;
  std::uint64_t entries = 0;
  for (txn::PagePin pin = descend_first(path); pin;) {
    entries += NodeView(pin).count();
    const PageId left = pin.id();
    pin = next_leaf(path);
    source().let_go(left);
  }
  return entries;
}

bool BTree::empty() const {
  const txn::PagePin pin = source().pin(root_);
  const NodeView node(pin);
  return node.is_leaf() && node.count() == 0;
}

}  // namespace coffer::tree
