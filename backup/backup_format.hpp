// The bytes of a backup's header, and of a logical backup's chunks, version 1.  This table is the only place
// where they are written.
//
//   offset  bytes  content
//        0      8  magic "COFFERB1"
//        8      4  format version: 1
//       12      1  kind: 1 logical, 2 logical increment, 3 snapshot, 4 snapshot increment
//       13      1  key: 0 none, 1 one that was provided, 2 the store's
//       14      1  compression: 0 none, 1 each chunk for itself (kinds 1, 2)
//       15      1  zero
//       16      4  page size of the slots in a snapshot (kinds 3, 4); zero in the others
//       20      4  link: 0 in a full backup (kinds 1, 3), otherwise its place in the chain, from 1
//       24      8  taken: nanoseconds since 1970-01-01 UTC
//       32     32  salt, random; zero without a key
//       64     24  header of the stream, random; zero without a key
//       88      8  zero
//       96     16  id of this backup, random
//      112     16  id of the full backup that its chain begins with: its own in a full one
//      128     16  id of its parent, of which it is an increment; zero in a full one
//      144    368  zero
//      512   4096  a copy of a key header (crypto/key_header_format.hpp): the store's, or the backup's own
//     4608         chunks
//
//   chunk       [sealed 65,536 + 17], each of 65,536 bytes of plaintext but the last, which has 0 to 65,536
//               with compression: [length of what follows 4] [sealed packed chunk + 17]
//   packed      [0 stored, 1 Zstandard: 1] [the chunk's plaintext, or one frame of RFC 8878 that has it]
//   context     BLAKE2b-256 without a key of bytes [0, 4608); every chunk is bound to it
//   stream key  BLAKE2b-256 of the salt under the key header's backup key
//
// Plaintext, over all chunks: records (record_format.hpp), to the last byte.  Integers are little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "crypto/chunk_stream.hpp"
#include "crypto/key_header.hpp"

namespace coffer::backup::format {

inline constexpr std::array<char, 8> kMagic = {'C', 'O', 'F', 'F', 'E', 'R', 'B', '1'};
inline constexpr std::uint32_t kVersion = 1;

enum class Kind : std::uint8_t {
  logical = 1,
  logical_increment = 2,
  snapshot = 3,
  snapshot_increment = 4,
};
enum class KeyOrigin : std::uint8_t { none = 0, provided = 1, store = 2 };

inline constexpr std::size_t kMagicAt = 0;
inline constexpr std::size_t kVersionAt = 8;
inline constexpr std::size_t kKindAt = 12;
inline constexpr std::size_t kKeyOriginAt = 13;
inline constexpr std::size_t kCompressionAt = 14;
inline constexpr std::size_t kPageSizeAt = 16;
inline constexpr std::size_t kLinkAt = 20;
inline constexpr std::size_t kTakenAt = 24;
inline constexpr std::size_t kSaltAt = 32;
inline constexpr std::size_t kStreamHeaderAt = kSaltAt + crypto::kBackupSaltBytes;
inline constexpr std::size_t kBackupIdBytes = 16;
inline constexpr std::size_t kIdAt = 96;
inline constexpr std::size_t kSetAt = kIdAt + kBackupIdBytes;
inline constexpr std::size_t kParentAt = kSetAt + kBackupIdBytes;
inline constexpr std::size_t kKeyHeaderAt = 512;
inline constexpr std::size_t kKeyHeaderBytes = 4096;
inline constexpr std::size_t kHeaderBytes = kKeyHeaderAt + kKeyHeaderBytes;

inline constexpr std::size_t kChunkBytes = 65'536;
inline constexpr std::size_t kSealedChunkBytes = kChunkBytes + crypto::kChunkOverheadBytes;

enum class Packing : std::uint8_t { stored = 0, zstandard = 1 };
inline constexpr std::size_t kChunkLengthBytes = 4;
inline constexpr std::size_t kPackedBytesMax = 1 + kChunkBytes;
inline constexpr std::size_t kSealedPackedBytesMax = kPackedBytesMax + crypto::kChunkOverheadBytes;

static_assert(kKindAt == kVersionAt + sizeof(kVersion) && kStreamHeaderAt == 64);
static_assert(kStreamHeaderAt + crypto::kStreamHeaderBytes + 8 == kIdAt);
static_assert(kSetAt == 112 && kParentAt == 128 && kParentAt + kBackupIdBytes <= kKeyHeaderAt);
static_assert(kHeaderBytes == 4608 && kSealedChunkBytes == 65'553);

}  // namespace coffer::backup::format
