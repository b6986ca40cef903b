// The text format of mdb_dump(1) and db_dump(1).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "tools/formats/formats.hpp"
#include "tools/formats/line_reader.hpp"
#include "tools/formats/text_bytes.hpp"

namespace coffer::tools {

namespace {

std::string_view as_text(std::span<const std::byte> line) {
  return {reinterpret_cast<const char*>(line.data()), line.size()};
}

// Undoes \HH and \\ in place; nothing when there is another escape.
std::optional<std::size_t> unescape_print(std::span<std::byte> text) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::byte b = text[i];
    if (b == std::byte{'\\'}) {
      if (text.size() - i > 1 && text[i + 1] == std::byte{'\\'}) {
        ++i;
      } else {
        if (text.size() - i < 3) return std::nullopt;
        const int high = hex_digit_value(text[i + 1]);
        const int low = hex_digit_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        b = static_cast<std::byte>(high * 16 + low);
        i += 2;
      }
    }
    text[out++] = b;
  }
  return out;
}

// A backslash goes as \5c: mdb_load 0.9.24 mistakes \\ when another escape stands before it on the
// line.
void append_print(WipedBytes& out, std::span<const std::byte> bytes) {
  for (const std::byte b : bytes) {
    if (b >= std::byte{0x20} && b < std::byte{0x7F} && b != std::byte{'\\'}) {
      out.push_back(b);
    } else {
      append(out, '\\');
      append_hex(out, b);
    }
  }
}

class DumpReader final : public RecordReader {
 public:
  DumpReader(ByteSource source, std::string file_name)
      : lines_(std::move(source), std::move(file_name)) {}

  bool begin(RecordHeader& header) override;
  bool next(std::span<const std::byte>& key, std::span<const std::byte>& value) override;
  [[nodiscard]] std::uint64_t line_number() const override { return lines_.line_number(); }

 private:
  void read_header();
  void header_field(std::string_view name, std::string_view value);
  std::string tree_name(std::string_view value) const;
  [[nodiscard]] bool flag(std::string_view value) const;
  bool data_line(std::span<std::byte>& line, const char* expected);
  std::span<const std::byte> decode(std::span<std::byte> line) const;
  std::span<const std::byte> decode_hex(std::span<std::byte> digits) const;
  void turn_integer_key();

  LineReader lines_;
  RecordHeader header_;
  bool print_ = false;
  bool numbered_ = false;  // a queue or recno database
  bool has_keys_ = false;
  bool in_data_ = false;
  WipedBytes key_;
};

bool DumpReader::begin(RecordHeader& header) {
  for (std::span<const std::byte> key, value; in_data_;) static_cast<void>(next(key, value));
  std::span<std::byte> line;
  do {
    if (!lines_.next(line)) return false;
  } while (line.empty());
  if (as_text(line) != "VERSION=3" && as_text(line) != "VERSION=2") {
    lines_.raise("this is no dump of version 2 or 3: those begin with VERSION=3");
  }
  header_ = {};
  print_ = numbered_ = has_keys_ = false;
  read_header();
  if (numbered_ && !has_keys_) {
    lines_.raise("a queue or recno database dumped without its keys: use db_dump -k");
  }
  in_data_ = true;
  header = header_;
  return true;
}

void DumpReader::read_header() {
  for (std::span<std::byte> line; lines_.next(line);) {
    const std::string_view text = as_text(line);
    if (text == "HEADER=END") return;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
      lines_.raise("a header line should be NAME=VALUE, up to HEADER=END");
    }
    header_field(text.substr(0, equals), text.substr(equals + 1));
  }
  lines_.raise("the dump ends inside a header: it was cut off");
}

void DumpReader::header_field(std::string_view name, std::string_view value) {
  if (name == "format") {
    if (value != "print" && value != "bytevalue") {
      lines_.raise("format should be print or bytevalue");
    }
    print_ = value == "print";
  } else if (name == "type") {
    numbered_ = value == "recno" || value == "queue";
  } else if (name == "keys") {
    has_keys_ = flag(value);
  } else if (name == "database" || name == "subdatabase") {
    header_.tree_name = tree_name(value);
  } else if (name == "duplicates" || name == "dupsort") {
    header_.options.multi_value = header_.options.multi_value || flag(value);
  } else if (name == "integerkey") {
    header_.options.integer_keys = flag(value);
  } else if (name == "mapsize") {
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), header_.map_bytes);
    if (error != std::errc() || end != value.data() + value.size()) {
      lines_.raise("mapsize should be a number of bytes");
    }
  }
}

// db_dump escapes names, mdb_dump does not: what cannot be an escape stands for itself.
std::string DumpReader::tree_name(std::string_view value) const {
  std::string name(value);
  if (const std::optional<std::size_t> bytes =
          unescape_print(std::as_writable_bytes(std::span(name)))) {
    name.resize(*bytes);
    return name;
  }
  return std::string(value);
}

bool DumpReader::flag(std::string_view value) const {
  if (value != "0" && value != "1") lines_.raise("this header field should be 0 or 1");
  return value == "1";
}

