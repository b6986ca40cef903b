// Nodes on disk: opened one by one, and sealed into runs of slots.
//
// A node is sealed at the length that it uses; the rest of its slot is filler.  Everything handled
// here is metadata, not users' data, so that ordinary memory will do.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "crypto/key_header.hpp"
#include "crypto/seal.hpp"
#include "pager/node.hpp"
#include "pager/page_file.hpp"

namespace coffer::pager {

/// Reads, opens and checks the node at `place`.  Tampered (Corrupted when unencrypted) when it does
/// not verify, Corrupted when it makes no sense, IoError.
[[nodiscard]] NodePointer read_node(const PageFile& file, const crypto::KeyRing& keys,
                                    const NodePlace& place, const SlotRef& ref);

/// The same, and `slot` becomes a copy of the whole slot that it was opened from.
[[nodiscard]] NodePointer read_node_slot(const PageFile& file, const crypto::KeyRing& keys,
                                         const NodePlace& place, const SlotRef& ref,
                                         std::span<std::byte> slot);

/// Seals nodes into their slots and writes neighbours in one go.
class NodeWriter {
 public:
  /// `birth` is the number of the checkpoint that the nodes are made for.
  NodeWriter(PageFile& file, const crypto::KeyRing& keys, crypto::NonceRun& nonces,
             platform::Entropy& entropy, std::uint64_t birth);

  /// Seals `plain` for `slot` and gives its reference.  It reaches the file at the latest with
  /// flush().
  [[nodiscard]] SlotRef add(const NodePlace& place, SlotId slot, std::span<const std::byte> plain);
  void flush();

 private:
  PageFile& file_;
  const crypto::KeyRing& keys_;
  crypto::NonceRun& nonces_;
  crypto::Filler filler_;
  Epoch epoch_;
  std::uint64_t birth_;
  std::vector<std::byte> staging_;  ///< ciphertext
  std::size_t slots_max_;
  std::size_t slots_ = 0;
  SlotId first_{};
};

}  // namespace coffer::pager
