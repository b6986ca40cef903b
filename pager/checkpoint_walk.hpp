// Everything that one checkpoint refers to, node by node from its two roots; or what it has that an earlier one
// had not.
//
// Invariants
//   W1  Every node is read from the disk and verified with the tag from its reference, and its count compared.
//   W2  What was born at or before `born_after` is not looked at, nor anything below it: the cost of a walk grows
//       with what changed, not with the store.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "crypto/key_header.hpp"
#include "pager/node.hpp"
#include "pager/page_file.hpp"
#include "pager/superblock.hpp"

namespace coffer::pager {

/// What a walk calls; any may be empty.
struct CheckpointWalk {
  std::function<void(PageId, const SlotRef&)> page;
  /// With its slot as it was read and verified.
  std::function<void(const NodePlace&, const SlotRef&, std::span<const std::byte>)> node;
  std::function<void(SlotId)>
      used_slot;  ///< marked in the free map; not of leaves that were passed over
};

/// `file`, `keys` and `walk` outlive the walker.  The checkpoint must not be given up meanwhile.
class CheckpointWalker {
 public:
  CheckpointWalker(const PageFile& file, const crypto::KeyRing& keys, const CheckpointWalk& walk,
                   std::uint64_t born_after = 0)
      : file_(file),
        keys_(keys),
        walk_(walk),
        born_after_(born_after),
        table_shape_(format::table_shape(file.page_bytes())),
        free_shape_(format::free_map_shape(file.page_bytes())),
        slot_(file.page_bytes()) {}

  /// The page table of `levels` levels below `root`.
  void table(unsigned levels, const Child& root) const;
  void free_map(unsigned levels, const Child& root) const;
  /// Both trees of a checkpoint.
  void all(const Superblock& superblock) const;

 private:
  void table_node(unsigned level, std::uint64_t index, const Child& child) const;
  void free_node(unsigned level, std::uint64_t index, const Child& child) const;
  [[nodiscard]] NodePointer read(const NodePlace& place, const Child& child) const;
  [[nodiscard]] bool wanted(const Child& child) const {
    return child.exists() && (born_after_ == 0 || child.ref.birth > born_after_);
  }
  void used_slots(std::uint64_t first, std::uint64_t word) const;

  const PageFile& file_;
  const crypto::KeyRing& keys_;
  const CheckpointWalk& walk_;
  std::uint64_t born_after_;
  format::Shape table_shape_;
  format::Shape free_shape_;
  mutable std::vector<std::byte> slot_;  ///< of the node that was read last
};

/// Reads a node and compares its count with its reference's: Corrupted when they differ.  `slot`, when there is any,
/// becomes a copy of the whole slot.
[[nodiscard]] NodePointer read_counted(const PageFile& file, const crypto::KeyRing& keys,
                                       const NodePlace& place, const Child& child,
                                       std::span<std::byte> slot = {});

/// Where a page lies in a checkpoint, found from its root: for the few pages that a walk has to look up.  Keeps the
/// last leaf.  One thread at a time.
class CheckpointLookup {
 public:
  CheckpointLookup(const PageFile& file, const crypto::KeyRing& keys, const Superblock& superblock)
      : file_(file), keys_(keys), superblock_(superblock) {}
  [[nodiscard]] std::optional<SlotRef> operator()(PageId page);

 private:
  const PageFile& file_;
  const crypto::KeyRing& keys_;
  const Superblock& superblock_;
  std::uint64_t leaf_index_ = 0;
  NodePointer leaf_;
};

}  // namespace coffer::pager
