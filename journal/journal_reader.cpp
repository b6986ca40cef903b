#include "journal/journal_reader.hpp"

#include <algorithm>

#include "journal/segment_names.hpp"
#include "platform/contracts.hpp"

namespace coffer::journal {
namespace {

/// Small commits lie close together: one read serves many.
constexpr std::size_t kWindowBytes = 4 * kFragmentBytesMax;

}  // namespace

JournalReader::JournalReader(const JournalFiles& files)
    : files_(files), window_(std::make_unique_for_overwrite<std::byte[]>(kWindowBytes)) {
  check_journal_files(files);
  indices_ = list_segments(files);
}

bool JournalReader::exists(Lsn position) const {
  return std::binary_search(indices_.begin(), indices_.end(),
                            position.value / files_.segment_bytes);
}

std::span<const std::byte> JournalReader::at(Lsn position, std::size_t bytes) {
  Expects(bytes <= kFragmentBytesMax);
  const bool within = position >= window_at_ &&
                      position.value - window_at_.value <= window_bytes_ &&
                      (window_cut_ || bytes <= window_bytes_ - (position.value - window_at_.value));
  if (!within) fill(position);
  const auto offset = static_cast<std::size_t>(position.value - window_at_.value);
  return std::span<const std::byte>(window_.get(), window_bytes_)
      .subspan(offset, std::min(bytes, window_bytes_ - offset));
}

void JournalReader::fill(Lsn position) {
  window_at_ = position;
  window_bytes_ = 0;
  window_cut_ = false;
  while (window_bytes_ < kWindowBytes && !window_cut_) {
    const std::uint64_t offset = (position.value + window_bytes_) % files_.segment_bytes;
    const std::size_t wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(kWindowBytes - window_bytes_, files_.segment_bytes - offset));
    const std::size_t got =
        read_piece(position.next(window_bytes_), std::span(window_.get() + window_bytes_, wanted));
    window_bytes_ += got;
    window_cut_ = got < wanted;
  }
}

std::size_t JournalReader::read_piece(Lsn position, std::span<std::byte> out) {
  const std::uint64_t index = position.value / files_.segment_bytes;
  if (!exists(position)) return 0;
  if (!file_ || file_index_ != index) {
    file_ = files_.files->open(segment_path(files_, index), platform::OpenMode::read_only);
    file_index_ = index;
  }
  return file_->read_at(position.value % files_.segment_bytes, out);
}

}  // namespace coffer::journal
