// See nonce_collection.hpp.  Where nonces stand in files: docs/format.md.
#include "tests/campaign/process/nonce_collection.hpp"

#include <algorithm>
#include <cstring>

#include "backup/backup_format.hpp"
#include "crypto/key_header_format.hpp"
#include "journal/journal_format.hpp"
#include "pager/superblock.hpp"
#include "platform/platform.hpp"

namespace coffer::campaign::process {
namespace {

/// The smallest slot, and the journal's grid.
constexpr std::uint64_t kBlockBytes = 4096;
static_assert(kBlockBytes == journal::kGridBytes);

bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

NonceCollection::NonceCollection() {
  platform::native_platform().entropy().fill(key_);
}

NonceCollection::Digest NonceCollection::digest(std::span<const std::byte> bytes) const {
  const crypto::ShortHash hash = crypto::short_hash(key_, bytes);
  Digest digest;
  static_assert(sizeof digest == sizeof hash);
  std::memcpy(&digest, &hash, sizeof digest);
  return digest;
}

void NonceCollection::add_drawn(std::span<const Digest> digests) {
  const std::lock_guard lock(mutex_);
  drawn_.insert(drawn_.end(), digests.begin(), digests.end());
}

void NonceCollection::add_sealed(std::span<const std::byte> nonce,
                                 std::span<const std::byte> unit) {
  if (all_zero(nonce)) return;
  const Sealed sealed{digest(nonce), digest(unit)[0]};
  const std::lock_guard lock(mutex_);
  sealed_.push_back(sealed);
}

void NonceCollection::add_from(std::string_view name, std::uint64_t offset,
                               std::span<const std::byte> bytes) {
  namespace fragment = journal::format;
  // Blocks that begin within what was written, each cut off where that ends.
  const auto each_block = [&](std::uint64_t size, const auto& take) {
    const std::uint64_t first = (size - offset % size) % size;
    for (std::uint64_t at = first; at < bytes.size(); at += size) {
      take(bytes.subspan(at, std::min<std::uint64_t>(size, bytes.size() - at)));
    }
  };
  const auto unit_at = [&](std::span<const std::byte> block, std::size_t nonce_at,
                           std::size_t unit_end) {
    if (block.size() <= nonce_at + crypto::kNonceBytes || block.size() < unit_end) return;
    const std::size_t unit = nonce_at + crypto::kNonceBytes;
    add_sealed(block.subspan(nonce_at, crypto::kNonceBytes), block.subspan(unit, unit_end - unit));
  };
  if (name == "pages") {
    // A block inside of a run is ciphertext: as good as a nonce that never comes again.
    each_block(kBlockBytes, [&](auto block) { unit_at(block, 0, block.size()); });
  } else if (name.starts_with("journal-")) {
    each_block(kBlockBytes, [&](auto block) {
      unit_at(block, fragment::kHeaderNonceAt, fragment::kBodyNonceAt);
      unit_at(block, fragment::kBodyNonceAt, block.size());
    });
  } else if (name == "superblock") {
    each_block(pager::kSuperblockBytes, [&](auto block) { unit_at(block, 0, block.size()); });
  } else if (name == "keys") {
    each_block(crypto::key_header_format::kCopyBytes, [&](auto block) {
      const std::size_t slot = crypto::key_header_format::kSlotsAt;
      if (block.size() < slot + crypto::key_header_format::kSlotBytes) return;
      const auto first = block.subspan(slot, crypto::key_header_format::kSlotBytes);
      unit_at(first, crypto::key_header_format::slot::kNonceAt,
              crypto::key_header_format::slot::kCommitmentAt);
    });
  } else if (offset == 0 && bytes.size() >= backup::format::kHeaderBytes) {
    // A backup: the stream's own nonce, with the rest of the header in the unit's place.
    constexpr std::size_t kStreamHeaderAt = 64;
    add_sealed(bytes.subspan(kStreamHeaderAt, crypto::kNonceBytes),
               bytes.first(backup::format::kHeaderBytes));
  }
}

std::uint64_t NonceCollection::drawn() const {
  const std::lock_guard lock(mutex_);
  return drawn_.size();
}
std::uint64_t NonceCollection::sealed() const {
  const std::lock_guard lock(mutex_);
  return sealed_.size();
}

std::uint64_t NonceCollection::repeats() {
  const std::lock_guard lock(mutex_);
  // The same unit again is no repeat; what is left is one for each nonce and unit.
  std::ranges::sort(sealed_);
  sealed_.erase(std::unique(sealed_.begin(), sealed_.end()), sealed_.end());
  for (const Sealed& sealed : sealed_) drawn_.push_back(sealed.nonce);
  std::ranges::sort(drawn_);
  std::uint64_t repeats = 0;
  for (std::size_t i = 1; i < drawn_.size(); ++i) repeats += drawn_[i] == drawn_[i - 1] ? 1 : 0;
  return repeats;
}

}  // namespace coffer::campaign::process
