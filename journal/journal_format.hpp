// The bytes of a journal fragment.  This table is the only place where their layout is written.
//
//   offset  bytes  content, from a position on the grid (kGridBytes)
//        0     24  nonce of the header
//       24    112  header, sealed: role journal_header, key epoch, a = position
//      136     16  tag of the header: what the next fragment names as its predecessor
//      152     24  nonce of the body
//      176    1..  body, sealed: role journal_body, key epoch, a = position, b = commit number
//
// The next fragment begins at the next position on the grid; the bytes in between mean nothing.
//
//   offset  bytes  content of a header, little-endian
//        0      8  position of this fragment
//        8      8  commit number of its transaction
//       16     16  generation of the journal
//       32     16  tag of the previous fragment's header
//       48      8  durable_upto: a position that was durable before this header was sealed
//       56      4  bytes in the body
//       60      4  index of this fragment in its transaction, from 0
//       64      4  fragments in the transaction, in the last one; 0 in the others
//       68      4  flags: bit 0 is the commit mark; the others are zero
//       72     16  tag of the body
//       88     24  zero
//
// The header is bound to its place alone, not to its predecessor (which it names in its sealed
// content), so that recovery can read what lies beyond a bad fragment.  The body's tag stands in
// the header: nobody can pair a header with another body.
//
// A fragment may lie across two segment files; a header never does, because a segment's size is a
// multiple of the grid.
#pragma once

#include <cstddef>
#include <cstdint>

#include "crypto/seal.hpp"
#include "journal/journal.hpp"

namespace coffer::journal::format {

// --- On disk ------------------------------------------------------------------------------------

inline constexpr std::size_t kHeaderBytes = 112;
inline constexpr std::size_t kHeaderNonceAt = 0;
inline constexpr std::size_t kHeaderAt = kHeaderNonceAt + crypto::kNonceBytes;
inline constexpr std::size_t kHeaderTagAt = kHeaderAt + kHeaderBytes;
inline constexpr std::size_t kBodyNonceAt = kHeaderTagAt + crypto::kTagBytes;
inline constexpr std::size_t kBodyAt = kBodyNonceAt + crypto::kNonceBytes;
/// What a fragment takes besides its body.
inline constexpr std::size_t kFragmentOverheadBytes = kBodyAt;
inline constexpr std::size_t kBodyBytesMax = kFragmentBytesMax - kFragmentOverheadBytes;

// --- In a header --------------------------------------------------------------------------------

inline constexpr std::size_t kPositionAt = 0;
inline constexpr std::size_t kCommitAt = 8;
inline constexpr std::size_t kGenerationAt = 16;
inline constexpr std::size_t kPreviousTagAt = 32;
inline constexpr std::size_t kDurableUptoAt = 48;
inline constexpr std::size_t kBodyBytesAt = 56;
inline constexpr std::size_t kIndexAt = 60;
inline constexpr std::size_t kCountAt = 64;
inline constexpr std::size_t kFlagsAt = 68;
inline constexpr std::size_t kBodyTagAt = 72;
inline constexpr std::size_t kReservedAt = 88;

inline constexpr std::uint32_t kCommitMark = 1u << 0;

static_assert(kCommitAt == kPositionAt + sizeof(Lsn::value));
static_assert(kGenerationAt == kCommitAt + sizeof(CommitNumber::value));
static_assert(kPreviousTagAt == kGenerationAt + sizeof(Generation));
static_assert(kDurableUptoAt == kPreviousTagAt + crypto::kTagBytes);
static_assert(kBodyBytesAt == kDurableUptoAt + sizeof(Lsn::value));
static_assert(kIndexAt == kBodyBytesAt + sizeof(std::uint32_t));
static_assert(kCountAt == kIndexAt + sizeof(std::uint32_t));
static_assert(kFlagsAt == kCountAt + sizeof(std::uint32_t));
static_assert(kBodyTagAt == kFlagsAt + sizeof(std::uint32_t));
static_assert(kReservedAt == kBodyTagAt + crypto::kTagBytes);
static_assert(kReservedAt <= kHeaderBytes);
static_assert(kHeaderAt == 24 && kHeaderTagAt == 136 && kBodyNonceAt == 152 && kBodyAt == 176);
static_assert(kBodyAt < kGridBytes, "a header lies within one block of the grid");
static_assert(kFragmentBytesMax % kGridBytes == 0);
// Writer and scan keep a header's plaintext behind the body's in the same locked buffer.
static_assert(kBodyBytesMax + kHeaderBytes <= kFragmentBytesMax);

/// The first position on the grid at or behind `position`.
[[nodiscard]] constexpr std::uint64_t round_up_to_grid(std::uint64_t position) {
  return (position + (kGridBytes - 1)) / kGridBytes * kGridBytes;
}

/// A body of `record_bytes` is padded to whole steps of the cipher's, unless that took another block of the grid.
[[nodiscard]] constexpr std::size_t padded_body_bytes(std::size_t record_bytes) {
  const std::size_t fragment = round_up_to_grid(kFragmentOverheadBytes + record_bytes);
  return crypto::padded_to_step(record_bytes, fragment - kFragmentOverheadBytes);
}
static_assert(padded_body_bytes(kBodyBytesMax) == kBodyBytesMax);

}  // namespace coffer::journal::format
