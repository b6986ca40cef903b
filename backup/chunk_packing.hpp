// Chunks that are made smaller before they are sealed: each for itself, with Zstandard (RFC 8878).
//
// Invariants
//   G1  The library works in locked memory that it is given, and allocates none: plaintext stays there.
//   G2  Whatever stands in a packed chunk, unpacking fills the room that there is or refuses.
//   G3  A chunk that would not get smaller is stored as it is.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "backup/backup_format.hpp"
#include "platform/locked_heap.hpp"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace coffer::backup {

class ChunkPacker {
 public:
  /// Takes heap_bytes() from `heap`, which outlives it.
  explicit ChunkPacker(platform::LockedHeap& heap);
  [[nodiscard]] static std::size_t heap_bytes();

  /// At most kChunkBytes; what it gives, at most kPackedBytesMax, is good until the next call.
  [[nodiscard]] std::span<const std::byte> pack(std::span<const std::byte> plain);

 private:
  platform::LockedBuffer workspace_;
  platform::LockedBuffer packed_;
  ZSTD_CCtx_s* context_;  ///< in the workspace
};

class ChunkUnpacker {
 public:
  /// Takes heap_bytes() from `heap`, which outlives it.
  explicit ChunkUnpacker(platform::LockedHeap& heap);
  [[nodiscard]] static std::size_t heap_bytes();

  /// Where a packed chunk is put to be unpacked; kPackedBytesMax.
  [[nodiscard]] std::span<std::byte> room() { return packed_.bytes(); }
  /// The length of what stood in the first `bytes` of the room; nothing when that is no chunk.
  [[nodiscard]] std::optional<std::size_t> unpack(std::size_t bytes, std::span<std::byte> plain);

 private:
  platform::LockedBuffer workspace_;
  platform::LockedBuffer packed_;
  ZSTD_DCtx_s* context_;  ///< in the workspace
};

}  // namespace coffer::backup
