// The writing of a transaction's sealed chunks, behind its back: while one is written, the next is sealed.
//
// Invariants
//   C1  What is written is ciphertext, in memory of its own, which is filled again only when it has been written.
//   C2  Until `finish` a slot may not hold yet what its reference says: before the transaction reads a chunk, syncs, or
//       gives a slot to somebody else, it calls that.
//   C3  A failed write is told by every call from then on: the transaction can only be rolled back.
#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <span>
#include <vector>

#include "pager/page_file.hpp"
#include "platform/second_thread.hpp"

namespace coffer::txn {

/// Used by the transaction's thread.
class ChunkWrites {
 public:
  explicit ChunkWrites(pager::PageFile& file) : file_(file) {}

  /// `bytes` (of whole slots) for the next chunk's ciphertext; waits where all that there is, is being written.
  [[nodiscard]] std::span<std::byte> room(std::size_t bytes);
  /// Has `bytes`, which are the room's, written to the run: by `second`, behind what it was given before, or at once
  /// where there is none.  It is the same thread each time, once there is one.
  void write(pager::SlotRun run, std::span<const std::byte> bytes, platform::SecondThread* second);
  /// Returns when all is written.  Throws what went wrong.
  void finish();
  /// The same; nobody wants to know any more.
  void abandon() noexcept;

 private:
  static constexpr std::size_t kChunks = 4;
  void wait(std::size_t left);

  pager::PageFile& file_;
  std::array<std::vector<std::byte>, kChunks> chunks_;
  std::size_t next_ = 0;
  platform::SecondThread* second_ = nullptr;  ///< that has something to write
  std::exception_ptr failure_;
};

}  // namespace coffer::txn
