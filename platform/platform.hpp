// The operating system behind one seam.  Everything above this folder reaches files, mapped and
// locked memory, the clock and entropy only through these interfaces; `linux/` implements them with
// system calls, `simulated/` as a machine in memory whose power can be cut.
//
// Values are passed as spans and offsets in bytes.  Failures of the operating system raise IoError
// (NoSpace for ENOSPC, EDQUOT and EFBIG; Busy for a lock that another holds).  EINTR is retried inside.
// All objects may be used by several threads at once unless a comment says otherwise.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"

namespace coffer::platform {

using Path = std::filesystem::path;

/// A read-only window on a file.  Its address is never shown: a byte that somebody else can change
/// under us must not be read twice (see docs/design.md, "Copy once").
class Mapping {
 public:
  virtual ~Mapping() = default;
  /// Length of the window in bytes.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Copies `out.size()` bytes that begin `offset` bytes into the window, once.  A page that the
  /// operating system cannot supply (a truncated file, a failing disk) raises IoError, not SIGBUS.
  virtual void copy_out(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

/// What distinguishes one file from every other on this machine.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend auto operator<=>(const FileIdentity&, const FileIdentity&) = default;
};

/// An open file, read and written by position.
class File {
 public:
  virtual ~File() = default;
  [[nodiscard]] virtual const Path& path() const = 0;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  [[nodiscard]] virtual FileIdentity identity() const = 0;

