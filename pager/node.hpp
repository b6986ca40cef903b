// Nodes of the page table and the free map in memory: read-only as they were verified, and being
// built.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pager/pager_format.hpp"
#include "pager/slot.hpp"

namespace coffer::pager {

/// Which node: its identity in the additional data, and in messages.
struct NodePlace {
  crypto::Role role{};  ///< table_node or free_node
  unsigned level = 0;
  std::uint64_t index = 0;

  [[nodiscard]] crypto::AssociatedData associated(Epoch epoch) const {
    return {role, static_cast<std::uint8_t>(level), epoch.value, index, 0};
  }
};
/// "page-table node 3 at level 1".
[[nodiscard]] std::string describe(const NodePlace& place);

/// A reference with what is in its subtree.  In a page-table leaf each child is a page.
struct Child {
  SlotRef ref{};
  std::uint64_t count = 0;
  [[nodiscard]] bool exists() const { return ref.sealed_bytes != 0; }
  friend bool operator==(const Child&, const Child&) = default;
};

/// A verified node: its bytes as they were sealed, checked for sense.  Immutable.
class Node {
 public:
  /// Takes verified plaintext.  Raises Corrupted when it makes no sense as the node at `place`.
  Node(const NodePlace& place, std::uint32_t page_bytes, std::vector<std::byte> bytes);

  /// Pages or slots in the subtree.
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// Entries that are stored; the others are empty.
  [[nodiscard]] std::uint32_t stored() const { return stored_; }
  [[nodiscard]] Child child(std::uint64_t entry) const;
  /// Of a free-map leaf.
  [[nodiscard]] std::uint64_t word(std::uint32_t w) const;
  /// What it takes in memory, roughly.
  [[nodiscard]] std::size_t memory_bytes() const { return sizeof *this + bytes_.capacity() + 64; }

 private:
  void check(const NodePlace& place, std::uint32_t page_bytes) const;
  [[nodiscard]] const std::byte* entry(std::uint64_t i) const {
    return bytes_.data() + format::kNodeHeaderBytes + i * entry_bytes_;
  }

  std::vector<std::byte> bytes_;
  std::size_t entry_bytes_;
  std::uint64_t count_ = 0;
  std::uint32_t stored_ = 0;
  bool counts_ = false;  ///< entries carry a count: an inner node
};

using NodePointer = std::shared_ptr<const Node>;

/// The plaintext of a node with these entries; empty ones at the end are left out.
[[nodiscard]] std::vector<std::byte> encode_node(const NodePlace& place,
                                                 std::span<const Child> children);
/// The same for a leaf of the free map.
[[nodiscard]] std::vector<std::byte> encode_free_leaf(std::span<const std::uint64_t> words);

/// All entries of a node that has `entries` of them; `node` may be nullptr: all empty.
[[nodiscard]] std::vector<Child> children_of(const Node* node, std::uint64_t entries);

}  // namespace coffer::pager
