// A backup's plaintext as a stream of bytes, written to and read from sealed chunks.
//
// A second thread seals and writes chunks while the next one is being filled, and reads and opens the next ones while
// one is being read.
//
// Invariants
//   B1  Plaintext is in locked memory only: the chunks.  (In suite none what is on the disk is plaintext, and
//       so is the copy that is written or was read.)
//   B2  Whoever reads to the end has seen the authenticated end, and nothing stands behind it.
//   B3  Ciphertext is copied from the file before it is opened, once.
//   B4  Chunks are sealed, written, read and opened in their order, by one thread; what fails there is raised in
//       the caller's, at one of the next chunks or at the end.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backup/backup_key.hpp"
#include "backup/chunk_packing.hpp"
#include "backup/pace.hpp"
#include "backup/piece_writer.hpp"
#include "crypto/chunk_stream.hpp"
#include "platform/locked_heap.hpp"
#include "platform/relay.hpp"

namespace coffer::backup {

/// Chunks of a stream that are in memory at a time, at least: a backup and a restore fit into 2 MiB of locked memory with
/// their store and a large value.
inline constexpr std::size_t kLeastChunks = 4;
/// And where there is plenty: the threads at both ends wait for each other less often.
inline constexpr std::size_t kManyChunks = 16;
/// What may still be locked where there is plenty.
inline constexpr std::uint64_t kPlentyBytes = 32 << 20;
/// When it is compressed, which takes most of the time, and locked memory of its own.
inline constexpr std::size_t kPackedChunks = 3;
/// How many chunks a stream gets.
[[nodiscard]] inline std::size_t chunks_that_fit(const platform::Memory& memory) {
  const platform::LockAccount account = memory.account();
  // A lock beyond the soft limit raises it to the hard one.
  const bool plenty =
      account.privileged || account.hard_limit_bytes >= account.locked_bytes + kPlentyBytes;
  return plenty ? kManyChunks : kLeastChunks;
}
/// Locked memory for a stream's keys.
inline constexpr std::uint64_t kStreamKeysHeapBytes = 4096;
/// And for its chunks.
[[nodiscard]] inline std::uint64_t writer_heap_bytes(bool compressed, std::size_t chunks) {
  return kStreamKeysHeapBytes +
         (compressed ? kPackedChunks * format::kChunkBytes + ChunkPacker::heap_bytes()
                     : chunks * format::kChunkBytes);
}
/// For one that is read: whether it is compressed is not known yet.
[[nodiscard]] inline std::uint64_t reader_heap_bytes(std::size_t chunks) {
  return kStreamKeysHeapBytes +
         std::max(kPackedChunks * format::kChunkBytes + ChunkUnpacker::heap_bytes(),
                  chunks * format::kChunkBytes);
}

class ChunkedWriter {
 public:
  /// Writes the header.  Everything outlives the writer, and `heap` has writer_heap_bytes for so many chunks.
  ChunkedWriter(platform::File& file, BackupHeader header, platform::LockedHeap& heap, Pace& pace,
                std::size_t chunks);
  void write(std::span<const std::byte> bytes) {
    if (bytes.size() > format::kChunkBytes - used_) return write_over(bytes);
    std::ranges::copy(bytes, chunk_.subspan(used_).begin());
    used_ += bytes.size();
  }
  /// So much room in the chunk, to be filled; tell with `wrote`.  Empty when it has not.
  [[nodiscard]] std::span<std::byte> room_for(std::size_t bytes) const {
    if (bytes > format::kChunkBytes - used_) return {};
    return chunk_.subspan(used_, bytes);
  }
  /// Room in the chunk, to be filled at least in part; tell with `wrote`.
  [[nodiscard]] std::span<std::byte> room();
  void wrote(std::size_t bytes) { used_ += bytes; }
  /// Ends the stream.  The file's length.
  std::uint64_t finish();

 private:
  /// Of which a part goes into the next chunk.
  void write_over(std::span<const std::byte> bytes);
  void flush(bool last);
  void seal(std::span<const std::byte> chunk, bool last);

  Pace& pace_;
  BackupHeader header_;
  std::unique_ptr<crypto::ChunkSealer> sealer_;
  std::optional<ChunkPacker> packer_;
  std::span<std::byte> chunk_;  ///< being filled: the current one of chunks_
  std::size_t used_ = 0;

  // The thread's.
  PieceWriter file_;
  platform::WriteBehind<platform::LockedBuffer> chunks_;
};

class ChunkedReader {
 public:
  /// Of the file whose opened header this is; `heap` has reader_heap_bytes for so many chunks.  InvalidArgument when it
  /// is a snapshot's.
  ChunkedReader(platform::File& file, BackupHeader header, platform::LockedHeap& heap, Pace& pace,
                std::size_t chunks);
  /// Fills `out`, which is in locked memory where it holds what users stored.
  void read(std::span<std::byte> out);
  /// The next bytes, good until the next call, when they are in memory in one piece; else nothing, and nothing was
  /// read.
  [[nodiscard]] std::optional<std::span<const std::byte>> in_one_piece(std::size_t bytes) {
    if (bytes > chunk_.size()) return std::nullopt;
    const auto read = chunk_.first(bytes);
    chunk_ = chunk_.subspan(bytes);
    return read;
  }
  /// At least one of the next bytes, at most `most`; good until the next call.
  [[nodiscard]] std::span<const std::byte> some(std::uint64_t most);
  /// Raises unless the stream ends here.
  void expect_end();

  [[nodiscard]] const BackupHeader& header() const { return header_; }
  [[noreturn]] void raise_damaged(const std::string& what) const;

 private:
  struct Chunk {
    platform::LockedBuffer bytes;
    std::size_t plain = 0;
    std::size_t in_file = 0;
    bool last = false;
  };
  void next_chunk();
  void open_next(Chunk& chunk);
  /// The sealed chunk at `opened_`, with what stands before it in the file.
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
  std::span<const std::byte> chunk_;  ///< being read: what is left of it
  std::uint64_t position_ = 0;        ///< in the file, behind it
  bool ended_ = false;                ///< it is the last one

  // The thread's.
  std::vector<std::byte> sealed_;
  std::uint64_t opened_ = 0;  ///< position behind the chunks that were opened
  bool opened_last_ = false;
  platform::ReadAhead<Chunk> chunks_;
};

}  // namespace coffer::backup
