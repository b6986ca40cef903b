// Lines of any length out of a byte source, in one buffer that is used again and wiped at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tools/formats/record_format.hpp"

namespace coffer::tools {

class LineReader {
 public:
  LineReader(ByteSource source, std::string file_name)
      : source_(std::move(source)), file_name_(std::move(file_name)) {}
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// The next line without its line end (newline, or carriage return and newline); false at the end
  /// of the source.  The last line need not have a line end.  The span may be written to, and lasts
  /// until the next call.
  [[nodiscard]] bool next(std::span<std::byte>& line);
  [[nodiscard]] std::uint64_t line_number() const { return line_number_; }
  /// InvalidArgument "FILE:LINE: what".
  [[noreturn]] void raise(std::string_view what) const;

 private:
  bool fill();
  void grow();

  ByteSource source_;
  std::string file_name_;
  // Not cleared first: that is of no use, and most of what it costs to read little.
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t buffer_bytes_ = 0;
  std::size_t begin_ = 0;  // of what has not been given out
  std::size_t end_ = 0;    // of what has been read
  bool at_end_ = false;
  std::uint64_t line_number_ = 0;
};

}  // namespace coffer::tools
