// Between a page in a frame and its ciphertext: leaving out the gap, sealing, and back.
//
// Sealed plaintext of a page = bytes [0, gap_begin) followed by [gap_end, content_bytes), and then zeros up to a multiple
// of crypto::kSealStepBytes, where the page has room for that.  Opening puts the two back where they belong; the page's own verified header says where.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "crypto/key_header.hpp"
#include "crypto/seal.hpp"
#include "pager/page.hpp"
#include "pager/pager.hpp"
#include "platform/strong.hpp"
#include "txn/sealed_page_pool.hpp"

namespace coffer::txn {

/// One version of a page, wherever its ciphertext is: in a slot, in memory, or (for a moment) both.
struct PageVersion {
  pager::SlotRef ref;  ///< slot is meaningful only if has_slot
  bool has_slot = false;
  SharedSealedPage buffer;  ///< empty once it stands in its slot
};

/// Bytes of a page that are sealed when so many are used.
[[nodiscard]] constexpr std::size_t sealed_length(std::size_t used, std::size_t content_bytes) {
  return crypto::padded_to_step(used, content_bytes);
}

/// Bytes of a page that are stored: all but its gap.  Contract: the header is sane (our own page).
[[nodiscard]] std::size_t used_bytes(const pager::PageHeader& header, std::size_t content_bytes);

/// Seals and opens pages of one store.  Thread-safe (const).  Outlives what it has sealed.
class PageSealer {
 public:
  PageSealer(const crypto::KeyRing& keys, const pager::PageFile& file, std::size_t content_bytes)
      : keys_(&keys),
        file_(&file),
        content_bytes_(content_bytes),
        pool_(std::make_unique<SealedPagePool>()) {}

  /// Seals the page in `frame` under the current epoch, as changed by `version` (written into its header).
  [[nodiscard]] PageVersion seal(PageId page, std::span<std::byte> frame, CommitNumber version,
                                 crypto::NonceRun& nonces) const;
  /// The same into its slot's copy, with the nonce in front; what lies behind the ciphertext is left.  `frame` keeps
  /// the page's bytes joined, without its gap.
  [[nodiscard]] pager::SlotRef seal_into(PageId page, std::span<std::byte> frame,
                                         CommitNumber version, crypto::NonceRun& nonces,
                                         std::span<std::byte> slot) const;
  /// Brings a version's ciphertext into `frame`, verifies and opens it there, and puts the gap back.
  /// Tampered (Corrupted) when it does not verify; `frame` is then wiped.
  void open(PageId page, const PageVersion& version, std::span<std::byte> frame) const;
  /// The same of a private copy of its slot (nonce, ciphertext, filler), which is left as it is.
  void open_copy(PageId page, const pager::SlotRef& ref, std::span<const std::byte> slot,
                 std::span<std::byte> frame) const;

 private:
  [[nodiscard]] static std::size_t join_parts(std::span<std::byte> frame, CommitNumber version);
  [[nodiscard]] pager::SlotRef seal_joined(PageId page, std::span<const std::byte> plain,
                                           const crypto::Nonce& nonce,
                                           std::span<std::byte> ciphertext) const;
  [[nodiscard]] const crypto::Sealer& sealer_for(PageId page, const pager::SlotRef& ref) const;
  void verify(PageId page, const pager::SlotRef& ref, std::span<std::byte> frame,
              std::span<const std::byte> ciphertext, const crypto::Nonce& nonce) const;

  const crypto::KeyRing* keys_;
  const pager::PageFile* file_;
  std::size_t content_bytes_;
  std::unique_ptr<SealedPagePool> pool_;
};

/// Copies the page's stored bytes, without the gap, to `out`; returns how many.
std::size_t copy_used(std::span<const std::byte> frame, std::span<std::byte> out);
/// The inverse, in place: `used` bytes stand at the front of `frame`.  False when the header among them
/// does not fit that length.
[[nodiscard]] bool spread_used(std::span<std::byte> frame, std::size_t used);
/// The same of what was sealed, `sealed` bytes with the zeros behind them.
[[nodiscard]] bool spread_sealed(std::span<std::byte> frame, std::size_t sealed);

}  // namespace coffer::txn
