// Whose key a backup is under: the rules of modes and keys, in one place.
//
// A backup carries a copy of a key header: the store's (so that whatever opens the store opens the backup), or
// one that was made for the backup alone (its own data key, wrapped under the key that was provided).  So wrong
// key, missing key, superfluous key and damage are told apart by the code that does it for stores.
#pragma once

#include <memory>
#include <vector>

#include <coffer/backup.hpp>

#include "backup/backup_format.hpp"
#include "backup/label.hpp"
#include "crypto/key_header.hpp"
#include "platform/locked_heap.hpp"
#include "txn/engine.hpp"

namespace coffer::backup {

/// The mode that holds for this store.  InvalidArgument when mode, key and store do not fit together.
[[nodiscard]] BackupEncryptionMode settle_mode(const BackupEncryption& encryption,
                                               bool store_is_encrypted);

/// The mode that a backup says it was made in.
[[nodiscard]] BackupEncryptionMode mode_of(format::KeyOrigin origin);

/// Raises InvalidArgument unless what was asked for is what a snapshot of such a store has anyway.
void expect_own_encryption(const BackupEncryption& encryption, bool store_is_encrypted);

/// What stands before the chunks, and the key that they are sealed under.
struct BackupHeader {
  std::vector<std::byte> bytes;  ///< format::kHeaderBytes; the stream's header is put in later
  Label label;
  /// Of the key header in it, when it was opened.
  std::shared_ptr<const crypto::KeyRing> keys;
  crypto::Suite suite{};
  platform::LockedBuffer key;  ///< empty in suite none

  [[nodiscard]] std::span<const std::byte> key_bytes() const { return key.bytes(); }
};

/// A header for a new backup of the store behind `engine`.  The key's origin in `label` is put in here.
[[nodiscard]] BackupHeader new_header(txn::Engine& engine, Label label, BackupEncryptionMode mode,
                                      const Key* provided, platform::LockedHeap& heap,
                                      platform::LockPolicy policy);

/// The first format::kHeaderBytes of a file, or fewer when it has fewer.
[[nodiscard]] std::vector<std::byte> read_header(platform::File& file);

/// Opens the header of a backup of any kind.  `name` is for messages.  With the keys of one that has the same key
/// header (`known`, may be null) no key is needed, and no passphrase is worked on again.
[[nodiscard]] BackupHeader open_header(platform::Platform& platform, std::vector<std::byte> bytes,
                                       const Key* key, platform::LockedHeap& heap,
                                       platform::LockPolicy policy, const platform::Path& name,
                                       const BackupHeader* known = nullptr);

/// A header for a snapshot, or an increment of one: always under the store's own key header, in suite none too.
[[nodiscard]] BackupHeader new_snapshot_header(platform::Platform& platform,
                                               const txn::StoreImage& image, Label label,
                                               platform::LockedHeap& heap);
/// A header for an increment that goes on under the keys, and with the key header, of what it follows.  The key's
/// origin stands in `label` already.
[[nodiscard]] BackupHeader next_header(platform::Platform& platform, const crypto::KeyRing& keys,
                                       std::span<const std::byte> key_header, const Label& label,
                                       platform::LockedHeap& heap);
/// The header of what is said to be an earlier backup of a store under the store's own keys, opened with those.
/// InvalidArgument when it is another store's, or another copy's.
[[nodiscard]] BackupHeader header_of_parent(const crypto::KeyRing& keys,
                                            std::vector<std::byte> bytes,
                                            platform::LockedHeap& heap, const platform::Path& name);

/// What every chunk is bound to.
[[nodiscard]] crypto::Hash context_of(const BackupHeader& header);

/// Damage: Tampered in an encrypted backup, Corrupted in another.
[[noreturn]] void raise_damaged_backup(crypto::Suite suite, const platform::Path& file,
                                       const std::string& what);

}  // namespace coffer::backup
