#include "tools/text_form.hpp"

#include <coffer/tree.hpp>

#include <sodium.h>

#include <charconv>

#include "tools/exit_code.hpp"
#include "tools/formats/text_bytes.hpp"

namespace coffer::tools {
namespace {

// The code point of a well-formed sequence of `size` bytes.
char32_t code_point(std::span<const std::byte> bytes, std::size_t size) {
  const auto lead = std::to_integer<char32_t>(bytes[0]);
  if (size == 1) return lead;
  char32_t value = lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    value = (value << 6) | (std::to_integer<char32_t>(bytes[i]) & 0x3fu);
  }
  return value;
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f || c == 0x2028 ||
         c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

}  // namespace

std::string encode_hex(std::span<const std::byte> bytes) {
  std::string digits(2 * bytes.size(), '0');
  // It ends the text with a zero, which is what stands behind a std::string's last character.
  sodium_bin2hex(digits.data(), digits.size() + 1,
                 reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  return digits;
}

bool decode_hex(std::string_view digits, std::span<std::byte> out) {
  if (digits.size() != 2 * out.size()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_digit_value(static_cast<std::byte>(digits[2 * i]));
    const int low = hex_digit_value(static_cast<std::byte>(digits[2 * i + 1]));
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

bool is_printable(Bytes bytes) {
  std::span<const std::byte> rest = bytes;
  while (!rest.empty()) {
    const std::size_t size = utf8_sequence_bytes(rest);
    if (size == 0 || is_control(code_point(rest, size))) return false;
    rest = rest.subspan(size);
  }
  return true;
}

bool shown_as_text(Bytes bytes) {
  return is_printable(bytes) && !bytes.text().starts_with(kHexMarker);
}

std::string shown_name(const std::string& name) {
  if (shown_as_text(name)) return name;
  return std::string(kHexMarker) + encode_hex(Bytes(name));
}

SecretArgument::~SecretArgument() {
  sodium_memzero(text.data(), text.size());
  sodium_memzero(integer_.data(), integer_.size());
}

Bytes SecretArgument::decode(KeyForm form) {
  if (form == KeyForm::text) return text;
  if (form == KeyForm::hex) {
    // Two digits become one byte, so the bytes can take the digits' own place.
    const auto out = std::as_writable_bytes(std::span(text)).first(text.size() / 2);
    if (text.size() % 2 != 0 || !decode_hex(text, out)) {
      throw UsageError("--hex: the key is not an even number of hexadecimal digits");
    }
    return out;
  }
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  if (const auto [stop, error] = std::from_chars(text.data(), end, number);
      error != std::errc() || stop != end) {
    throw UsageError("--integer: the key is not a whole number from 0 to 18446744073709551615");
  }
  integer_ = integer_key(number);
  return integer_;
}

}  // namespace coffer::tools
