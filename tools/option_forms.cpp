#include "tools/option_forms.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

namespace coffer::tools {
namespace {

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return number;
}

// How far a unit shifts; nothing when it is none.
std::optional<unsigned> shift_of(std::string_view unit) {
  std::string lower(unit);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  constexpr std::string_view kPrefixes = "kmgt";
  if (lower.empty() || lower == "b") return 0;
  const std::size_t prefix = kPrefixes.find(lower[0]);
  const std::string rest = lower.substr(1);
  if (prefix == std::string_view::npos || !(rest.empty() || rest == "b" || rest == "ib")) {
    return std::nullopt;
  }
  return static_cast<unsigned>(10 * (prefix + 1));
}

std::optional<std::uint64_t> size_of(std::string_view text) {
  const std::optional<std::uint64_t> number = take_number(text);
  if (!number) return std::nullopt;
  while (text.starts_with(' ')) text.remove_prefix(1);
  const std::optional<unsigned> shift = shift_of(text);
  if (!shift || *number > (std::numeric_limits<std::uint64_t>::max() >> *shift)) {
    return std::nullopt;
  }
  return *number << *shift;
}

}  // namespace

std::uint64_t parse_size(const std::string& option, const std::string& text) {
  const std::optional<std::uint64_t> size = size_of(text);
  if (!size) {
    throw CLI::ValidationError(option,
                               text + " is no number of bytes, such as 4096, 64K, 16M or 2G");
  }
  return *size;
}

std::uint64_t parse_count(const std::string& option, const std::string& text) {
  std::string_view rest = text;
  const std::optional<std::uint64_t> number = take_number(rest);
  if (!number || !rest.empty()) throw CLI::ValidationError(option, text + " is no whole number");
  return *number;
}

void add_passphrase_cost_options(CLI::App& app, PassphraseCost& cost) {
  add_size_option(app, "--passphrase-memory", cost.memory_bytes,
                  "What one guess at the passphrase must cost in memory (default 256M)");
  app.add_option("--passphrase-passes", cost.passes,
                 "How often a guess passes over that memory (default 3)")
      ->type_name("N");
}

}  // namespace coffer::tools
