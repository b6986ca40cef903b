// The bytes of a snapshot and of its increments, behind the header (backup_format.hpp), version 1.  This table is
// the only place where they are written.  Integers are little-endian.
//
//   manifest   [sealed 16,392 + 17]
//   groups     each [n slots as they lie in the page file][sealed 8 g + 17]; g = 4 MiB / page size; n = g in all
//              but the last, which has 1 to g.  The sealed part vouches for the slots in front of it
//   end        [sealed 8 + 17], marked as the last; nothing follows
//
// How many groups there are, and how many slots the last one has, follows from the file's length.
//
//   manifest: offset  bytes  content
//                  0      1  flags.  Bit 0: all that it holds was verified when it was made
//                  1      7  zero
//                  8      8  number of the parent's checkpoint; zero in a full snapshot
//                 16     32  identity of the parent's checkpoint (superblock_format.hpp); zero in a full snapshot
//                 48 16,344  plaintext of the superblock (superblock_format.hpp) that the snapshot shows
//
//   group     g entries of 8: first slot 6, count 2, in the order in which the slots stand there; behind the last
//             zero
//   end       slots in all 8
#pragma once

#include <cstddef>
#include <cstdint>

#include "backup/backup_format.hpp"
#include "pager/superblock_format.hpp"

namespace coffer::backup::format {

inline constexpr std::byte kVerifiedFlag{1};
inline constexpr std::size_t kFlagsAt = 0;
inline constexpr std::size_t kParentCheckpointAt = 8;
inline constexpr std::size_t kParentIdentityAt = 16;
inline constexpr std::size_t kSuperblockAt = kParentIdentityAt + crypto::kHashBytes;
inline constexpr std::size_t kManifestBytes = kSuperblockAt + pager::superblock_format::kPlainBytes;

inline constexpr std::size_t kGroupBytes = std::size_t{4} << 20;
inline constexpr std::size_t kGroupEntryBytes = 8;
inline constexpr std::size_t kEndRecordBytes = 8;

[[nodiscard]] constexpr std::uint32_t group_slots(std::uint32_t page_bytes) {
  return static_cast<std::uint32_t>(kGroupBytes / page_bytes);
}
[[nodiscard]] constexpr std::size_t group_table_bytes(std::uint32_t page_bytes) {
  return group_slots(page_bytes) * kGroupEntryBytes;
}
[[nodiscard]] constexpr std::size_t sealed(std::size_t plain) {
  return plain + crypto::kChunkOverheadBytes;
}

static_assert(kSuperblockAt == 48 && kManifestBytes == 16392);
static_assert(group_slots(4096) == 1024 && group_slots(65536) == 64);
static_assert(group_table_bytes(4096) == 8192);
static_assert(group_slots(4096) <= 0xffff, "an entry's count takes 16 bits");

}  // namespace coffer::backup::format
