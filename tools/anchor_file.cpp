#include "tools/anchor_file.hpp"

#include <coffer/error.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <gsl/gsl>
#include <sstream>
#include <system_error>

#include "platform/platform.hpp"
#include "tools/file_name.hpp"
#include "tools/text_form.hpp"

namespace coffer::tools {
namespace {

constexpr std::string_view kFirstLine = "coffer-anchor 1";

[[noreturn]] void throw_io(const std::filesystem::path& file, const char* operation,
                           const std::error_code& code) {
  throw IoError(fmt::format("cannot {} {}: {}; see to the file and run the command again",
                            operation, file.string(), code.message()),
                operation, file, code.value());
}

[[noreturn]] void throw_malformed() {
  throw UsageError(
      "the anchor file is not one (four lines: coffer-anchor 1, instance, commit, history); "
      "restore it from where you keep copies");
}

// What follows `name` and a blank on the next line of `text`, which is taken off.
std::string_view take_field(std::string_view& text, std::string_view name) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) throw_malformed();
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (!line.starts_with(name)) throw_malformed();
  line.remove_prefix(name.size());
  if (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

template <std::size_t kSize>
void take_hex(std::string_view digits, std::array<std::byte, kSize>& out) {
  if (digits.size() != 2 * kSize || !decode_hex(digits, out)) throw_malformed();
}

void write_synced(platform::FileSystem& files, const std::filesystem::path& path,
                  std::string_view text) {
  // Left by a command that was killed.
  if (files.exists(path)) files.remove(path);
  const auto file = files.create(path);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->sync();
}

}  // namespace

std::string format_anchor(const Anchor& anchor) {
  return fmt::format("{}\ninstance {}\ncommit {}\nhistory {}\n", kFirstLine,
                     encode_hex(anchor.instance), anchor.commit, encode_hex(anchor.history));
}

Anchor parse_anchor(std::string_view text) {
  Anchor anchor;
  if (!take_field(text, kFirstLine).empty()) throw_malformed();
  take_hex(take_field(text, "instance"), anchor.instance);
  const std::string_view number = take_field(text, "commit");
  const char* const end = number.data() + number.size();
  if (const auto [stop, error] = std::from_chars(number.data(), end, anchor.commit);
      error != std::errc() || stop != end) {
    throw_malformed();
  }
  take_hex(take_field(text, "history"), anchor.history);
  if (!text.empty()) throw_malformed();
  return anchor;
}

std::optional<Anchor> anchor_to_require(const GlobalOptions& options) {
  if (options.anchor_file.empty()) {
    if (options.update_anchor) throw UsageError("--update-anchor needs --anchor-file FILE");
    return std::nullopt;
  }
  const std::filesystem::path name = path_of(options.anchor_file);
  std::ifstream file(name, std::ios::binary);
  if (!file) {
    const bool missing = !std::filesystem::exists(name);
    if (missing && options.update_anchor) return std::nullopt;
    if (!missing) throw_io(name, "read", {errno, std::generic_category()});
    throw UsageError(
        fmt::format("there is no anchor file {}; restore it, or begin one with --update-anchor",
                    options.anchor_file));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return parse_anchor(text.str());
}

void save_anchor(const std::filesystem::path& file, const Anchor& anchor) {
  std::filesystem::path next = file;
  next += ".new";
  platform::FileSystem& files = platform::native_platform().files();
  write_synced(files, next, format_anchor(anchor));
  std::error_code code;
  std::filesystem::rename(next, file, code);  // which replaces, unlike the engine's
  if (code) throw_io(file, "replace", code);
  files.sync_directory(file.parent_path());
}

}  // namespace coffer::tools
