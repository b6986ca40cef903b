// How a store is created and opened.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace coffer {

/// When `commit()` may return.
enum class Durability : std::uint8_t {
  full,     ///< after the commit has reached the disk (group commit: one sync serves all that wait)
  relaxed,  ///< after the commit has been handed to the operating system; a power cut may lose the
            ///< newest commits, never their order or atomicity
};

/// What happens when memory cannot be locked.
enum class MemoryLocking : std::uint8_t {
  abort,             ///< the operation ends with MemoryLockError (the default)
  proceed_unlocked,  ///< discouraged: go on with memory that may reach swap; counted, warned of once
};

/// How long decrypted pages stay.
enum class Residency : std::uint8_t {
  strict,  ///< a page is wiped when the last transaction that uses it ends, or has scanned past it (the default)
  branches,  ///< branch pages (index keys) stay resident within the locked budget
  pages,     ///< up to `resident_bytes_max` of any pages stay resident within the locked budget
};

/// A point in a store's history, to be kept outside of it.  Handing it to `Store::open` refuses a store
/// that was rolled back, cut back by whole commits, or replaced by a diverged copy (Conflict).
struct Anchor {
  std::array<std::byte, 16> instance{};  ///< which instance of the store
  std::uint64_t commit = 0;              ///< number of the last durable commit
  std::array<std::byte, 32> history{};   ///< keyed hash of the history up to it (docs/format.md)
  friend bool operator==(const Anchor&, const Anchor&) = default;
};

/// Fixed when a store is created.
struct CreateOptions {
  /// Bytes in a slot: a power of two from 4096 to 65536.  The cost of a point read grows with it.
  std::uint32_t page_size = 4096;
};

struct Options {
  bool read_only = false;                    ///< nothing is written, not even to repair
  Durability durability = Durability::full;  ///< of commits that do not say otherwise
  MemoryLocking memory_locking = MemoryLocking::abort;
  /// Most locked memory that this store takes, 512 KiB or more.  Taken in steps as it is needed;
  /// where the system allows less, the store works with what it gets down to the minimum.
  std::uint64_t locked_bytes_max = 64ull * 1024 * 1024;
  Residency residency = Residency::strict;
  std::uint64_t resident_bytes_max = 0;  ///< for Residency::pages
  /// Sealed pages (ciphertext) that wait in ordinary memory to be written in runs; a checkpoint begins when
  /// there are so many bytes of them, or of what is kept to tell which pages have changed, ...
  std::uint64_t write_buffer_bytes_max = 64ull * 1024 * 1024;
  /// Verified page-table nodes (no user data) kept in ordinary memory.
  std::uint64_t table_cache_bytes_max = 64ull * 1024 * 1024;
  /// ... when the journal has grown by this much since the last one, ...
  std::uint64_t checkpoint_journal_bytes = 64ull * 1024 * 1024;
  /// ... when freed slots wait for it, or, if anything was committed, after this long.
  std::chrono::milliseconds checkpoint_interval{30'000};
  /// Checkpoints run on a thread of the store's, and large transactions and long scans have one to help them; without,
  /// checkpoints are made in `commit()` when one is due, and transactions use no thread but their caller's.
  bool background_checkpoints = true;
  /// The history must pass through this point.
  std::optional<Anchor> anchor{};
  /// For tests only: leaves plaintext in core dumps.
  bool include_plaintext_in_core_dumps = false;
};

}  // namespace coffer
