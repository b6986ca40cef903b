// The bytes of the `keys` file, version 1.  This table is the only place where they are written.
//
// The file is 8192 bytes: two identical copies of 4096, at 0 and at 4096.  Integers are
// little-endian.
//
//   A copy                                       A slot
//   offset  bytes  content                       offset  bytes  content
//        0      8  magic "COFFERK1"                   0      1  state: 0 empty, 1 in use
//        8      4  format version: 1                  1      1  kind: 1 raw key, 2 passphrase
//       12      2  suite                              2      2  zero
//       14      2  zero                               4      4  base epoch b, whose key it wraps
//       16      4  page size in bytes                 8      4  Argon2id passes      (raw: zero)
//       20      4  current key epoch b + n           12      4  zero
//       24      8  generation                        16      8  Argon2id memory      (raw: zero)
//       32     16  store id                          24     16  Argon2id salt        (raw: zero)
//       48     16  zero                              40     24  nonce of the wrapping
//       64   2048  8 slots of 256 bytes              64     32  wrapped data key
//     2112      4  derived epochs n: 0 to 59         96     16  tag of the wrapping
//     2116      4  zero                             112     32  commitment
//     2120   1888  59 salts of 32 bytes, the        144    112  zero
//                  first n in use, others zero
//     4008     24  zero
//     4032     32  checksum over [0, 4032)
//     4064     32  MAC over [0, 4064)
//
//   checksum    BLAKE2b-256 without a key: damage shows, whoever looks
//   MAC         BLAKE2b-256 under the header key; without a key in suite `none`
//   commitment  BLAKE2b-256 under the slot's commitment key over
//                 copy [8, 16) (version, suite) | store id | slot number (1 byte) | slot [0, 112)
//   wrapping    XChaCha20-Poly1305 under the slot's wrapping key, role `wrapped_key`, level = slot
//               number, epoch = a = epoch
//
// Keys are derived with crypto_kdf (BLAKE2b-256 keyed, 8-byte context, number):
//
//   from                 context      number  key
//   key-encryption key   "cofferKE"   1       commitment of a slot
//                                     2       wrapping of the data key
//   data key             "cofferDK"   1       pages
//                                     2       journal
//                                     3       superblock
//                                     4       header: the MAC above
//                                     5       anchor
//                                     6       backup
//   wrapped data key     "cofferDK"   7       epochs
//
// The wrapped data key is that of the base epoch b.  The data key of the derived epoch e = b + i
// (i from 1 to n) is BLAKE2b-256 under the epochs key over
//   the ASCII text "epoch" | e (4 bytes) | salt i
// The header key always comes from the wrapped data key, so that one MAC key serves all epochs of
// a header.  Suite `none` has epochs and salts as well, and no keys.
//
// The key-encryption key is the caller's 32 bytes, or Argon2id version 1.3 with one lane of the
// passphrase, with the slot's salt, passes and memory.
//
// What later versions keep: magic, version, file size and the place and kind of the checksum, so
// that a newer store can be told from a damaged one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "crypto/seal.hpp"

