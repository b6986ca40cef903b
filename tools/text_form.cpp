#include "tools/text_form.hpp"

#include <coffer/tree.hpp>

#include <sodium.h>

#include <charconv>

#include "tools/exit_code.hpp"

namespace coffer::tools {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 0;  // 0: not well-formed
};

// The first code point of `text`, as the Unicode standard's table 3-7 has it: no overlong forms, no
// surrogates, nothing past U+10FFFF.
CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : (lead >= 0xe0 ? 3 : 2);
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return {};
  char32_t value = lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3fu);
  }
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, size};
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x200e || c == 0x200f || c == 0x2028 ||
         c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

}  // namespace

std::string encode_hex(std::span<const std::byte> bytes) {
  std::string digits;
  digits.reserve(2 * bytes.size());
  for (const std::byte b : bytes) {
    digits += kDigits[std::to_integer<std::size_t>(b >> 4)];
    digits += kDigits[std::to_integer<std::size_t>(b & std::byte{0x0f})];
  }
  return digits;
}

bool decode_hex(std::string_view digits, std::span<std::byte> out) {
  if (digits.size() != 2 * out.size()) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = digit_value(digits[2 * i]);
    const int low = digit_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

bool is_printable(Bytes bytes) {
  std::string_view rest = bytes.text();
  while (!rest.empty()) {
    const CodePoint next = first_code_point(rest);
    if (next.size == 0 || is_control(next.value)) return false;
    rest.remove_prefix(next.size);
  }
  return true;
}

bool shown_as_text(Bytes bytes) {
  return is_printable(bytes) && !bytes.text().starts_with(kHexMarker);
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
