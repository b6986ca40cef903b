// The superblock: the root of everything but the keys, in two copies.
//
// Invariants
//   B1  A copy is sealed whole, its index in the additional data: neither can stand in for the other.
//   B2  Copy 0 is written and synced before copy 1 is touched (the caller's), so that one of them is
//       whole at every moment.
//   B3  One bad copy costs nothing: the other one is taken.  Two bad copies are an error, never "new".
//   B4  Two good copies with the same checkpoint number are equal.  So whoever writes other content,
//       for whatever reason, takes a new number.
//   B5  What was read at opening may stand in the operating system's memory only: whoever wrote it was
//       killed before its sync, or its sync failed.  A writable opening makes it durable, in an order
//       that leaves one durable copy at every moment, before it writes anything else.
//
// Failures: Tampered (Corrupted when unencrypted), VersionUnsupported, IoError.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "crypto/key_header.hpp"
#include "crypto/seal.hpp"
#include "pager/slot.hpp"
#include "platform/platform.hpp"
#include "platform/strong.hpp"

namespace coffer::pager {

/// One writable opening of the store under which something was committed.
struct Opening {
  std::array<std::byte, 16> generation{};
  CommitNumber first_commit{};
  friend bool operator==(const Opening&, const Opening&) = default;
};
inline constexpr std::size_t kOpeningsMax = 512;

/// A checkpoint that a backup was made of; what changed since can be told from births as long as it is listed.
struct Mark {
  std::uint64_t checkpoint = 0;
  crypto::Hash identity{};
  friend bool operator==(const Mark&, const Mark&) = default;
};
inline constexpr std::size_t kMarksMax = 64;

/// The root of everything but the keys.  Two copies of kSuperblockBytes each in the file
/// `superblock`, each [nonce 24][ciphertext][tag 16], the copy's index in the additional data.
struct Superblock {
  std::uint32_t format_version = 1;
  std::uint32_t page_bytes = 0;
  std::uint64_t segment_bytes = 0;  ///< of the journal
  std::array<std::byte, 16> instance{};
  std::uint64_t checkpoint = 0;  ///< number of this checkpoint
  CommitNumber commit{};         ///< last commit that it contains
  SlotRef table_root{};          ///< sealed_bytes 0: an empty table
  std::uint8_t table_levels = 0;
  SlotRef free_root{};
  std::uint8_t free_levels = 0;
  std::uint64_t slot_count = 0;  ///< slots that the free map covers
  std::uint64_t page_count = 0;  ///< logical pages in use
  PageId next_page{1};           ///< no page at or above this number was ever used
  PageId catalog_root{};
  std::uint64_t next_value_id = 1;
  Lsn journal_position{};
  std::array<std::byte, 16> journal_generation{};
  crypto::Tag journal_previous_tag{};
  Lsn journal_durable_upto{};
  crypto::Hash key_header_hash{};
  /// Hash of the openings that no longer stand in `openings`, then those, oldest first.
  crypto::Hash openings_before{};
  CommitNumber openings_before_end{};  ///< first commit not covered by `openings_before`
  std::vector<Opening> openings;
  std::vector<Mark> marks;  ///< oldest first
  friend bool operator==(const Superblock&, const Superblock&) = default;
};

inline constexpr std::uint64_t kSuperblockBytes = 16384;

/// Tells a checkpoint from every other one, of this store and of its copies: a hash over all that it refers to.
/// Openings and marks are not part of it.
[[nodiscard]] crypto::Hash identity_of(const Superblock& superblock);

struct FoundSuperblock {
  /// What the other copy is beside the one that was taken.
  enum class Other { same, older, damaged };

  Superblock superblock;
  int copy = 0;  ///< that it was read from
  Other other = Other::same;
};

/// Reads both copies; the valid one with the higher checkpoint number wins.  Both bad: Tampered
/// (Corrupted when unencrypted), never an older state; a file of the wrong size: likewise.
[[nodiscard]] FoundSuperblock read_superblock(const platform::File& file,
                                              const crypto::KeyRing& keys);
/// Makes sure that both copies are on the disk as `found`, before anything else is written (B5).
void settle_superblock(platform::File& file, const FoundSuperblock& found,
                       const crypto::KeyRing& keys, crypto::NonceRun& nonces);
/// Writes one copy (0 or 1); the caller syncs.
void write_superblock(platform::File& file, int copy, const Superblock& superblock,
                      const crypto::KeyRing& keys, crypto::NonceRun& nonces);

}  // namespace coffer::pager
