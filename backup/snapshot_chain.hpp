// A snapshot and its increments, in their order.
//
// Invariants
//   N1  The first link is a full snapshot, and each other one names the one before it: by its id, and by the number
//       and identity of its checkpoint, which covers the tags of all that the checkpoint refers to.
//   N2  All links are of one store, and open under one key.
//   N3  What is kept in memory is what stands in front of the slots; one file is open at a time.
#pragma once

#include <memory>
#include <vector>

#include <coffer/key.hpp>

#include "backup/snapshot_reader.hpp"
#include "platform/locked_heap.hpp"

namespace coffer::backup {

/// A link that is being read.
class OpenLink {
 public:
  OpenLink(std::unique_ptr<platform::File> file, BackupHeader header, platform::LockedHeap& heap)
      : file_(std::move(file)), reader_(*file_, std::move(header), heap) {}
  [[nodiscard]] SnapshotReader& reader() { return reader_; }

 private:
  std::unique_ptr<platform::File> file_;
  SnapshotReader reader_;
};

class SnapshotChain {
 public:
  /// Opens every link and looks at how they hang together: InvalidArgument for one that is missing, foreign, there
  /// twice or out of order; and what opening a backup raises.
  SnapshotChain(platform::Platform& platform, const std::vector<platform::Path>& files,
                const Key* key, platform::LockPolicy policy);

  [[nodiscard]] std::size_t links() const { return links_.size(); }
  /// To read the slots of link `i`; one at a time.
  [[nodiscard]] std::unique_ptr<OpenLink> open(std::size_t i);
  /// What the last link shows.
  [[nodiscard]] const pager::Superblock& superblock() const {
    return links_.back().manifest.superblock;
  }
  [[nodiscard]] const BackupHeader& last_header() const { return links_.back().header; }
  [[nodiscard]] std::uint64_t file_bytes() const;
  /// All that the links hold was verified when they were made.
  [[nodiscard]] bool verified() const;

 private:
  struct Link {
    platform::Path path;
    BackupHeader header;  ///< without the stream's key
    Manifest manifest;
    std::uint64_t file_bytes = 0;
  };

  void expect_follows(const Link& link, const Link& before) const;

  platform::Platform& platform_;
  const Key* key_;
  platform::LockPolicy policy_;
  platform::LockedHeap heap_;
  std::vector<Link> links_;
};

}  // namespace coffer::backup
