// A tree's page, seen for reading.
//
//   N1  Whatever the page's bytes are, no access leaves the page: the header is checked when the view
//       is made, each cell when it is reached, and what cannot be raises Corrupted with the page's
//       number.
//   N2  A view is of the page as it was when the view was made; after a change make another.
#pragma once

#include <coffer/bytes.hpp>

#include <cstring>
#include <optional>

#include "tree/node_format.hpp"

namespace coffer::tree {

[[noreturn]] void raise_damaged(PageId page, const char* what);

template <class Integer>
[[nodiscard]] inline Integer load(const std::byte* from) {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class Integer>
inline void store(std::byte* to, Integer value) {
  std::memcpy(to, &value, sizeof value);
}

struct LeafCell {
  Bytes key;
  Bytes value;  ///< or the descriptor of a large one
  bool large = false;
};

struct BranchCell {
  PageId child;
  Bytes key;  ///< of the separator
  Bytes value;
};

class NodeView {
 public:
  NodeView() = default;
  /// A branch without children is only seen while it is being filled (`unfinished`).
  NodeView(PageId id, std::span<const std::byte> bytes, bool unfinished = false)
      : data_(bytes.data()), id_(id) {
    const auto header = load<txn::PageHeader>(data_);
    content_ = static_cast<std::uint32_t>(bytes.size());
    gap_begin_ = header.gap_begin;
    gap_end_ = header.gap_end;
    count_ = header.count;
    level_ = header.level;
    pointer_bytes_ = static_cast<std::uint32_t>(cell_pointer_bytes_on(level_));
    fragmented_ = load<std::uint16_t>(data_ + kFragmentedOffset);
    const bool kind = level_ == 0 ? header.type == kPageTypeLeaf
                                  : header.type == kPageTypeBranch && level_ < kLevelsMax &&
                                        (count_ != 0 || unfinished);
    const bool room = gap_begin_ == kNodeHeaderBytes + pointer_bytes_ * count_ &&
                      gap_begin_ <= gap_end_ && gap_end_ <= content_ &&
                      fragmented_ <= content_ - gap_end_ &&
                      kLeafCellHeaderBytes * count_ <= content_ - gap_end_;
    if (!kind || !room) [[unlikely]]
      raise_damaged(id_, "its header cannot be a tree's");
  }
  explicit NodeView(const txn::PagePin& pin) : NodeView(pin.id(), pin.bytes()) {}
  explicit NodeView(const txn::MutablePage& page) : NodeView(page.id(), page.bytes()) {}

  [[nodiscard]] PageId id() const { return id_; }
  [[nodiscard]] bool is_leaf() const { return level_ == 0; }
  [[nodiscard]] unsigned level() const { return level_; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t content_bytes() const { return content_; }
  [[nodiscard]] std::size_t gap_begin() const { return gap_begin_; }
  [[nodiscard]] std::size_t gap_end() const { return gap_end_; }
  [[nodiscard]] std::size_t fragmented() const { return fragmented_; }
  /// Free bytes, when the page is compacted.
  [[nodiscard]] std::size_t free_bytes() const { return gap_end_ - gap_begin_ + fragmented_; }
  /// Bytes that cells and their pointers take.
  [[nodiscard]] std::size_t used_bytes() const { return node_capacity(content_) - free_bytes(); }

  /// Bytes that each cell takes besides its own.
  [[nodiscard]] std::size_t cell_pointer_bytes() const { return pointer_bytes_; }
  /// Where in the page a cell's pointer is.
  [[nodiscard]] std::size_t cell_pointer_offset(std::size_t index) const {
    return kNodeHeaderBytes + pointer_bytes_ * index;
  }
  [[nodiscard]] std::size_t cell_offset(std::size_t index) const {
    return load<std::uint16_t>(data_ + cell_pointer_offset(index));
  }
  /// Of a leaf's cell.
  [[nodiscard]] std::uint16_t hash(std::size_t index) const {
    return load<std::uint16_t>(data_ + kNodeHeaderBytes + kLeafCellPointerBytes * index +
                               kCellPointerHashOffset);
  }
  /// The processor may fetch the cell from memory meanwhile.
  void prefetch_cell(std::size_t index) const { __builtin_prefetch(data_ + cell_offset(index)); }
  /// A leaf's first cell whose key has this hash.
  [[nodiscard]] std::optional<std::size_t> find_hash(std::uint16_t hash) const {
    for (std::size_t index = 0; index < count_; ++index) {
      if (this->hash(index) == hash) return index;
    }
    return std::nullopt;
  }
  [[nodiscard]] LeafCell leaf_cell(std::size_t index) const {
    const std::size_t at = cell_offset(index);
    if (at < gap_end_ || at + kLeafCellHeaderBytes > content_) [[unlikely]]
      raise_cell();
    const std::size_t key_bytes = load<std::uint16_t>(data_ + at);
    const std::uint16_t word = load<std::uint16_t>(data_ + at + 2);
    const std::size_t value_bytes = word & kLeafCellValueMask;
    const std::byte* key = data_ + at + kLeafCellHeaderBytes;
    if (key_bytes + value_bytes > content_ - at - kLeafCellHeaderBytes) [[unlikely]]
      raise_cell();
    return {Bytes(key, key_bytes), Bytes(key + key_bytes, value_bytes),
            (word & kLeafCellLargeBit) != 0};
  }
  [[nodiscard]] BranchCell branch_cell(std::size_t index) const {
    const std::size_t at = cell_offset(index);
    if (at < gap_end_ || at + kBranchCellHeaderBytes > content_) [[unlikely]]
      raise_cell();
    const auto word = load<std::uint64_t>(data_ + at);
    const std::size_t key_bytes = (word >> kBranchKeyShift) & kBranchKeyMask;
    std::size_t head = kBranchCellHeaderBytes;
    std::size_t value_bytes = 0;
    if ((word & kBranchValueBit) != 0) {
      head += kBranchCellValueBytes;
      if (at + head > content_) [[unlikely]]
        raise_cell();
      value_bytes = load<std::uint16_t>(data_ + at + kBranchCellHeaderBytes);
    }
    const std::byte* key = data_ + at + head;
    if (key_bytes + value_bytes > content_ - at - head) [[unlikely]]
      raise_cell();
    return {PageId(word & kBranchChildMask), Bytes(key, key_bytes),
            Bytes(key + key_bytes, value_bytes)};
  }
  /// The bytes of a cell as they lie in the page.
  [[nodiscard]] Bytes cell(std::size_t index) const {
    const std::byte* begin = data_ + cell_offset(index);
    Bytes last;
    if (is_leaf()) {
      last = leaf_cell(index).value;
    } else {
      last = branch_cell(index).value;
    }
    return {begin, static_cast<std::size_t>(last.data() + last.size() - begin)};
  }
  [[nodiscard]] PageId child(std::size_t index) const { return branch_cell(index).child; }

 private:
  [[noreturn]] void raise_cell() const { raise_damaged(id_, "a cell lies outside of it"); }

  const std::byte* data_ = nullptr;
  PageId id_{};
  std::uint32_t content_ = 0;
  std::uint32_t gap_begin_ = 0;
  std::uint32_t gap_end_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t fragmented_ = 0;
  std::uint32_t level_ = 0;
  std::uint32_t pointer_bytes_ = 0;
};

/// Of a leaf's cell that lies whole in `cell`.
[[nodiscard]] inline Bytes leaf_cell_key(Bytes cell) {
  return cell.subspan(kLeafCellHeaderBytes, load<std::uint16_t>(cell.data()));
}

/// Whether a page, of any type, is a leaf with a large value in it.
[[nodiscard]] bool has_large_values(PageId id, std::span<const std::byte> page);

}  // namespace coffer::tree
