#include "tree/node_editor.hpp"

#include <algorithm>
#include <array>

namespace coffer::tree {

namespace {

void copy_bytes(std::byte* to, Bytes from) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

// Free space that lies between cells is sealed and opened with the page; beyond this share of the page
// moving the cells together is cheaper.
constexpr std::size_t fragmented_max(std::size_t content_bytes) {
  return content_bytes / 4;
}

}  // namespace

void CellDraft::write(std::span<std::byte> out) const {
  std::byte* at = out.data();
  if (!branch) {
    store(at, static_cast<std::uint16_t>(key.size()));
    store(at + 2, static_cast<std::uint16_t>(value.size() | (large ? kLeafCellLargeBit : 0u)));
    at += kLeafCellHeaderBytes;
  } else {
    Expects(child.value <= kBranchChildMask);
    const std::uint64_t value_bit = value.empty() ? 0 : kBranchValueBit;
    store(at, child.value | (std::uint64_t{key.size()} << kBranchKeyShift) | value_bit);
    at += kBranchCellHeaderBytes;
    if (value_bit != 0) {
      store(at, static_cast<std::uint16_t>(value.size()));
      at += kBranchCellValueBytes;
    }
  }
  copy_bytes(at, key);
  copy_bytes(at + key.size(), value);
}

void NodeEditor::set_shape(const NodeShape& shape) {
  page_.set_header(node_header(shape));
  std::byte* extension = page_.write(kFragmentedOffset, 4).data();
  store(extension, static_cast<std::uint16_t>(shape.fragmented));
  store(extension + 2, std::uint16_t{0});
}

void NodeEditor::clear(unsigned level) {
  set_shape({level, 0, page_.bytes().size(), 0});
}

std::span<std::byte> NodeEditor::make_room(std::size_t index, std::size_t bytes,
                                           std::uint16_t hash) {
  NodeView node = view();
  const std::size_t pointer_bytes = node.cell_pointer_bytes();
  if (node.gap_end() - node.gap_begin() < bytes + pointer_bytes) {
    compact();
    node = view();
    if (node.free_bytes() < bytes + pointer_bytes) {
      raise_damaged(node.id(), "its cells take more room than it has");
    }
  }
  const std::size_t at = node.gap_end() - bytes;
  const std::size_t tail = (node.count() - index) * pointer_bytes;
  std::byte* pointer = page_.write(node.cell_pointer_offset(index), tail + pointer_bytes).data();
  std::memmove(pointer + pointer_bytes, pointer, tail);
  store_cell_pointer(pointer, node.level(), at, hash);
  set_shape({node.level(), node.count() + 1, at, node.fragmented()});
  return page_.write(at, bytes);
}

void NodeEditor::insert(std::size_t index, const CellDraft& draft) {
  draft.write(make_room(index, draft.bytes(), draft.hash()));
}

void NodeEditor::insert_copy(std::size_t index, Bytes cell) {
  const std::uint16_t hash = view().is_leaf() ? key_hash(leaf_cell_key(cell)) : 0;
  copy_bytes(make_room(index, cell.size(), hash).data(), cell);
}

void NodeEditor::replace(std::size_t index, const CellDraft& draft) {
  const NodeView node = view();
  const std::size_t old_bytes = node.cell(index).size();
  const std::size_t new_bytes = draft.bytes();
  if (new_bytes > old_bytes) {
    if (node.free_bytes() + old_bytes < new_bytes) {
      raise_damaged(node.id(), "its cells take more room than it has");
    }
    erase(index, index + 1);
    insert(index, draft);
    return;
  }
  const std::size_t fragmented = node.fragmented() + old_bytes - new_bytes;
  if (fragmented > node.content_bytes() - node.gap_end()) {
    raise_damaged(node.id(), "its free space is miscounted");
  }
  draft.write(page_.write(node.cell_offset(index), new_bytes));
  if (const std::uint16_t hash = draft.hash(); node.is_leaf() && hash != node.hash(index)) {
    store_cell_pointer(page_.write(node.cell_pointer_offset(index), kLeafCellPointerBytes).data(),
                       0, node.cell_offset(index), hash);
  }
  if (new_bytes == old_bytes) return;
  set_shape({node.level(), node.count(), node.gap_end(), fragmented});
  if (fragmented > fragmented_max(node.content_bytes())) compact();
}

void NodeEditor::erase(std::size_t first, std::size_t last) {
  if (first == last) return;
  const NodeView node = view();
  Expects(first < last && last <= node.count());
  std::size_t gap_end = node.gap_end();
  std::size_t fragmented = node.fragmented();
  for (std::size_t i = first; i < last; ++i) {
    const std::size_t bytes = node.cell(i).size();
    // The lowest cell gives its bytes to the gap at once.
    if (node.cell_offset(i) == gap_end) {
      gap_end += bytes;
    } else {
      fragmented += bytes;
    }
  }
  const std::size_t count = node.count() - (last - first);
  if (count == 0) {
    gap_end = node.content_bytes();
    fragmented = 0;
  }
  if (gap_end > node.content_bytes() || fragmented > node.content_bytes() - gap_end) {
    raise_damaged(node.id(), "its free space is miscounted");
  }
  const std::size_t tail = (node.count() - last) * node.cell_pointer_bytes();
  if (tail != 0) {
    std::byte* pointer = page_.write(node.cell_pointer_offset(first), tail).data();
    std::memmove(pointer, page_.data() + node.cell_pointer_offset(last), tail);
  }
  set_shape({node.level(), count, gap_end, fragmented});
  if (fragmented > fragmented_max(node.content_bytes())) compact();
}

void NodeEditor::set_child(std::size_t index, PageId child) {
  const NodeView node = view();
  static_cast<void>(node.branch_cell(index));
  Expects(child.value <= kBranchChildMask);
  std::byte* at = page_.write(node.cell_offset(index), kBranchCellHeaderBytes).data();
  store(at, (load<std::uint64_t>(at) & ~kBranchChildMask) | child.value);
}

void NodeEditor::compact() {
  const NodeView node = view();
  if (node.fragmented() == 0) return;
  // Highest cell first, so that each slides up into room that is already free.
  std::array<std::uint16_t, kCellsMax> order;
  for (std::size_t i = 0; i < node.count(); ++i) order[i] = static_cast<std::uint16_t>(i);
  const auto order_end = order.begin() + static_cast<std::ptrdiff_t>(node.count());
  std::sort(order.begin(), order_end, [&](std::uint16_t a, std::uint16_t b) {
    return node.cell_offset(a) > node.cell_offset(b);
  });
  std::size_t above = node.content_bytes();
  std::size_t total = 0;
  for (auto i = order.begin(); i != order_end; ++i) {
    const std::size_t bytes = node.cell(*i).size();
    if (node.cell_offset(*i) + bytes > above) raise_damaged(node.id(), "its cells overlap");
    above = node.cell_offset(*i);
    total += bytes;
  }
  const std::size_t gap_end = node.content_bytes() - total;
  static_cast<void>(page_.write(gap_end, total));
  std::byte* pointers =
      page_.write(kNodeHeaderBytes, node.cell_pointer_bytes() * node.count()).data();
  std::byte* base = pointers - kNodeHeaderBytes;
  std::size_t to = node.content_bytes();
  for (auto i = order.begin(); i != order_end; ++i) {
    const Bytes cell = node.cell(*i);
    to -= cell.size();
    std::memmove(base + to, cell.data(), cell.size());
    store(pointers + node.cell_pointer_bytes() * *i, static_cast<std::uint16_t>(to));
  }
  set_shape({node.level(), node.count(), gap_end, 0});
}

void NodeEditor::copy_from(const NodeView& from, std::span<const std::byte> bytes) {
  const std::size_t front = from.gap_begin() - kNodeHeaderBytes;
  if (front != 0) {
    std::memcpy(page_.write(kNodeHeaderBytes, front).data(), bytes.data() + kNodeHeaderBytes,
                front);
  }
  const std::size_t back = bytes.size() - from.gap_end();
  if (back != 0) {
    std::memcpy(page_.write(from.gap_end(), back).data(), bytes.data() + from.gap_end(), back);
  }
  set_shape({from.level(), from.count(), from.gap_end(), from.fragmented()});
}

}  // namespace coffer::tree
