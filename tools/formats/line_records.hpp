// What the formats have in common whose records are lines of one tree.
#pragma once

#include <string>
#include <utility>

#include "tools/formats/formats.hpp"
#include "tools/formats/line_reader.hpp"

namespace coffer::tools {

class LineRecordReader : public RecordReader {
 public:
  bool begin(RecordHeader& header) override {
    header = {};
    return !std::exchange(begun_, true);
  }
  bool next(std::span<const std::byte>& key, std::span<const std::byte>& value) override {
    std::span<std::byte> line;
    do {
      if (!lines_.next(line)) return false;
    } while (line.empty());
    parse(line, key, value);
    return true;
  }
  [[nodiscard]] std::uint64_t line_number() const override { return lines_.line_number(); }

 protected:
  LineRecordReader(ByteSource source, std::string file_name)
      : lines_(std::move(source), std::move(file_name)) {}

  /// A line that is not empty; what it gives may lie in the line, which may be written to.
  virtual void parse(std::span<std::byte> line, std::span<const std::byte>& key,
                     std::span<const std::byte>& value) = 0;
  [[noreturn]] void raise(std::string_view what) const { lines_.raise(what); }

 private:
  LineReader lines_;
  bool begun_ = false;
};

}  // namespace coffer::tools