  /// Reads up to `out.size()` bytes at `offset`; returns how many there were before the end of file.
  virtual std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const = 0;
  /// Writes all of `bytes` at `offset`, extending the file where needed.
  virtual void write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// Writes several runs one behind the other at `offset` (pwritev).
  virtual void write_vector_at(std::uint64_t offset,
                               std::span<const std::span<const std::byte>> runs) = 0;
  /// Data and metadata reach the disk.
  virtual void sync() = 0;
  /// Data, and the metadata needed to read it back, reach the disk.
  virtual void data_sync() = 0;
  /// A hint: what was written there (length 0: up to the end) will not change any more and may go to the disk already, so that a later sync
  /// has less to wait for.  Promises nothing, and reports nothing: that is the sync's.
  virtual void write_back(std::uint64_t offset, std::uint64_t length) noexcept {
    static_cast<void>(offset);
    static_cast<void>(length);
  }
  /// Reserves room on the disk for [offset, offset + length), extending the file; the new bytes read
  /// as zero.  NoSpace when there is none, and then nothing has changed that matters.
  virtual void allocate(std::uint64_t offset, std::uint64_t length) = 0;
  virtual void truncate(std::uint64_t size) = 0;
  /// Gives [offset, offset + length) back to the file system; it reads as zero.  Does nothing where the
  /// file system cannot.
  virtual void punch(std::uint64_t offset, std::uint64_t length) = 0;
  /// Maps [offset, offset + length) read-only.  `offset` is a multiple of `map_granularity_bytes()`.
  /// The range may reach past the end of the file; copying from there raises IoError.
  [[nodiscard]] virtual std::unique_ptr<Mapping> map(std::uint64_t offset,
                                                     std::uint64_t length) const = 0;
};

/// Held while it lives; released by its destructor.  A forked child's destructor does nothing.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode { read_only, read_write };

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Opens an existing regular file (not through a symbolic link at the last component).
  [[nodiscard]] virtual std::unique_ptr<File> open(const Path& path, OpenMode mode) = 0;
  /// Creates a file that must not exist yet, readable and writable by its owner only.
  [[nodiscard]] virtual std::unique_ptr<File> create(const Path& path) = 0;
  [[nodiscard]] virtual bool exists(const Path& path) const = 0;
  [[nodiscard]] virtual bool is_directory(const Path& path) const = 0;
  /// Names (not paths) in a directory, sorted, without . and ..
  [[nodiscard]] virtual std::vector<std::string> list(const Path& directory) const = 0;
  /// Creates one directory (mode 0700) that must not exist yet.
  virtual void make_directory(const Path& path) = 0;
  /// Renames; `to` must not exist (InvalidArgument), atomically where the system can (renameat2).
  virtual void rename(const Path& from, const Path& to) = 0;
  virtual void remove(const Path& path) = 0;
  virtual void remove_directory(const Path& path) = 0;
  /// Makes creations, renames and removals in `directory` durable.
  virtual void sync_directory(const Path& directory) = 0;
  /// Bytes that an unprivileged process may still allocate where `path` lies.
  [[nodiscard]] virtual std::uint64_t free_bytes(const Path& path) const = 0;
  /// Takes an exclusive lock on the file, creating it when absent, at once or Busy.  On Linux an
  /// open-file-description lock, and on every system a process-wide registry by file identity, so
  /// that a second lock in the same process is Busy too.  `shared` locks exclude only exclusive ones.
  [[nodiscard]] virtual std::unique_ptr<FileLock> lock(const Path& path, bool shared) = 0;
  [[nodiscard]] virtual std::uint64_t map_granularity_bytes() const = 0;
};

/// Address space for plaintext: guard pages at both ends, excluded from core dumps and from forked
/// children.  Reserved whole, locked piece by piece.  Destruction wipes, unlocks and unmaps.
class LockableRegion {
 public:
  virtual ~LockableRegion() = default;
  [[nodiscard]] virtual std::span<std::byte> bytes() = 0;
  /// Makes [offset, offset + length) usable and locks it; both are multiples of the page size.  On
  /// failure raises MemoryLockError and leaves nothing charged or usable.  With
  /// `LockPolicy::proceed_unlocked` a failed lock is counted and the memory becomes usable all the same.
  virtual void commit(std::uint64_t offset, std::uint64_t length) = 0;
  /// Wipes, unlocks and makes inaccessible again.  Never fails.
  virtual void release(std::uint64_t offset, std::uint64_t length) noexcept = 0;
};

enum class LockPolicy {
  abort,             ///< a failed lock ends the operation with MemoryLockError
  proceed_unlocked,  ///< discouraged: go on with memory that may reach swap; counted, warned of once
};

/// The process's account of locked memory.
struct LockAccount {
  std::uint64_t locked_bytes = 0;          ///< locked by Coffer in this process now
  std::uint64_t unlocked_plain_bytes = 0;  ///< in use though unlocked (proceed_unlocked)
  std::uint64_t failed_locks = 0;          ///< since the process began
  std::uint64_t soft_limit_bytes = 0;      ///< UINT64_MAX: unlimited
  std::uint64_t hard_limit_bytes = 0;
  bool privileged = false;  ///< CAP_IPC_LOCK: limits do not apply
};

/// What a MemoryLockError says of this account.  `sufficient_limit_bytes` stays 0: no limit helps.
[[nodiscard]] inline MemoryLockError::Numbers lock_numbers(const LockAccount& account,
                                                           std::uint64_t requested_bytes) {
  return {.requested_bytes = requested_bytes,
          .locked_bytes = account.locked_bytes,
          .soft_limit_bytes = account.soft_limit_bytes,
          .hard_limit_bytes = account.hard_limit_bytes,
          .sufficient_limit_bytes = 0};
}

class Memory {
 public:
  virtual ~Memory() = default;
  [[nodiscard]] virtual std::uint64_t page_bytes() const = 0;
  /// Reserves `length` bytes of address space (rounded up to pages), nothing of it usable or locked yet.
  /// `purpose` appears in messages.  `excluded_from_dumps` false is for the core-dump test's control.
  [[nodiscard]] virtual std::unique_ptr<LockableRegion> reserve(
      std::uint64_t length, LockPolicy policy, std::string purpose,
      bool excluded_from_dumps = true) = 0;
  [[nodiscard]] virtual LockAccount account() const = 0;
};

class Clock {
 public:
  virtual ~Clock() = default;
  /// Never goes back; unrelated to the time of day.
  [[nodiscard]] virtual std::chrono::nanoseconds monotonic() const = 0;
  /// Since 1970-01-01 UTC.
  [[nodiscard]] virtual std::chrono::nanoseconds wall() const = 0;
};

class Entropy {
 public:
  virtual ~Entropy() = default;
  /// Fills `out` with bytes from the operating system's cryptographic generator, or raises IoError.
  virtual void fill(std::span<std::byte> out) = 0;
};

/// One operating system.  Passed in, never global; outlives everything made from it.
class Platform {
 public:
  virtual ~Platform() = default;
  [[nodiscard]] virtual FileSystem& files() = 0;
  [[nodiscard]] virtual Memory& memory() = 0;
  [[nodiscard]] virtual Clock& clock() = 0;
  [[nodiscard]] virtual Entropy& entropy() = 0;
  /// True in a process forked from the one that made this object.  One relaxed load where the system
  /// allows it: it is asked by every call of the interface.
  [[nodiscard]] virtual bool forked() const noexcept = 0;
  /// How many threads can run at a time: what is worth starting one more for.
  [[nodiscard]] virtual unsigned processors() const noexcept {
    return std::max(1u, std::thread::hardware_concurrency());
  }
};

/// The system that this process runs on; one object for the whole process, made on first use.
[[nodiscard]] Platform& native_platform();

}  // namespace coffer::platform
