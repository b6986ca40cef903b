// A full logical backup and its increments, in their order.
//
// Invariants
//   P1  The links are a chain (O1 to O3 in chain_order.hpp) by labels that are authentic.
//   P2  An increment is of exactly the backup before it: it has the hash of that one's header, to which everything
//       in that one is bound.
//   P3  One file is open at a time; what is kept of the others is their headers.
#pragma once

#include <vector>

#include <coffer/key.hpp>

#include "backup/record_reader.hpp"

namespace coffer::backup {

class LogicalChain {
 public:
  /// Opens every link up to its trees.  InvalidArgument for one that is missing, foreign, there twice or out of order;
  /// and what opening a backup raises.
  LogicalChain(platform::Platform& platform, const std::vector<platform::Path>& files,
               const Key* key, platform::LockPolicy policy, const BackupWatch& watch);

  [[nodiscard]] std::uint64_t file_bytes() const;
  /// With room for an IntoStore.
  [[nodiscard]] platform::LockedHeap& heap() { return heap_; }
  /// Reads all links to their ends.  The report is of the last one; bytes and entries are sums.
  [[nodiscard]] BackupReport read(RecordSink& sink);

 private:
  struct Link {
    platform::Path path;
    BackupHeader header;  ///< without the stream's key
    Origin origin;
    std::uint64_t file_bytes = 0;
  };

  void open(const platform::Path& path);
  void expect_order() const;

  platform::Platform& platform_;
  const Key* key_;
  platform::LockPolicy policy_;
  const BackupWatch& watch_;
  const std::size_t chunks_;  ///< in memory at a time, of the file that is being read
  platform::LockedHeap heap_;
  std::vector<Link> links_;
};

/// restore_backup of such a chain, on any platform.
[[nodiscard]] BackupReport restore_logical_chain(platform::Platform& platform,
                                                 const std::vector<platform::Path>& files,
                                                 const Key* key, const platform::Path& path,
                                                 const RestoreOptions& options);

}  // namespace coffer::backup
