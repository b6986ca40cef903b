#include "tools/formats/line_reader.hpp"

#include <fmt/format.h>

#include <coffer/error.hpp>
#include <cstring>

namespace coffer::tools {

namespace {
constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
}

void LineReader::raise(std::string_view what) const {
  throw InvalidArgument(fmt::format("{}:{}: {}", file_name_, line_number_, what));
}

// Makes room behind what is unread, moving it to the front first, and reads once.
bool LineReader::fill() {
  if (at_end_) return false;
  if (begin_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kReadBytes) buffer_.resize(2 * buffer_.size() + kReadBytes);
  const std::size_t got = source_(std::span(buffer_).subspan(end_));
  end_ += got;
  at_end_ = got == 0;
  return !at_end_;
}

bool LineReader::next(std::span<std::byte>& line) {
  std::size_t looked_at = 0;  // bytes of the line known to hold no newline
  for (;;) {
    const std::byte* from = buffer_.data() + begin_ + looked_at;
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
    line = std::span(buffer_).subspan(begin_, length);
    begin_ += length + (found != nullptr ? 1 : 0);
    if (!line.empty() && line.back() == std::byte{'\r'}) line = line.first(line.size() - 1);
    ++line_number_;
    return true;
  }
}

}  // namespace coffer::tools
