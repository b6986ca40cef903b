// The bytes of a superblock copy, version 1.  This table is the only place where they are written down.
// Integers are little-endian.
//
// The file `superblock` is two copies of 16,384 bytes, at 0 and at 16,384, each
// [nonce 24][ciphertext 16,344][tag 16], with the additional data {role superblock, level = copy,
// epoch 0, a = 0, b = 0}.  The plaintext:
//
//   offset  bytes  content
//        0      8  magic "COFFERS1"
//        8      4  format version: 1
//       12      4  page size in bytes
//       16      8  journal segment size in bytes
//       24     16  instance id
//       40      8  checkpoint number
//       48      8  last commit contained
//       56     31  page table: root (0: empty)
//       87     31  free map: root (0: empty)
//      118      1  page table: levels
//      119      1  free map: levels
//      120      8  slots that the free map covers
//      128      8  logical pages in use
//      136     24  zero
//      160      8  next page number
//      168      8  root page of the catalog
//      176      8  next value id
//      184      8  journal: position
//      192     16  journal: generation
//      208     16  journal: tag before that position
//      224      8  journal: known to be durable up to
//      232     32  hash of the key header
//      264     32  hash of the openings no longer listed
//      296      8  first commit not covered by it
//      304      4  openings that follow: 0 to 512
//      308      4  zero
//      312   24 n  openings: generation 16, first commit 8
//        -      -  zero up to 12,600
//    12600      4  marks that follow: 0 to 64
//    12604      4  zero
//    12608   40 m  marks: checkpoint number 8, its identity 32
//        -      -  zero up to 16,344
//
// The identity of a checkpoint is BLAKE2b-256 without a key of bytes [0, 304).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pager/pager_format.hpp"
#include "pager/superblock.hpp"

namespace coffer::pager::superblock_format {

inline constexpr std::array<char, 8> kMagic = {'C', 'O', 'F', 'F', 'E', 'R', 'S', '1'};
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kCopies = 2;
inline constexpr std::uint64_t kFileBytes = kCopies * kSuperblockBytes;
inline constexpr std::size_t kPlainBytes =
    kSuperblockBytes - crypto::kNonceBytes - crypto::kTagBytes;

inline constexpr std::size_t kMagicAt = 0;
inline constexpr std::size_t kVersionAt = kMagicAt + kMagic.size();
inline constexpr std::size_t kPageBytesAt = kVersionAt + 4;
inline constexpr std::size_t kSegmentBytesAt = kPageBytesAt + 4;
inline constexpr std::size_t kInstanceAt = kSegmentBytesAt + 8;
inline constexpr std::size_t kCheckpointAt = kInstanceAt + 16;
inline constexpr std::size_t kCommitAt = kCheckpointAt + 8;
inline constexpr std::size_t kTableRootAt = kCommitAt + 8;
inline constexpr std::size_t kFreeRootAt = kTableRootAt + format::kRefBytes;
inline constexpr std::size_t kTableLevelsAt = kFreeRootAt + format::kRefBytes;
inline constexpr std::size_t kFreeLevelsAt = kTableLevelsAt + 1;
inline constexpr std::size_t kSlotCountAt = kFreeLevelsAt + 1;
inline constexpr std::size_t kPageCountAt = kSlotCountAt + 8;
inline constexpr std::size_t kNextPageAt = kPageCountAt + 8 + 24;
inline constexpr std::size_t kCatalogRootAt = kNextPageAt + 8;
inline constexpr std::size_t kNextValueIdAt = kCatalogRootAt + 8;
inline constexpr std::size_t kJournalPositionAt = kNextValueIdAt + 8;
inline constexpr std::size_t kJournalGenerationAt = kJournalPositionAt + 8;
inline constexpr std::size_t kJournalPreviousTagAt = kJournalGenerationAt + 16;
inline constexpr std::size_t kJournalDurableUptoAt = kJournalPreviousTagAt + crypto::kTagBytes;
inline constexpr std::size_t kKeyHeaderHashAt = kJournalDurableUptoAt + 8;
inline constexpr std::size_t kOpeningsBeforeAt = kKeyHeaderHashAt + crypto::kHashBytes;
inline constexpr std::size_t kOpeningsBeforeEndAt = kOpeningsBeforeAt + crypto::kHashBytes;
inline constexpr std::size_t kOpeningsCountAt = kOpeningsBeforeEndAt + 8;
inline constexpr std::size_t kOpeningsAt = kOpeningsCountAt + 4 + 4;
inline constexpr std::size_t kOpeningBytes = 16 + 8;
inline constexpr std::size_t kMarksCountAt = kOpeningsAt + kOpeningsMax * kOpeningBytes;
inline constexpr std::size_t kMarksAt = kMarksCountAt + 4 + 4;
inline constexpr std::size_t kMarkBytes = 8 + crypto::kHashBytes;

static_assert(kPlainBytes == 16344);
static_assert(kInstanceAt == 24 && kTableRootAt == 56 && kFreeRootAt == 87);
static_assert(kTableLevelsAt == 118 && kSlotCountAt == 120 && kNextPageAt == 160);
static_assert(kJournalPositionAt == 184 && kJournalDurableUptoAt == 224);
static_assert(kKeyHeaderHashAt == 232 && kOpeningsBeforeEndAt == 296 && kOpeningsAt == 312);
static_assert(kOpeningsCountAt == 304 && kMarksCountAt == 12600 && kMarksAt == 12608);
static_assert(kMarksAt + kMarksMax * kMarkBytes <= kPlainBytes);

using Plain = std::array<std::byte, kPlainBytes>;

/// The plaintext of a copy; both copies have the same.
void encode(const Superblock& superblock, Plain& out);
/// The other way.  Raises VersionUnsupported or Corrupted: the bytes were verified before.
[[nodiscard]] Superblock decode(const Plain& in);

}  // namespace coffer::pager::superblock_format
