// Backups.  A snapshot is a copy of a store's sealed pages as they lie on the disk, and an increment of it what was
// written since; a logical backup is every tree and value as a sealed stream of records, independent of page size
// and of the store's format.  docs/backup.md says what they are for; docs/format.md has every byte.
//
// What all of these promise: a file or store appears whole under its name, or nothing does (it is written
// beside its place under a name that ends in `.in-progress`, synced and renamed); nothing that is there is
// ever overwritten (InvalidArgument); plaintext is in locked memory only, less than 512 KiB of it beyond
// what the stores lock themselves (an unencrypted backup's chunk is in ordinary memory too, as it is on the disk).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <coffer/export.hpp>
#include <coffer/key.hpp>
#include <coffer/options.hpp>
#include <coffer/store.hpp>

namespace coffer {

/// What a logical backup is encrypted with.
enum class BackupEncryptionMode : std::uint8_t {
  none,              ///< not at all: its checksums find damage, not tampering
  use_provided_key,  ///< under `BackupEncryption::key`, whatever the store has
  use_database_key,  ///< whatever opens the store opens the backup; for encrypted stores only
};

struct BackupEncryption {
  /// Unset: `use_database_key` for an encrypted store, `none` for an unencrypted one.
  std::optional<BackupEncryptionMode> mode{};
  /// With `use_provided_key`, and only then (InvalidArgument).  Outlives the call.
  const Key* key = nullptr;
};

/// How far a backup, a verification or a restore has come.
struct BackupProgress {
  std::uint64_t bytes_done = 0;   ///< of the backup file
  std::uint64_t bytes_total = 0;  ///< of the backup file; 0: not known (while a backup is written)
  std::uint64_t entries = 0;      ///< records so far
  std::chrono::nanoseconds elapsed{};
};

/// Called now and then on the caller's thread; false ends the work with Cancelled, and nothing is left of it.
using BackupWatch = std::function<bool(const BackupProgress&)>;

struct BackupOptions {
  /// Of a logical backup.  A snapshot has its store's own encryption and key, always: anything else is refused.
  BackupEncryption encryption{};
  /// Of a snapshot: every page and value is verified on its way, in locked memory.  Without it ciphertext is copied
  /// as it lies, which is faster, and damage in the store is found by a verification or a restore.
  bool verify = true;
  BackupWatch watch{};
  /// Bytes of the backup written in a second at most; 0: as fast as it goes.
  std::uint64_t bytes_per_second_max = 0;
  MemoryLocking memory_locking = MemoryLocking::abort;
};

/// What a backup holds.
struct BackupReport {
  bool snapshot = false;   ///< or an increment of one
  std::uint32_t link = 0;  ///< place in its chain: 0 for a full backup
  bool encrypted = false;
  std::uint64_t bytes = 0;           ///< of the file
  std::uint64_t commit = 0;          ///< of the store it was made from, that it shows
  std::chrono::nanoseconds taken{};  ///< when, since 1970-01-01 UTC
  std::uint32_t page_size = 0;       ///< of the store it was made from
  std::uint64_t trees = 0;           ///< in a logical one
  std::uint64_t entries = 0;         ///< likewise
  std::uint64_t slots = 0;           ///< pages and pieces of values of `page_size`, in a snapshot
};

/// Makes a checkpoint and writes an exact copy of it into the new file `file`: ciphertext, with the store's own key
/// header.  Reads and writes go on meanwhile, and what they free of it is pinned until the copy is made
/// (`Statistics::pinned_slots`).  At least 48 MiB of ordinary memory are not exceeded, whatever the store's size.
/// InvalidArgument (something is there; an encryption that is not the store's; the store is read-only), NoSpace
/// (found before anything is written), Tampered or Corrupted (of the store, with `verify`), Poisoned, IoError,
/// MemoryLockError, Cancelled.
COFFER_API BackupReport backup_snapshot(Store& store, const std::filesystem::path& file,
                                        const BackupOptions& options = {});

/// The same into the new directory `path`, which opens as a store: with the same key, as an instance of its own.
/// No increment can follow it.
COFFER_API BackupReport backup_snapshot_directory(Store& store, const std::filesystem::path& path,
                                                  const BackupOptions& options = {});

/// Writes what changed since the backup `parent`, a snapshot of this store or an increment of one, into the new file
/// `file`.  It is found by comparing page tables, so that it costs what changed.  Always verified.  A store
/// remembers its last 64 snapshots and increments: those can be parents.  What backup_snapshot raises, and
/// InvalidArgument for a parent that is another store's, of another copy of this one, or forgotten; Tampered or
/// Corrupted for one that is damaged where it was looked at (its header and manifest).
COFFER_API BackupReport backup_increment(Store& store, const std::filesystem::path& file,
                                         const std::filesystem::path& parent,
                                         const BackupOptions& options = {});

/// Writes what the newest durable commit of `store` shows into the new file `file`.  Writers go on meanwhile;
/// the read transaction that it takes keeps old pages from being reused.
/// InvalidArgument (something is there; mode and key do not fit each other or the store), NoSpace, IoError,
/// MemoryLockError, Cancelled, and what reading the store raises.
COFFER_API BackupReport backup_logical(Store& store, const std::filesystem::path& file,
                                       const BackupOptions& options = {});

struct VerifyOptions {
  BackupWatch watch{};
  MemoryLocking memory_locking = MemoryLocking::abort;
};

/// Reads a backup to its authenticated end and checks everything that a restore would.  `key` null: the
/// backup is not encrypted.  InvalidArgument (a key is missing or superfluous; there is no such file), WrongKey, Tampered (Corrupted
/// where it is not encrypted), VersionUnsupported, IoError, MemoryLockError, Cancelled.
COFFER_API BackupReport verify_backup(const std::filesystem::path& file, const Key* key,
                                      const VerifyOptions& options = {});
/// The same of a chain: a full backup and its increments, in their order.  A snapshot that was made without `verify`
/// is restored beside the first file, checked there, and removed again.  The report is of the last link; its
/// `bytes` and `slots` are sums.
COFFER_API BackupReport verify_backup(const std::vector<std::filesystem::path>& chain,
                                      const Key* key, const VerifyOptions& options = {});

struct RestoreOptions {
  /// Of a logical backup: what the restored store is encrypted under; null: it is not encrypted.  Any key will do,
  /// the store's former one or another.  Outlives the call.  A snapshot is restored as it is, under its own key.
  const Key* new_key = nullptr;
  /// Of a logical backup: page size of the restored store; unset: as in the store that was backed up.
  std::optional<std::uint32_t> page_size{};
  BackupWatch watch{};
  /// How the store is written; of these only memory matters (`locked_bytes_max`, `memory_locking`).
  Options store{};
};

/// Makes the new store `path` of what a backup holds.  A wrong, cut or edited backup leaves nothing behind.
/// What verify_backup raises, and NoSpace.
COFFER_API BackupReport restore_logical(const std::filesystem::path& file, const Key* key,
                                        const std::filesystem::path& path,
                                        const RestoreOptions& options = {});

/// Makes the new store `path` of a full backup and increments of it, in their order, up to the point that the last
/// one shows.  Of a snapshot it is the same store as another instance: with its key, its page size, and a key
/// epoch and an anchor of its own.  A snapshot that was made without `verify` is checked before it appears.  What
/// verify_backup raises, and NoSpace.
COFFER_API BackupReport restore_backup(const std::vector<std::filesystem::path>& chain,
                                       const Key* key, const std::filesystem::path& path,
                                       const RestoreOptions& options = {});

}  // namespace coffer
