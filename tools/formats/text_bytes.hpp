// Hexadecimal digits and UTF-8, as the record formats need them.
#pragma once

#include <cstddef>
#include <span>

#include "tools/formats/wiped_bytes.hpp"

namespace coffer::tools {

/// 0 to 15, or -1 when it is no hexadecimal digit.
[[nodiscard]] constexpr int hex_digit_value(std::byte digit) {
  const auto c = static_cast<char>(digit);
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Two lower-case digits.
inline void append_hex(WipedBytes& out, std::byte b) {
  constexpr char kDigits[] = "0123456789abcdef";
  append(out, kDigits[std::to_integer<unsigned>(b) >> 4]);
  append(out, kDigits[std::to_integer<unsigned>(b) & 15]);
}

/// Length of the well-formed UTF-8 sequence at the front of `bytes` (Unicode 15, table 3-7), 0 when
/// there is none.  `bytes` is not empty.
[[nodiscard]] std::size_t utf8_sequence_bytes(std::span<const std::byte> bytes);
[[nodiscard]] bool is_utf8(std::span<const std::byte> bytes);

}  // namespace coffer::tools
