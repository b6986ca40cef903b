#include <algorithm>
#include <utility>

#include "tools/formats/formats.hpp"
#include "tools/formats/line_records.hpp"
#include "tools/formats/text_bytes.hpp"

namespace coffer::tools {

namespace {

class TsvReader final : public LineRecordReader {
 public:
  TsvReader(ByteSource source, std::string file_name)
      : LineRecordReader(std::move(source), std::move(file_name)) {}

 private:
  void parse(std::span<std::byte> line, std::span<const std::byte>& key,
             std::span<const std::byte>& value) override {
    const auto tab = std::ranges::find(line, std::byte{'\t'});
    if (tab == line.end()) raise("no TAB between a key and a value");
    const auto key_bytes = static_cast<std::size_t>(tab - line.begin());
    const std::span<std::byte> rest = line.subspan(key_bytes + 1);
    if (std::ranges::find(rest, std::byte{'\t'}) != rest.end()) {
      raise("more than one TAB; inside a key or a value it is written \\t");
    }
    key = unescape(line.first(key_bytes));
    value = unescape(rest);
  }

  // In place: an escape is longer than what it stands for.
  std::span<const std::byte> unescape(std::span<std::byte> text) const {
    std::size_t out = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != std::byte{'\\'}) {
        text[out++] = text[i];
        continue;
      }
      if (++i == text.size()) raise("a backslash with nothing behind it");
      text[out++] = escaped(text, i);
    }
    return text.first(out);
  }

  // The byte that the escape whose letter stands at `i` means; leaves `i` at the escape's last
  // character.
  std::byte escaped(std::span<const std::byte> text, std::size_t& i) const {
    switch (static_cast<char>(text[i])) {
      case 't':
        return std::byte{'\t'};
      case 'n':
        return std::byte{'\n'};
      case 'r':
        return std::byte{'\r'};
      case '\\':
        return std::byte{'\\'};
      case 'x':
        if (text.size() - i > 2) {
          const int high = hex_digit_value(text[i + 1]);
          const int low = hex_digit_value(text[i + 2]);
          if (high >= 0 && low >= 0) {
            i += 2;
            return static_cast<std::byte>(high * 16 + low);
          }
        }
        raise("\\x without two hexadecimal digits");
      default:
        raise("an unknown escape: they are \\t \\n \\r \\\\ \\xHH");
    }
  }
};

class TsvWriter final : public RecordWriter {
 public:
  explicit TsvWriter(ByteSink sink) : sink_(std::move(sink)) {}
  void begin(const RecordHeader&) override {}
  void record(std::span<const std::byte> key, std::span<const std::byte> value) override {
    line_.clear();
    escape(key);
    append(line_, '\t');
    escape(value);
    append(line_, '\n');
    sink_(std::span<const std::byte>(line_));
  }
  void end() override {}

 private:
  void escape(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::size_t length = utf8_sequence_bytes(bytes);
      if (length <= 1) {
        escape_byte(bytes[0], length == 1);
      } else {
        append(line_, bytes.first(length));
      }
      bytes = bytes.subspan(std::max<std::size_t>(length, 1));
    }
  }

  void escape_byte(std::byte b, bool ascii) {
    const auto c = static_cast<char>(b);
    if (c == '\t') {
      append(line_, "\\t");
    } else if (c == '\n') {
      append(line_, "\\n");
    } else if (c == '\r') {
      append(line_, "\\r");
    } else if (c == '\\') {
      append(line_, "\\\\");
    } else if (ascii && b >= std::byte{0x20} && b != std::byte{0x7F}) {
      append(line_, c);
    } else {
      append(line_, "\\x");
      append_hex(line_, b);
    }
  }

  ByteSink sink_;
  WipedBytes line_;
};

}  // namespace

std::unique_ptr<RecordReader> make_tsv_reader(ByteSource source, std::string file_name) {
  return std::make_unique<TsvReader>(std::move(source), std::move(file_name));
}

std::unique_ptr<RecordWriter> make_tsv_writer(ByteSink sink) {
  return std::make_unique<TsvWriter>(std::move(sink));
}

}  // namespace coffer::tools