namespace coffer::crypto::key_header_format {

inline constexpr std::size_t kCopies = 2;
inline constexpr std::size_t kCopyBytes = 4096;
inline constexpr std::size_t kFileBytes = kCopies * kCopyBytes;

inline constexpr std::array<char, 8> kMagic = {'C', 'O', 'F', 'F', 'E', 'R', 'K', '1'};
inline constexpr std::uint32_t kVersion = 1;

inline constexpr std::size_t kMagicAt = 0;
inline constexpr std::size_t kVersionAt = kMagicAt + kMagic.size();
inline constexpr std::size_t kSuiteAt = kVersionAt + sizeof(std::uint32_t);
inline constexpr std::size_t kPageBytesAt = kSuiteAt + sizeof(std::uint16_t) + 2;
inline constexpr std::size_t kEpochAt = kPageBytesAt + sizeof(std::uint32_t);
inline constexpr std::size_t kGenerationAt = kEpochAt + sizeof(std::uint32_t);
inline constexpr std::size_t kStoreIdAt = kGenerationAt + sizeof(std::uint64_t);
inline constexpr std::size_t kSlotsAt = kStoreIdAt + kStoreIdBytes + 16;
inline constexpr std::size_t kSlots = 8;
inline constexpr std::size_t kSlotBytes = 256;
inline constexpr std::size_t kDerivedEpochsAt = kSlotsAt + kSlots * kSlotBytes;
inline constexpr std::size_t kEpochSaltBytes = 32;
inline constexpr std::uint32_t kDerivedEpochsMax = 59;
inline constexpr std::size_t kEpochSaltsAt = kDerivedEpochsAt + sizeof(std::uint32_t) + 4;
inline constexpr std::size_t kEpochSaltsEnd = kEpochSaltsAt + kDerivedEpochsMax * kEpochSaltBytes;
inline constexpr std::size_t kMacAt = kCopyBytes - kHashBytes;
inline constexpr std::size_t kChecksumAt = kMacAt - kHashBytes;

static_assert(kVersionAt == 8 && kSuiteAt == 12 && kPageBytesAt == 16 && kEpochAt == 20);
static_assert(kGenerationAt == 24 && kStoreIdAt == 32 && kSlotsAt == 64);
static_assert(kDerivedEpochsAt == 2112 && kEpochSaltsAt == 2120 && kEpochSaltsEnd == 4008);
static_assert(kEpochSaltsEnd <= kChecksumAt);
static_assert(kChecksumAt == 4032 && kMacAt == 4064);

namespace slot {

inline constexpr std::size_t kSaltBytes = 16;

inline constexpr std::size_t kStateAt = 0;
inline constexpr std::size_t kKindAt = 1;
inline constexpr std::size_t kEpochAt = 4;
inline constexpr std::size_t kPassesAt = 8;
inline constexpr std::size_t kMemoryAt = 16;
inline constexpr std::size_t kSaltAt = kMemoryAt + sizeof(std::uint64_t);
inline constexpr std::size_t kNonceAt = kSaltAt + kSaltBytes;
inline constexpr std::size_t kWrappedAt = kNonceAt + kNonceBytes;
inline constexpr std::size_t kTagAt = kWrappedAt + kKeyBytes;
inline constexpr std::size_t kCommitmentAt = kTagAt + kTagBytes;

static_assert(kSaltAt == 24 && kNonceAt == 40 && kWrappedAt == 64 && kTagAt == 96);
static_assert(kCommitmentAt == 112 && kCommitmentAt + kHashBytes <= kSlotBytes);

}  // namespace slot

inline constexpr std::array<char, 8> kKeyEncryptionContext = {'c', 'o', 'f', 'f',
                                                              'e', 'r', 'K', 'E'};
inline constexpr std::array<char, 8> kDataContext = {'c', 'o', 'f', 'f', 'e', 'r', 'D', 'K'};
/// What a derived epoch's data key is the hash of, before its number and its salt.
inline constexpr std::array<char, 5> kEpochText = {'e', 'p', 'o', 'c', 'h'};

/// Numbers of the keys derived from a key-encryption key.
enum class KeyEncryptionKeyNumber : std::uint64_t { commitment = 1, wrapping = 2 };
/// Numbers of the keys derived from a data key.
enum class DataKeyNumber : std::uint64_t {
  pages = 1,
  journal = 2,
  superblock = 3,
  header = 4,
  anchor = 5,
  backup = 6,
  epochs = 7,  ///< of the wrapped data key only
};

/// Bounds on what a slot may ask of Argon2id.  The parameters cannot be authenticated before they
/// are used, so these bounds are all that stands between an edited file and an endless open.
inline constexpr std::uint32_t kPassesMin = 1;
inline constexpr std::uint32_t kPassesMax = 64;
inline constexpr std::uint64_t kMemoryMin = 8ull << 20;
inline constexpr std::uint64_t kMemoryMax = 4ull << 30;
/// Passes times memory, summed over the passphrase slots of one copy.  Eight slots at MODERATE need
/// 6 GiB; one slot at both caps still fits.
inline constexpr std::uint64_t kWorkMax = kPassesMax * kMemoryMax;

inline constexpr std::uint32_t kPageBytesMin = 4096;
inline constexpr std::uint32_t kPageBytesMax = 65536;

}  // namespace coffer::crypto::key_header_format
