#include "tools/formats/line_reader.hpp"

#include <fmt/format.h>
#include <sodium.h>

#include <coffer/error.hpp>
#include <cstring>

namespace coffer::tools {

namespace {
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
}

LineReader::~LineReader() {
  if (buffer_) sodium_memzero(buffer_.get(), buffer_bytes_);
}

void LineReader::raise(std::string_view what) const {
  throw InvalidArgument(fmt::format("{}:{}: {}", file_name_, line_number_, what));
}

void LineReader::grow() {
  const std::size_t bytes = 2 * buffer_bytes_ + kReadBytes;
  auto larger = std::make_unique_for_overwrite<std::byte[]>(bytes);
  if (buffer_) {
    std::memcpy(larger.get(), buffer_.get(), end_);
    sodium_memzero(buffer_.get(), buffer_bytes_);
  }
  buffer_ = std::move(larger);
  buffer_bytes_ = bytes;
}

// Makes room behind what is unread, moving it to the front first, and reads once.
bool LineReader::fill() {
  if (at_end_) return false;
  if (begin_ != 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // A source that gives little at a time does not need a larger buffer for that.
  if (buffer_bytes_ - end_ < kReadBytes / 2) grow();
  const std::size_t got = source_(std::span(buffer_.get() + end_, buffer_bytes_ - end_));
  end_ += got;
  at_end_ = got == 0;
  return !at_end_;
}

bool LineReader::next(std::span<std::byte>& line) {
  std::size_t looked_at = 0;  // bytes of the line known to hold no newline
  for (;;) {
    const std::byte* from = buffer_.get() + begin_ + looked_at;
    const std::size_t unread = end_ - begin_ - looked_at;
    const void* found = unread == 0 ? nullptr : std::memchr(from, '\n', unread);
    std::size_t length = looked_at + unread;
    if (found == nullptr) {
      looked_at = length;
      if (fill()) continue;
      if (length == 0) return false;
    } else {
      length = looked_at + static_cast<std::size_t>(static_cast<const std::byte*>(found) - from);
    }
    line = std::span(buffer_.get() + begin_, length);
    begin_ += length + (found != nullptr ? 1 : 0);
    if (!line.empty() && line.back() == std::byte{'\r'}) line = line.first(line.size() - 1);
    ++line_number_;
    return true;
  }
}

}  // namespace coffer::tools
