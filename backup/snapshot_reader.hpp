// A snapshot, or an increment of one, as it is read: nothing is handed out that did not verify.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "backup/backup_key.hpp"
#include "backup/snapshot_format.hpp"
#include "backup/snapshot_writer.hpp"
#include "crypto/chunk_stream.hpp"
#include "platform/locked_heap.hpp"

namespace coffer::backup {

/// One thread at a time.  Everything outlives the reader.
class SnapshotReader {
 public:
  /// Opens the manifest behind `header`.  Tampered (Corrupted without a key) when it does not verify.
  SnapshotReader(platform::File& file, BackupHeader header, platform::LockedHeap& heap);

  [[nodiscard]] const BackupHeader& header() const { return header_; }
  [[nodiscard]] const Manifest& manifest() const { return manifest_; }
  [[nodiscard]] const platform::Path& path() const { return file_.path(); }
  [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }

  /// Reads and verifies the next group; false when that was the authenticated end, behind which nothing stands.
  [[nodiscard]] bool next();
  /// Of the group that was read last, in the order of `runs`.
  [[nodiscard]] std::span<const std::byte> slots() const {
    return std::span(slots_).first(std::size_t{group_} * page_bytes_);
  }
  [[nodiscard]] std::span<const pager::SlotRun> runs() const { return runs_; }
  /// In all groups that were read.
  [[nodiscard]] std::uint64_t slots_read() const { return slots_read_; }

 private:
  void read_manifest();
  void read_end();
  void decode_table(std::span<const std::byte> table);
  void read(std::span<std::byte> out);
  void open(std::span<std::byte> plain, bool last, std::span<const std::byte> beside);
  [[noreturn]] void raise_damaged(const std::string& what) const;

  platform::File& file_;
  BackupHeader header_;
  std::uint64_t file_bytes_;
  std::unique_ptr<crypto::ChunkOpener> opener_;
  Manifest manifest_;
  std::uint32_t page_bytes_ = 0;
  std::uint64_t position_ = 0;
  std::vector<std::byte> sealed_;
  std::vector<std::byte> slots_;
  std::uint32_t group_ = 0;  ///< slots in it
  std::vector<pager::SlotRun> runs_;
  std::uint64_t slots_read_ = 0;
};

}  // namespace coffer::backup
