// A backup's plaintext as a stream of bytes, written to and read from sealed chunks.
//
// A second thread seals and writes a chunk while the next one is being filled, and reads and opens the next one while
// one is being read.
//
// Invariants
//   B1  Plaintext is in locked memory only: the two chunks.  (In suite none what is on the disk is plaintext, and
//       so is the copy that is written or was read.)
//   B2  Whoever reads to the end has seen the authenticated end, and nothing stands behind it.
//   B3  Ciphertext is copied from the file before it is opened, once.
//   B4  Chunks are sealed, written, read and opened in their order, by one thread; what fails there is raised in
//       the caller's, at the next chunk or at the end.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backup/backup_key.hpp"
#include "backup/chunk_packing.hpp"
#include "backup/pace.hpp"
#include "crypto/chunk_stream.hpp"
#include "platform/locked_heap.hpp"
#include "platform/second_thread.hpp"

namespace coffer::backup {

/// Locked memory for a stream: its chunks and its keys.
inline constexpr std::uint64_t kStreamHeapBytes = 2 * format::kChunkBytes + 4096;
/// For one that is read, and may be compressed; or written, and is.
[[nodiscard]] inline std::uint64_t reader_heap_bytes() {
  return kStreamHeapBytes + ChunkUnpacker::heap_bytes();
}
[[nodiscard]] inline std::uint64_t writer_heap_bytes(bool compressed) {
  return kStreamHeapBytes + (compressed ? ChunkPacker::heap_bytes() : 0);
}

class ChunkedWriter {
 public:
  /// Writes the header.  Everything outlives the writer.
  ChunkedWriter(platform::File& file, BackupHeader header, platform::LockedHeap& heap, Pace& pace);
  void write(std::span<const std::byte> bytes) {
    if (bytes.size() > format::kChunkBytes - used_) return write_over(bytes);
    std::ranges::copy(bytes, chunk_.bytes().subspan(used_).begin());
    used_ += bytes.size();
  }
  /// Room in the chunk, to be filled at least in part; tell with `wrote`.
  [[nodiscard]] std::span<std::byte> room();
  void wrote(std::size_t bytes) { used_ += bytes; }
  /// Ends the stream.  The file's length.
  std::uint64_t finish();

 private:
  /// Of which a part goes into the next chunk.
  void write_over(std::span<const std::byte> bytes);
  /// Hands the chunk over, once the other one is back from the thread.
  void flush(bool last);
  void seal(std::size_t plain, bool last);

  platform::File& file_;
  Pace& pace_;
  BackupHeader header_;
  std::unique_ptr<crypto::ChunkSealer> sealer_;
  std::optional<ChunkPacker> packer_;
  platform::LockedBuffer chunk_;   ///< being filled
  platform::LockedBuffer other_;   ///< the thread's, while it has work
  std::vector<std::byte> sealed_;  ///< the thread's
  std::size_t used_ = 0;
  std::uint64_t position_ = 0;  ///< the thread's
  std::uint64_t written_back_ = 0;
  platform::SecondThread thread_;
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
  void open_next();
  /// The sealed chunk at `position_`, with what stands before it in the file.
  struct Sealed {
    std::span<const std::byte> bytes;
    std::size_t in_front = 0;
    bool cut = false;
  };
  [[nodiscard]] Sealed read_sealed();

  platform::File& file_;
  Pace& pace_;
  BackupHeader header_;
  std::unique_ptr<crypto::ChunkOpener> opener_;
  std::optional<ChunkUnpacker> unpacker_;
  platform::LockedBuffer chunk_;  ///< being read
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t position_ = 0;  ///< in the file, behind it
  bool ended_ = false;          ///< it is the last one

  // The thread's, while it has work.
  struct Opened {
    std::size_t plain = 0;
    std::size_t in_file = 0;
    bool last = false;
  };
  platform::LockedBuffer other_;
  std::vector<std::byte> sealed_;
  Opened opened_{};
  bool reading_ahead_ = false;  ///< the caller's
  platform::SecondThread thread_;
};

}  // namespace coffer::backup