// False at DATA=END.
bool DumpReader::data_line(std::span<std::byte>& line, const char* expected) {
  if (!lines_.next(line)) {
    lines_.raise("the dump ends without DATA=END: it was cut off");
  }
  if (as_text(line) == "DATA=END") return false;
  if (line.empty() || line[0] != std::byte{' '}) {
    lines_.raise(
        fmt::format("expected {}, a line that begins with a space, or DATA=END", expected));
  }
  line = line.subspan(1);
  return true;
}

bool DumpReader::next(std::span<const std::byte>& key, std::span<const std::byte>& value) {
  if (!in_data_) return false;
  std::span<std::byte> line;
  if (!data_line(line, "a key")) {
    in_data_ = false;
    return false;
  }
  const std::span<const std::byte> key_bytes = decode(line);
  key_.assign(key_bytes.begin(), key_bytes.end());
  if (header_.options.integer_keys) turn_integer_key();
  if (!data_line(line, "a value")) lines_.raise("a key without a value before DATA=END");
  value = decode(line);
  key = key_;
  return true;
}

std::span<const std::byte> DumpReader::decode(std::span<std::byte> line) const {
  if (!print_) return decode_hex(line);
  const std::optional<std::size_t> length = unescape_print(line);
  if (!length) {
    lines_.raise(
        "a backslash without \\ or two hexadecimal digits behind it; mdb_dump -p writes such lines "
        "for data that holds a backslash: dump without -p");
  }
  return line.first(*length);
}

std::span<const std::byte> DumpReader::decode_hex(std::span<std::byte> digits) const {
  if (digits.size() % 2 != 0) lines_.raise("an odd number of hexadecimal digits");
  for (std::size_t i = 0; i < digits.size() / 2; ++i) {
    const int high = hex_digit_value(digits[2 * i]);
    const int low = hex_digit_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) lines_.raise("a character that is no hexadecimal digit");
    digits[i] = static_cast<std::byte>(high * 16 + low);
  }
  return digits.first(digits.size() / 2);
}

void DumpReader::turn_integer_key() {
  if (key_.size() != 4 && key_.size() != 8) {
    lines_.raise("an integer key should have 4 or 8 bytes");
  }
  key_.resize(8);  // the new high bytes are zero
  std::ranges::reverse(key_);
}

class DumpWriter final : public RecordWriter {
 public:
  DumpWriter(ByteSink sink, bool print) : sink_(std::move(sink)), print_(print) {}

  void begin(const RecordHeader& header) override {
    line_.clear();
    append(line_, "VERSION=3\n");
    append(line_, print_ ? "format=print\n" : "format=bytevalue\n");
    if (header.tree_name) append_name(*header.tree_name);
    append(line_, "type=btree\n");
    if (header.map_bytes != 0) append(line_, fmt::format("mapsize={}\n", header.map_bytes));
    if (header.options.multi_value) append(line_, "duplicates=1\ndupsort=1\n");
    if (header.options.integer_keys) append(line_, "integerkey=1\n");
    append(line_, "HEADER=END\n");
    integer_keys_ = header.options.integer_keys;
    flush();
  }

  void record(std::span<const std::byte> key, std::span<const std::byte> value) override {
    line_.clear();
    if (integer_keys_) {
      Expects(key.size() == 8);
      turned_.assign(key.rbegin(), key.rend());
      data(turned_);
    } else {
      data(key);
    }
    data(value);
    flush();
  }

  void end() override {
    line_.clear();
    append(line_, "DATA=END\n");
    flush();
  }

 private:
  void data(std::span<const std::byte> bytes) {
    append(line_, ' ');
    if (print_) {
      append_print(line_, bytes);
    } else {
      for (const std::byte b : bytes) append_hex(line_, b);
    }
    append(line_, '\n');
  }

  // Bytes above 127 stand as they are: db_load takes them so, and mdb_load knows no escapes here.
  void append_name(std::string_view name) {
    append(line_, "database=");
    for (const char c : name) {
      const auto b = static_cast<std::byte>(c);
      if (c == '\\') {
        append(line_, "\\\\");
      } else if (b < std::byte{0x20} || b == std::byte{0x7F}) {
        append(line_, '\\');
        append_hex(line_, b);
      } else {
        append(line_, c);
      }
    }
    append(line_, '\n');
  }

  void flush() { sink_(std::span<const std::byte>(line_)); }

  ByteSink sink_;
  bool print_;
  bool integer_keys_ = false;
  WipedBytes line_;
  WipedBytes turned_;
};

}  // namespace

std::unique_ptr<RecordReader> make_dump_reader(ByteSource source, std::string file_name) {
  return std::make_unique<DumpReader>(std::move(source), std::move(file_name));
}

std::unique_ptr<RecordWriter> make_dump_writer(ByteSink sink, bool print) {
  return std::make_unique<DumpWriter>(std::move(sink), print);
}

}  // namespace coffer::tools
