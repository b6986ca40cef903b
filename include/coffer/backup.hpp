// Backups.  A snapshot is a copy of a store's sealed pages as they lie on the disk, and an increment of it what was
// written since; a logical backup is every tree and value as a sealed stream of records, independent of page size
// and of the store's format.  docs/backup.md says what they are for; docs/format.md has every byte.
//
// What all of these promise: a file or store appears whole under its name, or nothing does (it is written
// beside its place under a name that ends in `.in-progress`, synced and renamed); nothing that is there is
// ever overwritten (InvalidArgument); plaintext is in locked memory only, less than 1 MiB of it beyond
// what the stores lock themselves, and 0.7 MiB more to compress (an unencrypted backup's chunk is in ordinary
// memory too, as it is on the disk).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/export.hpp>
#include <coffer/key.hpp>
#include <coffer/options.hpp>
#include <coffer/store.hpp>

namespace coffer {

enum class BackupKind : std::uint8_t { logical, logical_increment, snapshot, snapshot_increment };

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
  std::uint64_t entries = 0;      ///< records so far, of a logical backup
  std::uint64_t pages = 0;        ///< so far, with pieces of values of that size, of a snapshot
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
  /// Of a logical backup or an increment of one: chunks are compressed (Zstandard) before they are sealed.  How far
  /// that goes says something of what is in them, and the file's length shows it: not for data of which an attacker
  /// chooses a part and can watch the rest.  A snapshot is ciphertext, which nothing compresses: InvalidArgument.
  bool compress = false;
  BackupWatch watch{};
  /// Bytes of the backup written in a second at most; 0: as fast as it goes.
  std::uint64_t bytes_per_second_max = 0;
  MemoryLocking memory_locking = MemoryLocking::abort;
  /// When `file` is a directory that is there: the backup gets its name in it from this (backup_file_name).
  std::string store_name{};
};

