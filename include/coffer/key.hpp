// The caller's secret, and where it comes from.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <coffer/bytes.hpp>
#include <coffer/export.hpp>
#include <coffer/options.hpp>

namespace coffer {

/// How hard a passphrase is to guess: Argon2id's cost.  Stored in the store's header, capped when
/// read.
struct PassphraseCost {
  std::uint32_t passes = 3;                           ///< 1 to 64; MODERATE by default
  std::uint64_t memory_bytes = 256ull * 1024 * 1024;  ///< 8 MiB to 4 GiB
};

/// How a key is made.
struct KeyOptions {
  /// What happens when the key's own memory cannot be locked.  A store has its own such option.
  MemoryLocking memory_locking = MemoryLocking::abort;
  /// How long a key command may take, more than zero.  After that it is stopped, which is an
  /// IoError.
  std::chrono::milliseconds command_time_max{60'000};
};

/// A secret that opens a store: 32 random bytes, or a passphrase.  Lives in locked memory (a small
/// guarded allocation of its own) and is wiped by the destructor.  Moves, does not copy.
///
/// Every maker raises MemoryLockError when that memory cannot be locked (unless its options say
/// otherwise), InvalidArgument when the secret has the wrong form (never showing it), IoError when a
/// file or command fails.
class COFFER_API Key {
 public:
  static constexpr std::size_t kBytes = 32;

  /// From exactly 32 bytes.  The caller wipes its own copy.
  [[nodiscard]] static Key from_bytes(Bytes raw, KeyOptions options = {});
  /// From a file: 32 raw bytes, 64 hexadecimal digits, or base64 of 32 bytes; one trailing line end
  /// is allowed after the text forms.  A file of another size is an error, never replaced.  It must
  /// be a regular file, or a symbolic link to one; for a pipe or a device use `from_command`.
  [[nodiscard]] static Key from_file(const std::filesystem::path& file, KeyOptions options = {});
  /// From what a program prints on standard output, in the forms of `from_file`.  `command` is the
  /// program (found along PATH) and its arguments; no shell is involved, and its standard input is
  /// empty.  Waits until it ends, for `command_time_max` at most: then the program and what it
  /// started are killed (its process group; only the program itself where it shares ours, which it
  /// does while we are in the foreground of a terminal, so that it can ask there).  That and a
  /// non-zero exit status are an IoError.  Messages name the program, never its arguments.
  [[nodiscard]] static Key from_command(const std::vector<std::string>& command,
                                        KeyOptions options = {});
  /// From a passphrase, through Argon2id with the salt and the cost that the store's header keeps.
  /// 1 to 1024 bytes, taken as they are.  `cost` counts when a store is created.
  [[nodiscard]] static Key from_passphrase(Bytes passphrase, PassphraseCost cost = {},
                                           KeyOptions options = {});
  /// A passphrase from a file; one trailing line end is not part of it.
  [[nodiscard]] static Key from_passphrase_file(const std::filesystem::path& file,
                                                PassphraseCost cost = {}, KeyOptions options = {});
  /// A fresh random key.
  [[nodiscard]] static Key generate(KeyOptions options = {});
  /// Writes a random key's 64 hexadecimal digits and a line end to a new file (mode 0600), synced;
  /// an existing file is never overwritten (InvalidArgument).
  void save(const std::filesystem::path& new_file) const;

  Key(Key&& other) noexcept;
  Key& operator=(Key&& other) noexcept;
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key();

  /// True when the secret is a passphrase.
  [[nodiscard]] bool is_passphrase() const;

  struct Secret;  // the library's own view
  [[nodiscard]] const Secret& secret() const;

 private:
  explicit Key(std::unique_ptr<Secret> secret);
  std::unique_ptr<Secret> secret_;
};

}  // namespace coffer
