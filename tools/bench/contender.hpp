// What the benchmark asks of a storage engine.  Both are driven through this, by the same loops, so
// that neither's loop is written better than the other's.
//
// A contender owns one store in a directory that its caller made and removes.  One thread; at most
// one transaction at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/bench/records.hpp"
#include "tools/global_options.hpp"

namespace coffer::tools::bench {

/// Whether a commit waits for the disk.
enum class Sync { yes, no };

class Contender {
 public:
  virtual ~Contender() = default;

  virtual void begin_write() = 0;
  virtual void put(Bytes key, Bytes value) = 0;
  virtual void commit(Sync sync) = 0;
  /// Makes durable what was committed without waiting, and finishes what goes on in the background, so
  /// that it does not run on in the other's time.  Not timed.
  virtual void settle() = 0;

  virtual void begin_read() = 0;
  /// Adds the key's record to `digest`; nothing when it is not there.
  virtual void get(Bytes key, Digest& digest) = 0;
  /// Adds every record, in key order.
  virtual void scan(Digest& digest) = 0;
  virtual void end_read() = 0;
};

/// Name and version of a contender, and the settings that it runs with.
struct Profile {
  std::string name;
  std::string version;
  std::vector<std::pair<std::string, std::string>> settings;
};

struct StoreSize {
  std::uint64_t records = 0;  ///< that will be in the store at most
};

/// An encrypted store under a fresh key.
[[nodiscard]] std::unique_ptr<Contender> make_coffer(const std::filesystem::path& directory,
                                                     const GlobalOptions& options);
[[nodiscard]] Profile coffer_profile(const GlobalOptions& options);

/// False when this build has no LMDB; then the other two may not be called.
[[nodiscard]] bool has_lmdb();
[[nodiscard]] std::unique_ptr<Contender> make_lmdb(const std::filesystem::path& directory,
                                                   StoreSize size);
[[nodiscard]] Profile lmdb_profile();

}  // namespace coffer::tools::bench
