// Views of bytes that Coffer's interface takes and gives.  They own nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace coffer {

/// A read-only run of bytes that somebody else owns.  Built from a span, a string literal or a
/// string_view without copying; the owner must outlive the view.
class Bytes : public std::span<const std::byte> {
 public:
  using std::span<const std::byte>::span;
  constexpr Bytes() = default;
  constexpr Bytes(std::span<const std::byte> bytes) : span(bytes) {}
  constexpr Bytes(std::span<std::byte> bytes) : span(bytes) {}
  Bytes(std::string_view text) : span(std::as_bytes(std::span(text.data(), text.size()))) {}
  Bytes(const char* text) : Bytes(std::string_view(text)) {}
  Bytes(const std::string& text) : Bytes(std::string_view(text)) {}

  /// The same bytes seen as text.  Copying the result into a std::string takes the plaintext out of
  /// locked memory; that copy is the caller's to protect.
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(data()), size()};
  }
};

/// True when both hold the same bytes.
[[nodiscard]] inline bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

/// Unsigned lexicographic order, as `memcmp` gives it; a prefix sorts before what it begins.
[[nodiscard]] inline int compare(Bytes a, Bytes b) {
  const std::size_t common = a.size() < b.size() ? a.size() : b.size();
  if (const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common); order != 0) {
    return order;
  }
  return a.size() < b.size() ? -1 : (a.size() > b.size() ? 1 : 0);
}

}  // namespace coffer
