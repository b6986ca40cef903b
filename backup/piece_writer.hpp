// A file that is written from its beginning to its end, in pieces that the system likes.
//
// A write that begins or ends inside of one of the file's pages costs for the whole page, and what follows costs for it
// again; chunks of 64 KiB and 17 bytes take half as much processor time again as pieces that end where pages do.  Pieces
// much larger than these are not better: the page cache then takes its memory in blocks of megabytes, which are
// seldom at hand and have to be made, cleared, first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "platform/platform.hpp"

namespace coffer::backup {

class PieceWriter {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

  /// `file`, which is empty, outlives the writer.  `room_bytes_max`: the most that `room` is asked for.
  PieceWriter(platform::File& file, std::size_t room_bytes_max)
      : file_(file), buffer_(kPieceBytes + room_bytes_max) {}

  /// Appends the bytes, which are what the file may hold: ciphertext, or what is not encrypted there either.
  void write(std::span<const std::byte> bytes);
  /// Room behind what was appended, to be filled and then appended by `wrote`.
  [[nodiscard]] std::span<std::byte> room(std::size_t bytes);
  void wrote(std::size_t bytes);
  /// All of it is with the operating system.  The file's length.
  std::uint64_t finish();

 private:
  void put(std::span<const std::byte> bytes);
  /// From the end of what is with the system to the end of the piece that this lies in.
  [[nodiscard]] std::size_t to_end_of_piece() const {
    return kPieceBytes - static_cast<std::size_t>(position_ % kPieceBytes);
  }

  platform::File& file_;
  std::vector<std::byte> buffer_;
  std::size_t waiting_ = 0;  ///< bytes at the beginning of the buffer that are not with the system
  std::uint64_t position_ = 0;  ///< behind what is
  std::uint64_t written_back_ = 0;
};

}  // namespace coffer::backup
