// A store: an encrypted directory with trees in it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

#include <coffer/error.hpp>
#include <coffer/export.hpp>
#include <coffer/key.hpp>
#include <coffer/options.hpp>
#include <coffer/statistics.hpp>
#include <coffer/transaction.hpp>

namespace coffer {

/// What a reader sees.
struct ReadOptions {
  /// false: the newest commit that would survive a power cut.  true: the newest commit.
  /// Unset: false, or true in a store opened with Durability::relaxed.
  std::optional<bool> latest{};
};

/// An open store.  Thread-safe.  One process at a time may have it open for writing (Busy otherwise).
/// A process forked from the one that opened it gets an error from every call.
class COFFER_API Store {
 public:
  /// Creates a store in a new directory `path` (InvalidArgument when something is there), encrypted
  /// under `key`.  Built beside it and renamed: either a whole store appears or nothing does.
  [[nodiscard]] static Store create(const std::filesystem::path& path, const Key& key,
                                    const CreateOptions& create = {}, const Options& options = {});
  [[nodiscard]] static Store create_unencrypted(const std::filesystem::path& path,
                                                const CreateOptions& create = {},
                                                const Options& options = {});
  /// Opens an existing store; recovers what a crash left.  Never creates.  WrongKey, Tampered, Corrupted,
  /// Busy, Conflict (the anchor), VersionUnsupported, InvalidArgument (the store is not encrypted),
  /// IoError, MemoryLockError.
  [[nodiscard]] static Store open(const std::filesystem::path& path, const Key& key,
                                  const Options& options = {});
  /// Opens a store that was created unencrypted; refuses an encrypted one (InvalidArgument).
  [[nodiscard]] static Store open_unencrypted(const std::filesystem::path& path,
                                              const Options& options = {});

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  /// Closes; what was committed at a relaxed level is made durable, failures are not reported.
  ~Store();

  [[nodiscard]] ReadTransaction read(const ReadOptions& options = {});
  /// Waits for the writer before, and for checkpoints that do not keep up.
  [[nodiscard]] WriteTransaction write();
  /// Nothing when another writer is at work; waits for checkpoints as write() does.
  [[nodiscard]] std::optional<WriteTransaction> try_write();

  /// Makes every commit so far durable.
  void sync();
  /// Moves everything committed from the journal into the page file.
  void checkpoint();
  /// The point in history to keep outside: the last durable commit.
  [[nodiscard]] Anchor anchor() const;
  [[nodiscard]] Statistics statistics() const;
  /// Opens every page and chunk, follows every reference, compares the free map and every tree's order.
  /// Throws at the first thing that is wrong.  Readers and the writer go on meanwhile.
  [[nodiscard]] CheckReport check();
  /// Checkpoint, sync, unlock.  Where much of the page file is free it is shortened, which may copy up to 32,768
  /// pages.  All transactions must have ended.  The store is unusable afterwards, also when this throws.  Poisoned: an
  /// earlier failure keeps the last commits, which nobody was told were durable, from being so.
  void close();

  struct State;  // the library's own view
  explicit Store(std::unique_ptr<State> state);
  [[nodiscard]] State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

/// Coffer's version, as in "0.1.0".
[[nodiscard]] COFFER_API const char* version();

}  // namespace coffer
