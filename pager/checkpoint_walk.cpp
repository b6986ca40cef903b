// See checkpoint_walk.hpp.
#include "pager/checkpoint_walk.hpp"

#include <fmt/format.h>

#include <bit>
#include <coffer/error.hpp>

#include "pager/node_store.hpp"

namespace coffer::pager {

NodePointer read_counted(const PageFile& file, const crypto::KeyRing& keys, const NodePlace& place,
                         const Child& child, std::span<std::byte> slot) {
  NodePointer node = slot.empty() ? read_node(file, keys, place, child.ref)
                                  : read_node_slot(file, keys, place, child.ref, slot);
  if (node->count() != child.count) {
    throw Corrupted(
        fmt::format("{} counts {} where its parent counts {}; restore the store from a backup",
                    describe(place), node->count(), child.count));
  }
  return node;
}

NodePointer CheckpointWalker::read(const NodePlace& place, const Child& child) const {
  NodePointer node = read_counted(file_, keys_, place, child, slot_);
  if (walk_.node) walk_.node(place, child.ref, slot_);
  return node;
}

void CheckpointWalker::table_node(unsigned level, std::uint64_t index, const Child& child) const {
  const NodePointer node = read({crypto::Role::table_node, level, index}, child);
  for (std::uint64_t i = 0; i < node->stored(); ++i) {
    const Child next = node->child(i);
    if (!wanted(next)) continue;
    if (level == 0) {
      if (walk_.page) walk_.page(PageId((index << table_shape_.leaf_bits) + i), next.ref);
    } else {
      table_node(level - 1, (index << table_shape_.inner_bits) + i, next);
    }
  }
}

void CheckpointWalker::free_node(unsigned level, std::uint64_t index, const Child& child) const {
  const NodePointer node = read({crypto::Role::free_node, level, index}, child);
  for (std::uint32_t i = 0; i < node->stored(); ++i) {
    if (level == 0) {
      used_slots((index << free_shape_.leaf_bits) + std::uint64_t{i} * 64, node->word(i));
    } else if (const Child next = node->child(i); wanted(next)) {
      free_node(level - 1, (index << free_shape_.inner_bits) + i, next);
    }
  }
}

void CheckpointWalker::used_slots(std::uint64_t first, std::uint64_t word) const {
  for (; walk_.used_slot && word != 0; word &= word - 1) {
    walk_.used_slot(SlotId(first + static_cast<unsigned>(std::countr_zero(word))));
  }
}

void CheckpointWalker::table(unsigned levels, const Child& root) const {
  if (levels != 0 && wanted(root)) table_node(levels - 1, 0, root);
}

void CheckpointWalker::free_map(unsigned levels, const Child& root) const {
  if (levels != 0 && wanted(root)) free_node(levels - 1, 0, root);
}

void CheckpointWalker::all(const Superblock& superblock) const {
  table(superblock.table_levels, {superblock.table_root, superblock.page_count});
  if (superblock.free_levels == 0) return;
  // The superblock does not count used slots: the root does, by itself.
  const NodePlace root{crypto::Role::free_node, superblock.free_levels - 1u, 0};
  const NodePointer node = read_node(file_, keys_, root, superblock.free_root);
  free_map(superblock.free_levels, {superblock.free_root, node->count()});
}

std::optional<SlotRef> CheckpointLookup::operator()(PageId page) {
  const format::Shape shape = format::table_shape(file_.page_bytes());
  const unsigned levels = superblock_.table_levels;
  if (levels == 0 || page.value >= format::kNumbersEnd ||
      shape.node_of(page.value, levels - 1) != 0)
    return std::nullopt;
  const std::uint64_t index = shape.node_of(page.value, 0);
  if (leaf_ == nullptr || leaf_index_ != index) {
    leaf_.reset();
    NodePointer node;
    Child child{superblock_.table_root, superblock_.page_count};
    for (unsigned level = levels; level-- > 0;) {
      if (!child.exists()) return std::nullopt;
      node = read_counted(
          file_, keys_, {crypto::Role::table_node, level, shape.node_of(page.value, level)}, child);
      if (level != 0) {
        child = node->child(shape.node_of(page.value, level - 1) & (shape.entries(level) - 1));
      }
    }
    leaf_ = std::move(node);
    leaf_index_ = index;
  }
  const SlotRef ref = leaf_->child(page.value & (shape.entries(0) - 1)).ref;
  if (ref.sealed_bytes == 0) return std::nullopt;
  return ref;
}

}  // namespace coffer::pager