/// What a backup holds.
struct BackupReport {
  BackupKind kind{};
  std::uint32_t link = 0;  ///< place in its chain: 0 for a full backup
  bool encrypted = false;
  bool compressed = false;
  std::uint64_t bytes = 0;           ///< of the file
  std::uint64_t commit = 0;          ///< of the store it was made from, that it shows
  std::chrono::nanoseconds taken{};  ///< when, since 1970-01-01 UTC
  std::uint32_t page_size = 0;       ///< of the store it was made from
  std::uint64_t trees = 0;           ///< in a logical one
  std::uint64_t entries = 0;         ///< likewise; in an increment those beside a change too
  std::uint64_t slots = 0;           ///< pages and pieces of values of `page_size`, in a snapshot
  std::filesystem::path file{};      ///< where it was put; only of a backup that was just made
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

/// Writes what the newest durable commit of `store` shows into the new file `file`, or, where that is a directory
/// and `store_name` is given, into a new file in it; never into a store's own directory.  Writers go on meanwhile;
/// the read transaction that it takes keeps old pages from being reused.  It begins with a checkpoint, from which an
/// increment tells what changed, and which makes durable all that is committed; without one where the store is
/// read-only or its disk is full, and then no increment can follow.
/// InvalidArgument (something is there; mode and key do not fit each other or the store), NoSpace, IoError,
/// MemoryLockError, Cancelled, and what reading the store raises.
COFFER_API BackupReport backup_logical(Store& store, const std::filesystem::path& file,
                                       const BackupOptions& options = {});

/// Makes a checkpoint and writes what changed up to it since the backup `parent`, a logical backup of this store or an
/// increment of one, into the new file `file`: the entries of tree pages that changed, so that it costs what changed,
/// and a look at every branch of every tree.  Writers go on meanwhile.
/// It is encrypted as the full backup of its chain is, under the same key: `mode` is unset or that backup's
/// (InvalidArgument), and for `use_provided_key` `key` is given again (WrongKey when it is another).
/// A store remembers its last 64 backups, snapshots and logical ones: those can be parents.  What backup_logical
/// raises, and InvalidArgument for a store that is read-only, and for a parent that is another store's, of another
/// copy of this one, forgotten, a snapshot, or one that no increment can follow; Tampered or Corrupted for one that
/// is damaged where it was looked at (its header and first records).
COFFER_API BackupReport backup_logical_increment(Store& store, const std::filesystem::path& file,
                                                 const std::filesystem::path& parent,
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
/// `bytes`, `slots` and `entries` are sums.
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

/// Makes the new store `path` of what a full logical backup holds.  A wrong, cut or edited backup leaves nothing behind.
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

// Names, lists and retention.

/// "orders-20261122T231500.123Z-snapshot-encrypted.coffer-backup": the store's name, the time in UTC, the kind and
/// whether it is encrypted.  What a file's name cannot have on every system stands as `_`, and no more of the
/// store's name than 120 bytes.
COFFER_API std::string backup_file_name(std::string_view store, BackupKind kind, bool encrypted,
                                        std::chrono::nanoseconds taken);

/// What keeps a file in a directory of backups from being one as any other.
enum class BackupTrouble : std::uint8_t {
  // No backup can be seen in it.
  damaged,        ///< begins or is named as a backup, but its header is none or contradicts itself
  unsupported,    ///< of a version or kind that this build does not know
  unreadable,     ///< is named as a backup and cannot be read, or is no file
  not_looked_at,  ///< is named otherwise and cannot be read: a link (none is followed), a device
  in_progress,    ///< being written, or left over from that
  // It is a backup.
  ambiguous,      ///< another file has the same id
  orphaned,       ///< an increment without the chain that it needs, down to the full backup
  future,         ///< its time has not come: a clock went back
  unknown_store,  ///< which store it is of does not show for sure
};

/// What the clear part of a backup's header says, and its file.
struct BackupFile {
  std::filesystem::path file{};
  std::uint64_t bytes = 0;
  BackupKind kind{};
  BackupEncryptionMode encryption{};  ///< whose key it says that it is under
  std::chrono::nanoseconds taken{};   ///< since 1970-01-01 UTC
  std::uint32_t page_size = 0;        ///< of a snapshot; zero elsewhere
  std::uint32_t link = 0;             ///< 0: a full backup; otherwise its place in the chain
  std::array<std::byte, 16> id{};
  std::array<std::byte, 16> set{};     ///< the id of the full backup that its chain begins with
  std::array<std::byte, 16> parent{};  ///< what it is an increment of; zero in a full backup
  /// Of the store, under whose key it is: the others say none.
  std::optional<std::array<std::byte, 16>> store_id{};
  /// From the file's name, when that is what backup_file_name makes of the rest; otherwise empty.
  std::string store_name{};
  std::optional<BackupTrouble> trouble{};
};

/// A file that no backup can be seen in.
struct BackupNotice {
  std::filesystem::path file{};
  BackupTrouble trouble{};
  std::string text{};
};

struct BackupList {
  /// By set, oldest first, and link.
  std::vector<BackupFile> backups{};
  std::vector<BackupNotice> others{};
};

/// What the clear part of one file's header says; nothing of it is verified.  InvalidArgument (there is no such
/// file), Corrupted, VersionUnsupported, IoError.
COFFER_API BackupFile describe_backup(const std::filesystem::path& file);

/// All backups in a directory (not below it), whatever their names; it needs no key.  **Nothing of it is
/// verified**: only whoever opens a backup (verify_backup) knows that its header is what was written.  Other files
/// are ignored.  InvalidArgument (there is no such directory), IoError.
COFFER_API BackupList list_backups(const std::filesystem::path& directory);

/// What stays.  A set is a full backup and its increments; they leave together.  It leaves when its newest link is
/// older than `keep_days` and at least `keep_count` sets of the same store are newer.  What is not given asks
/// for nothing, but one set of each store always stays.
struct PruneOptions {
  std::optional<std::uint64_t> keep_days{};   ///< of 24 hours
  std::optional<std::uint64_t> keep_count{};  ///< not 0
  bool dry_run = false;                       ///< only say what would leave
};

struct PruneReport {
  /// In the order in which they left, or would have: of each set increments last to first, the full one last.
  std::vector<BackupFile> removed{};
  std::vector<BackupFile> kept{};
  std::vector<BackupNotice> others{};
};

/// Removes sets of backups from a directory.  Of one store are backups under its key whose headers name it;
/// others when their files' names are still those of backup_file_name, name the store, and they are encrypted
/// in the same way.  A set with trouble in it never leaves, nor counts among those that let others leave; nor does
/// anything among `others` leave.  Each removal is durable before the next one, so that an interruption leaves
/// shorter chains, none without its beginning.  InvalidArgument (no such directory; neither days nor count; a
/// count of 0), IoError (what was to leave and is not there any more as it was listed, too).
COFFER_API PruneReport prune_backups(const std::filesystem::path& directory,
                                     const PruneOptions& options);

}  // namespace coffer
