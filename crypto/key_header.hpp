// The key header: who may open a store, and with what.
//
// Two copies with a generation, at fixed places in the store's `keys` file
// (crypto/key_header_format.hpp has the bytes).  It names the format version, the suite, the page
// size and the store id; up to 8 key slots, each with derivation parameters, a commitment and the
// wrapped data key; an unkeyed checksum that tells damage from a wrong key; and a MAC under the
// data key over all of it.
//
// Invariants
//   H1  The caller's secret is only ever a key-encryption key: it seals no data.
//   H2  A slot's commitment (keyed BLAKE2b under a key derived from the KEK, over suite, store id,
//       derivation parameters and wrapped key) is compared in constant time before any unwrapping.
//       No slot commits: WrongKey.  The checksum fails in both copies: Corrupted.  The MAC fails:
//       Tampered.
//   H3  Nothing from the file is used for arithmetic or allocation beyond fixed bounds before it is
//       verified; Argon2id parameters have a floor and a cap per slot and a cap on the total work.
//   H4  What is expected comes from the caller: a key given refuses an unencrypted store, and the
//       other way round (InvalidArgument, saying which).
//   H5  The highest generation that verifies wholly wins.  A copy whose checksum fits but whose MAC
//       does not is passed over for one that verifies: who can write the file could as well have
//       destroyed it, and gains nothing.  An older copy does not open what a newer one, authentic
//       under the same data key, has locked: taking a slot away holds from the first copy written.
//       That both copies were replaced by older ones shows in the header hash that the superblock
//       carries.
//   H6  A derived epoch needs nobody's secret: its data key comes from the epochs key and a random
//       salt.  So two copies of a store that are both renewed go on under different keys, and each
//       still opens with every slot that it had.  It is not a new data key: who has the wrapped one
//       has all epochs' keys.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <coffer/key.hpp>

#include "crypto/seal.hpp"
#include "platform/platform.hpp"

namespace coffer::crypto {

/// What makes each backup's key its own; random, in the clear.
inline constexpr std::size_t kBackupSaltBytes = 32;

/// Sub-keys of a store, in locked memory of their own; wiped on destruction.  One data key per
/// epoch: the base epoch's is wrapped in the slots, later ones are derived.
class KeyRing {
 public:
  virtual ~KeyRing() = default;
  [[nodiscard]] virtual Suite suite() const = 0;
  [[nodiscard]] virtual const StoreId& store_id() const = 0;
  /// The epoch that new pages are sealed under.
  [[nodiscard]] virtual std::uint32_t current_epoch() const = 0;
  /// Pages, table nodes, free-map nodes and value chunks of `epoch`, which is one from the base epoch
  /// to the current one; nullptr for another
  /// (bytes from disk name epochs: the caller raises Tampered).
  [[nodiscard]] virtual const Sealer* pages(std::uint32_t epoch) const = 0;
  /// Journal headers and bodies; like all that follow, of the current epoch.
  [[nodiscard]] virtual const Sealer& journal() const = 0;
  /// The superblock.
  [[nodiscard]] virtual const Sealer& superblock() const = 0;
  /// Keyed hash of the history for the anchor: BLAKE2b-256 under the anchor key.
  [[nodiscard]] virtual Hash anchor_hash(
      std::initializer_list<std::span<const std::byte>> parts) const = 0;
  /// The key of one backup's stream, into `out` (locked memory): BLAKE2b-256 of its salt under the backup key.
  /// Nothing in suite none.
  virtual void derive_backup_key(std::span<const std::byte, kBackupSaltBytes> salt,
                                 std::span<std::byte, kKeyBytes> out) const = 0;
  /// BLAKE2b-256 of the key header in force, which the superblock names.
  [[nodiscard]] virtual const Hash& header_hash() const = 0;
};

struct KeyHeaderParameters {
  std::uint32_t page_bytes = 4096;
};

struct OpenedKeyHeader {
  KeyHeaderParameters parameters;
  std::unique_ptr<KeyRing> keys;
  bool repaired =
      false;  ///< one copy was damaged or older; `bytes` holds both copies as they should be
  std::vector<std::byte> bytes;
};

/// Size of the `keys` file, fixed by the format.
[[nodiscard]] std::uint64_t key_header_file_bytes();

/// Makes a new header with a fresh store id and data key, wrapped under `key` (nullptr:
/// Suite::none). The result's `bytes` is the whole content of the `keys` file.
[[nodiscard]] OpenedKeyHeader create_key_header(platform::Platform& platform, const Key* key,
                                                const KeyHeaderParameters& parameters,
                                                platform::LockPolicy policy);

/// Opens a header from the content of the `keys` file.  `name` is for messages.
[[nodiscard]] OpenedKeyHeader open_key_header(platform::Platform& platform,
                                              std::span<const std::byte> file, const Key* key,
                                              platform::LockPolicy policy,
                                              const platform::Path& name);

/// Makes of the header that `keys` was opened from a newer one with a further, derived epoch, which
/// is its current one; no key is needed from the caller.  `copy` is one copy of that header (its hash
/// is `keys.header_hash()`).  The result's `bytes` is the whole content of the `keys` file, not yet
/// written anywhere; its ring knows all epochs and does not need `keys`.  InvalidArgument when the
/// header has no room for another.
[[nodiscard]] OpenedKeyHeader renew_key_header(platform::Platform& platform, const KeyRing& keys,
                                               std::span<const std::byte> copy,
                                               platform::LockPolicy policy);

}  // namespace coffer::crypto
