// Bytes as text, and text as bytes: keys on the command line, and keys and values in output.
//
// In output for people bytes stand as they are when they are printable UTF-8, and otherwise as
// `hex:` and digits; text that itself begins with `hex:` is given in digits too, so that the marker
// is never ambiguous.  Control characters and those that turn the direction of writing around do
// not count as printable: a value cannot play tricks on a terminal.
#pragma once

#include <coffer/bytes.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace coffer::tools {

inline constexpr std::string_view kHexMarker = "hex:";

/// For what is no secret: identifiers, anchors.
[[nodiscard]] std::string encode_hex(std::span<const std::byte> bytes);
/// False when `digits` has another length than twice `out`'s, or something that is no digit.
[[nodiscard]] bool decode_hex(std::string_view digits, std::span<std::byte> out);

/// Whole, well-formed UTF-8 without control characters.
[[nodiscard]] bool is_printable(Bytes bytes);
/// True when output for people shows these bytes as they are.
[[nodiscard]] bool shown_as_text(Bytes bytes);

/// A tree's name for people and for JSON: itself, or marked digits.
[[nodiscard]] std::string shown_name(const std::string& name);

/// How a KEY argument is to be read.
enum class KeyForm { text, hex, integer };

/// An argument that holds a user's key or value.  What this object holds is wiped when it ends; the
/// process's argument list, which the system shows to others while the command runs, is not.
struct SecretArgument {
  SecretArgument() = default;
  SecretArgument(const SecretArgument&) = delete;
  SecretArgument& operator=(const SecretArgument&) = delete;
  ~SecretArgument();

  /// The bytes that the text stands for.  Decodes in place, so it is called once.  UsageError when
  /// the text has not that form.
  [[nodiscard]] Bytes decode(KeyForm form);

  bool given = false;
  std::string text;

 private:
  std::array<std::byte, 8> integer_{};
};

}  // namespace coffer::tools
