// What Coffer throws.  Every kind tells the caller what to do next; `what()` is one line that names
// files, offsets, sizes and numbers, and never a key, a value or a user's key bytes.
//
// "Not found" is std::optional, not an exception.  After any of these the store keeps what it had
// (the strong guarantee); after Poisoned it must be closed and opened again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <coffer/export.hpp>

namespace coffer {

/// The base of everything that Coffer throws.
class COFFER_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  Error(const Error&) = default;
  ~Error() override;
};

/// The key opens no slot of the store's header.  The store is not damaged: give the right key.
class COFFER_API WrongKey : public Error {
 public:
  using Error::Error;
  WrongKey(const WrongKey&) = default;
  ~WrongKey() override;
};

/// Bytes read from disk are not what Coffer wrote there.  Nothing of them was used.
class COFFER_API Tampered : public Error {
 public:
  using Error::Error;
  Tampered(const Tampered&) = default;
  ~Tampered() override;
};

/// A structure that cannot be: damage in an unencrypted store, or a header whose plain checksum fails.
class COFFER_API Corrupted : public Error {
 public:
  using Error::Error;
  Corrupted(const Corrupted&) = default;
  ~Corrupted() override;
};

/// Memory could not be locked.  The transaction is rolled back; the store stays usable, and the same
/// operation succeeds once the limit is raised as `what()` says.
class COFFER_API MemoryLockError : public Error {
 public:
  struct Numbers {
    std::uint64_t requested_bytes = 0;  ///< what this operation wanted to lock
    std::uint64_t locked_bytes = 0;     ///< what this process had locked, in Coffer's own account
    /// RLIMIT_MEMLOCK, soft and hard; UINT64_MAX is unlimited.  On Windows the minimum and the maximum working set.
    std::uint64_t soft_limit_bytes = 0;
    std::uint64_t hard_limit_bytes = 0;
    /// A limit (a minimum working set) under which this operation succeeds; 0: no limit would help.
    std::uint64_t sufficient_limit_bytes = 0;
  };
  MemoryLockError(const std::string& message, const Numbers& numbers)
      : Error(message), numbers_(numbers) {}
  MemoryLockError(const MemoryLockError&) = default;
  ~MemoryLockError() override;
  [[nodiscard]] const Numbers& numbers() const { return numbers_; }

 private:
  Numbers numbers_;
};

/// The operating system refused a read, a write or a sync.
class COFFER_API IoError : public Error {
 public:
  /// `code` is errno (Linux) or GetLastError() (Windows); 0 when the failure has no such number.
  IoError(const std::string& message, std::string operation, std::filesystem::path path, int code)
      : Error(message), operation_(std::move(operation)), path_(std::move(path)), code_(code) {}
  IoError(const IoError&) = default;
  ~IoError() override;
  [[nodiscard]] const std::string& operation() const { return operation_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int code() const { return code_; }

 private:
  std::string operation_;
  std::filesystem::path path_;
  int code_;
};

/// The disk, a quota or a file-size limit is full.  Nothing acknowledged is lost; the transaction is
/// rolled back; the store reads on and writes again when there is room.
class COFFER_API NoSpace : public Error {
 public:
  using Error::Error;
  NoSpace(const NoSpace&) = default;
  ~NoSpace() override;
};

/// Somebody else holds the store, in this process or another.
class COFFER_API Busy : public Error {
 public:
  using Error::Error;
  Busy(const Busy&) = default;
  ~Busy() override;
};

/// The store was written by a newer Coffer, or with a cipher suite that this build does not know.
class COFFER_API VersionUnsupported : public Error {
 public:
  using Error::Error;
  VersionUnsupported(const VersionUnsupported&) = default;
  ~VersionUnsupported() override;
};

/// The call itself was wrong: a key too long, a page size out of range, a name that is no tree.
class COFFER_API InvalidArgument : public Error {
 public:
  using Error::Error;
  InvalidArgument(const InvalidArgument&) = default;
  ~InvalidArgument() override;
};

/// A write or a sync that durability depends on has failed earlier.  No later commit is acknowledged;
/// close the store and open it again, which recovers.
class COFFER_API Poisoned : public Error {
 public:
  using Error::Error;
  Poisoned(const Poisoned&) = default;
  ~Poisoned() override;
};

/// The store's history is not the one that the caller's anchor names, or a transaction cannot commit.
class COFFER_API Conflict : public Error {
 public:
  using Error::Error;
  Conflict(const Conflict&) = default;
  ~Conflict() override;
};

/// The caller asked for the operation to stop.  Nothing of it is left.
class COFFER_API Cancelled : public Error {
 public:
  using Error::Error;
  Cancelled(const Cancelled&) = default;
  ~Cancelled() override;
};

}  // namespace coffer
