// Slots, and the references that open them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "crypto/seal.hpp"
#include "platform/strong.hpp"

namespace coffer::pager {

/// Plaintext bytes in a page, a node or (times slots) a chunk: the slot less its nonce.
[[nodiscard]] constexpr std::size_t content_bytes(std::uint32_t page_bytes) {
  return page_bytes - crypto::kNonceBytes;
}
/// Slots of a full chunk of a large value, and the plaintext it holds: 64 KiB-class.
[[nodiscard]] constexpr std::uint32_t chunk_slots(std::uint32_t page_bytes) {
  return page_bytes >= 65536 ? 1 : 65536 / page_bytes;
}
[[nodiscard]] constexpr std::size_t chunk_bytes(std::uint32_t page_bytes) {
  return std::size_t{chunk_slots(page_bytes)} * page_bytes - crypto::kNonceBytes;
}
/// Slots that `sealed_bytes` of ciphertext with their nonce take.
[[nodiscard]] constexpr std::uint32_t slots_for(std::uint32_t page_bytes,
                                                std::uint64_t sealed_bytes) {
  return static_cast<std::uint32_t>((sealed_bytes + crypto::kNonceBytes + page_bytes - 1) /
                                    page_bytes);
}

/// All that is needed to find, read and open one sealed slot.
struct SlotRef {
  SlotId slot{};                   ///< below 2^48
  std::uint32_t sealed_bytes = 0;  ///< 1 to content_bytes; 0 marks an empty table entry
  Epoch epoch{};
  crypto::Tag tag{};
  /// Number of the checkpoint that first had it; of a node: that last changed anything below it.  0 outside of
  /// the page table and the free map.  It opens nothing, and two references that differ only in it are the same.
  std::uint64_t birth = 0;
  friend bool operator==(const SlotRef& a, const SlotRef& b) {
    return a.slot == b.slot && a.sealed_bytes == b.sealed_bytes && a.epoch == b.epoch &&
           a.tag == b.tag;
  }
};

struct SlotRun {
  SlotId first{};
  std::uint32_t count = 0;
  friend bool operator==(const SlotRun&, const SlotRun&) = default;
};

/// Raises Tampered, or Corrupted when the store is unencrypted.  `what` says what failed and where;
/// what to do next is added here.
[[noreturn]] void raise_damaged(crypto::Suite suite, const std::string& what);

}  // namespace coffer::pager
