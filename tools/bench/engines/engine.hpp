// What the benchmark asks of a storage engine.  All are driven through this, by the same loops, so
// that nobody's loop is written better than another's.
#pragma once

#include <coffer/bytes.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tools/bench/records.hpp"

namespace coffer::tools::bench {

/// Whether a commit waits for the disk.  `no` keeps the order and the wholeness of commits wherever the engine
/// can; what it gives up there stands in its profile.
enum class Sync { yes, no };

/// What to read in key order, from a key on; all of it when there is no key.
struct Scan {
  Bytes from{};
  std::uint64_t records_max = UINT64_MAX;
  bool reverse = false;  ///< from the end backwards; without `from`
};

/// A thread's way into the store: one transaction at a time.
class Session {
 public:
  virtual ~Session() = default;

  virtual void begin_write(Sync sync) = 0;
  virtual void put(Bytes key, Bytes value) = 0;
  /// The same, of any size.
  virtual void put_large(Bytes key, Bytes value) { put(key, value); }
  /// As `begin_write` was told: SQLite must know before.
  virtual void commit() = 0;

  virtual void begin_read() = 0;
  /// Adds the key's record to `digest`; nothing when it is not there.
  virtual void get(Bytes key, Digest& digest) = 0;
  /// Hands out the value, whatever its size, in pieces of the engine's choice, whose lengths are multiples of 8 but for the
  /// last.
  virtual void get_large(Bytes key, const std::function<void(Bytes)>& piece) = 0;
  virtual void scan(const Scan& scan, Digest& digest) = 0;
  virtual void end_read() = 0;
};

/// An open store in a directory that the caller made and removes.
class Engine {
 public:
  virtual ~Engine() = default;  ///< closes it
  /// One for each thread; they end before the engine.  Called by one thread.
  [[nodiscard]] virtual std::unique_ptr<Session> session() = 0;
  /// Makes durable what was committed without waiting, and finishes what goes on in the background, so
  /// that it does not run on in another's time.  Not timed.  No session has a transaction then.
  virtual void settle() = 0;
  /// Units decrypted since it was opened, where the engine tells.
  [[nodiscard]] virtual std::uint64_t units_opened() { return 0; }
};

/// How to open one.
struct Setup {
  std::filesystem::path directory;
  std::uint64_t records_max = 0;  ///< that will be in the store
  std::uint64_t bytes_max = 0;    ///< of large values besides
  bool create = false;
  std::uint64_t cache_bytes = 0;  ///< where the engine's kind does not say
  bool proceed_unlocked = false;  ///< Coffer's
};

/// Name and version of an engine, and the settings that it runs with.
struct Profile {
  std::string version;
  std::vector<std::pair<std::string, std::string>> settings;
};

/// A kind of engine: how it is called, and how it is come by.
struct Kind {
  std::string name;         ///< as on the command line and in JSON
  std::string description;  ///< a line
  /// Why it cannot be had here; empty when it can.
  std::function<std::string()> missing;
  std::function<Profile(const Setup&)> profile;
  std::function<std::unique_ptr<Engine>(const Setup&)> open;
};

/// All of them, those that cannot be had too.  Coffer's default is the first.
[[nodiscard]] const std::vector<Kind>& kinds();
/// The one of that name; a broken contract when there is none.
[[nodiscard]] const Kind& kind_named(const std::string& name);

/// Where the shared libraries of peers that Debian does not have are looked for: what `tools/bench-peers` made.
void look_for_peers_in(const std::filesystem::path& directory);
[[nodiscard]] const std::filesystem::path& peers();

// Each in a file of its own.
void add_coffer(std::vector<Kind>& kinds);
void add_lmdb(std::vector<Kind>& kinds);
void add_sqlite(std::vector<Kind>& kinds);
void add_rocksdb(std::vector<Kind>& kinds);

}  // namespace coffer::tools::bench
