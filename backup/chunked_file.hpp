// A backup's plaintext as a stream of bytes, written to and read from sealed chunks.
//
// Invariants
//   B1  Plaintext is in locked memory only: the chunk that is being filled or read.  (In suite none what is on
//       the disk is plaintext, and so is the copy that is written or was read.)
//   B2  Whoever reads to the end has seen the authenticated end, and nothing stands behind it.
//   B3  Ciphertext is copied from the file before it is opened, once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backup/backup_key.hpp"
#include "backup/pace.hpp"
#include "crypto/chunk_stream.hpp"
#include "platform/locked_heap.hpp"

namespace coffer::backup {

/// Locked memory for a stream: its chunk and its keys.
inline constexpr std::uint64_t kStreamHeapBytes = format::kChunkBytes + 4096;

class ChunkedWriter {
 public:
  /// Writes the header.  Everything outlives the writer.
  ChunkedWriter(platform::File& file, BackupHeader header, platform::LockedHeap& heap, Pace& pace);
  void write(std::span<const std::byte> bytes);
  /// Room in the chunk, to be filled at least in part; tell with `wrote`.
  [[nodiscard]] std::span<std::byte> room();
  void wrote(std::size_t bytes) { used_ += bytes; }
  /// Ends the stream.  The file's length.
  std::uint64_t finish();

 private:
  void flush(bool last);

  platform::File& file_;
  Pace& pace_;
  BackupHeader header_;
  std::unique_ptr<crypto::ChunkSealer> sealer_;
  platform::LockedBuffer chunk_;
  std::vector<std::byte> sealed_;
  std::size_t used_ = 0;
  std::uint64_t position_ = 0;
};

class ChunkedReader {
 public:
  /// Of the file whose opened header this is.  InvalidArgument when it is a snapshot's.
  ChunkedReader(platform::File& file, BackupHeader header, platform::LockedHeap& heap, Pace& pace);
  /// Fills `out`, which is in locked memory where it holds what users stored.
  void read(std::span<std::byte> out);
  /// At least one of the next bytes, at most `most`; good until the next call.
  [[nodiscard]] std::span<const std::byte> some(std::uint64_t most);
  /// Raises unless the stream ends here.
  void expect_end();

  [[nodiscard]] const BackupHeader& header() const { return header_; }
  [[noreturn]] void raise_damaged(const std::string& what) const;

 private:
  void next_chunk();

  platform::File& file_;
  Pace& pace_;
  BackupHeader header_;
  std::unique_ptr<crypto::ChunkOpener> opener_;
  platform::LockedBuffer chunk_;
  std::vector<std::byte> sealed_;
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  bool ended_ = false;
  std::uint64_t position_ = 0;
};

}  // namespace coffer::backup
