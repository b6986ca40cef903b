// See piece_writer.hpp.
#include "backup/piece_writer.hpp"

#include <algorithm>
#include <cstring>

#include "platform/contracts.hpp"

namespace coffer::backup {
namespace {

/// So that the end has little to sync.
constexpr std::uint64_t kPieceWriteBackBytes = 4 << 20;

}  // namespace

void PieceWriter::put(std::span<const std::byte> bytes) {
  file_.write_at(position_, bytes);
  position_ += bytes.size();
  if (position_ - written_back_ < kPieceWriteBackBytes) return;
  file_.write_back(written_back_, position_ - written_back_);
  written_back_ = position_;
}

void PieceWriter::write(std::span<const std::byte> bytes) {
  if (waiting_ != 0) {
    const std::size_t now = std::min(bytes.size(), to_end_of_piece() - waiting_);
    std::memcpy(room(now).data(), bytes.data(), now);
    wrote(now);
    bytes = bytes.subspan(now);
  }
  // Whole pieces go as they lie.
  while (bytes.size() >= to_end_of_piece()) {
    const std::size_t now = to_end_of_piece();
    put(bytes.first(now));
    bytes = bytes.subspan(now);
  }
  if (bytes.empty()) return;
  std::memcpy(room(bytes.size()).data(), bytes.data(), bytes.size());
  wrote(bytes.size());
}

std::span<std::byte> PieceWriter::room(std::size_t bytes) {
  Expects(bytes <= buffer_.size() - waiting_);
  return std::span(buffer_).subspan(waiting_, bytes);
}

void PieceWriter::wrote(std::size_t bytes) {
  waiting_ += bytes;
  std::size_t done = 0;
  while (waiting_ - done >= to_end_of_piece()) {
    const std::size_t now = to_end_of_piece();
    put(std::span(buffer_).subspan(done, now));
    done += now;
  }
  if (done == 0) return;
  waiting_ -= done;
  std::memmove(buffer_.data(), buffer_.data() + done, waiting_);
}

std::uint64_t PieceWriter::finish() {
  if (waiting_ != 0) put(std::span(buffer_).first(waiting_));
  waiting_ = 0;
  return position_;
}

}  // namespace coffer::backup
