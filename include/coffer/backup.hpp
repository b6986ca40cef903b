// Logical backups: every tree and value of one snapshot as a sealed stream of records, independent of page
// size and of the store's format.  docs/backup.md says what they are for; docs/format.md has every byte.
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
  BackupEncryption encryption{};
  BackupWatch watch{};
  /// Bytes of the backup written in a second at most; 0: as fast as it goes.
  std::uint64_t bytes_per_second_max = 0;
  MemoryLocking memory_locking = MemoryLocking::abort;
};

/// What a backup holds.
struct BackupReport {
  bool encrypted = false;
  std::uint64_t bytes = 0;           ///< of the file
  std::uint64_t commit = 0;          ///< of the store it was made from, that it shows
  std::chrono::nanoseconds taken{};  ///< when, since 1970-01-01 UTC
  std::uint32_t page_size = 0;       ///< of the store it was made from
  std::uint64_t trees = 0;
  std::uint64_t entries = 0;
};

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

struct RestoreOptions {
  /// What the restored store is encrypted under; null: it is not encrypted.  Any key will do, the store's former
  /// one or another.  Outlives the call.
  const Key* new_key = nullptr;
  /// Page size of the restored store; unset: as in the store that was backed up.
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

}  // namespace coffer
