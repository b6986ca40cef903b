// JSON lines.  The JSON library reads them into strings that are wiped when they are given back;
// what its lexer keeps of the token that it is at, and strings so short that they need no memory of
// their own, are the exception.  Where that matters, import from a dump.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/formats/formats.hpp"
#include "tools/formats/line_records.hpp"
#include "tools/formats/text_bytes.hpp"

namespace coffer::tools {

namespace {

using WipedString = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;
using WipedJson = nlohmann::basic_json<std::map, std::vector, WipedString>;

enum class Encoding : std::uint8_t { text, base64, hex };

struct Member {
  std::string_view name;
  bool is_key;
  Encoding encoding;
};
constexpr std::array<Member, 6> kMembers{{{"key", true, Encoding::text},
                                          {"key_base64", true, Encoding::base64},
                                          {"key_hex", true, Encoding::hex},
                                          {"value", false, Encoding::text},
                                          {"value_base64", false, Encoding::base64},
                                          {"value_hex", false, Encoding::hex}}};

// Collects the members of the one object that a line should be.  `wrong` says what is the matter;
// each callback returns false then, which ends the parse.
class RecordSax {
 public:
  RecordSax(WipedBytes& key, WipedBytes& value) : key_(key), value_(value) {}

  const char* wrong = nullptr;
  bool has_key = false;
  bool has_value = false;

  bool null() { return other(); }
  bool boolean(bool) { return other(); }
  bool number_integer(std::int64_t) { return other(); }
  bool number_unsigned(std::uint64_t) { return other(); }
  template <class String>
  bool number_float(double, const String&) {
    return other();
  }
  bool binary(WipedJson::binary_t&) { return other(); }
  bool start_object(std::size_t) {
    if (depth_ != 0 && !other()) return false;
    ++depth_;
    return true;
  }
  bool end_object() {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) {
    if (!other()) return false;
    ++depth_;
    return true;
  }
  bool end_array() {
    --depth_;
    return true;
  }
  bool key(WipedString& name) {
    if (depth_ != 1) return true;
    const auto known = std::ranges::find_if(
        kMembers, [&](const Member& m) { return m.name == std::string_view(name); });
    member_ = known == kMembers.end() ? nullptr : &*known;
    return true;
  }
  bool string(WipedString& text) {
    if (depth_ == 0) return other();
    if (depth_ != 1 || member_ == nullptr) return true;
    bool& seen = member_->is_key ? has_key : has_value;
    if (seen) return fail(member_->is_key ? "two keys in one record" : "two values in one record");
    seen = true;
    return take(member_->is_key ? key_ : value_, text);
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) {
    return fail("this is no JSON object in well-formed UTF-8");
  }

 private:
  bool fail(const char* what) {
    if (wrong == nullptr) wrong = what;
    return false;
  }
  bool other() {
    if (depth_ == 0) return fail("a record should be a JSON object");
    if (depth_ == 1 && member_ != nullptr) return fail("keys and values should be JSON strings");
    return true;
  }
  bool take(WipedBytes& out, const WipedString& text) {
    const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
    switch (member_->encoding) {
      case Encoding::text:
        out.assign(bytes.begin(), bytes.end());
        return true;
      case Encoding::base64:
        return take_base64(out, text);
      case Encoding::hex:
        return take_hex(out, bytes);
    }
    return false;
  }
  bool take_base64(WipedBytes& out, const WipedString& text) {
    out.resize(text.size() / 4 * 3 + 3);
    std::size_t length = 0;
    if (sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(), text.data(),
                          text.size(), nullptr, &length, nullptr,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
      return fail("this is no base64 (standard alphabet, padded)");
    }
    out.resize(length);
    return true;
  }
  bool take_hex(WipedBytes& out, std::span<const std::byte> digits) {
    if (digits.size() % 2 != 0) return fail("an odd number of hexadecimal digits");
    out.clear();
    for (std::size_t i = 0; i < digits.size(); i += 2) {
      const int high = hex_digit_value(digits[i]);
      const int low = hex_digit_value(digits[i + 1]);
      if (high < 0 || low < 0) return fail("a character that is no hexadecimal digit");
      out.push_back(static_cast<std::byte>(high * 16 + low));
    }
    return true;
  }

  WipedBytes& key_;
  WipedBytes& value_;
  const Member* member_ = nullptr;
  std::size_t depth_ = 0;
};

class JsonlReader final : public LineRecordReader {
 public:
  JsonlReader(ByteSource source, std::string file_name)
      : LineRecordReader(std::move(source), std::move(file_name)) {}

 private:
  void parse(std::span<std::byte> line, std::span<const std::byte>& key,
             std::span<const std::byte>& value) override {
    RecordSax sax(key_, value_);
    const char* text = reinterpret_cast<const char*>(line.data());
    const bool parsed = WipedJson::sax_parse(text, text + line.size(), &sax);
    if (!parsed) raise(sax.wrong != nullptr ? sax.wrong : "this is no JSON object");
    if (!sax.has_key) raise("a record without key, key_base64 or key_hex");
    if (!sax.has_value) raise("a record without value, value_base64 or value_hex");
    key = key_;
    value = value_;
  }

  WipedBytes key_;
  WipedBytes value_;
};

class JsonlWriter final : public RecordWriter {
 public:
  explicit JsonlWriter(ByteSink sink) : sink_(std::move(sink)) {}
  void begin(const RecordHeader&) override {}
  void record(std::span<const std::byte> key, std::span<const std::byte> value) override {
    line_.clear();
    append(line_, '{');
    member("key", key);
    append(line_, ',');
    member("value", value);
    append(line_, "}\n");
    sink_(std::span<const std::byte>(line_));
  }
  void end() override {}

 private:
  void member(std::string_view name, std::span<const std::byte> bytes) {
    const bool text = is_utf8(bytes);
    append(line_, '"');
    append(line_, name);
    append(line_, text ? "\":\"" : "_base64\":\"");
    text ? append_text(bytes) : append_base64(bytes);
    append(line_, '"');
  }

  // What JSON wants escaped (RFC 8259, section 7), and DEL.
  void append_text(std::span<const std::byte> bytes) {
    for (const std::byte b : bytes) {
      const auto c = static_cast<char>(b);
      if (c == '"' || c == '\\') {
        append(line_, '\\');
        append(line_, c);
      } else if (c == '\n') {
        append(line_, "\\n");
      } else if (c == '\t') {
        append(line_, "\\t");
      } else if (b < std::byte{0x20} || b == std::byte{0x7F}) {
        append(line_, "\\u00");
        append_hex(line_, b);
      } else {
        append(line_, c);
      }
    }
  }

  void append_base64(std::span<const std::byte> bytes) {
    const std::size_t with_nul =
        sodium_base64_encoded_len(bytes.size(), sodium_base64_VARIANT_ORIGINAL);
    const std::size_t at = line_.size();
    line_.resize(at + with_nul);
    sodium_bin2base64(reinterpret_cast<char*>(line_.data() + at), with_nul,
                      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    line_.pop_back();
  }

  ByteSink sink_;
  WipedBytes line_;
};

}  // namespace

std::unique_ptr<RecordReader> make_jsonl_reader(ByteSource source, std::string file_name) {
  return std::make_unique<JsonlReader>(std::move(source), std::move(file_name));
}

std::unique_ptr<RecordWriter> make_jsonl_writer(ByteSink sink) {
  return std::make_unique<JsonlWriter>(std::move(sink));
}

}  // namespace coffer::tools
