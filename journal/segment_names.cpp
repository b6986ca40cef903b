#include "journal/segment_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "platform/contracts.hpp"

namespace coffer::journal {
namespace {

constexpr std::string_view kPrefix = "journal-";
constexpr std::size_t kDigits = 16;

}  // namespace

std::string segment_name(std::uint64_t index) {
  return fmt::format("{}{:016x}", kPrefix, index);
}

std::optional<std::uint64_t> segment_index(std::string_view name) {
  if (name.size() != kPrefix.size() + kDigits || !name.starts_with(kPrefix)) return std::nullopt;
  const std::string_view digits = name.substr(kPrefix.size());
  std::uint64_t index = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), index, 16);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  // Upper-case digits and the like would name the same segment twice.
  if (segment_name(index) != name) return std::nullopt;
  return index;
}

platform::Path segment_path(const JournalFiles& files, std::uint64_t index) {
  return files.directory / segment_name(index);
}

std::vector<std::uint64_t> list_segments(const JournalFiles& files) {
  std::vector<std::uint64_t> indices;
  const std::uint64_t index_limit =
      std::numeric_limits<std::uint64_t>::max() / files.segment_bytes - 1;
  for (const std::string& name : files.files->list(files.directory)) {
    const auto index = segment_index(name);
    if (index && *index < index_limit) indices.push_back(*index);
  }
  std::sort(indices.begin(), indices.end());
  return indices;
}

std::uint64_t journal_file_bytes(const JournalFiles& files) {
  return list_segments(files).size() * files.segment_bytes;
}

void check_journal_files(const JournalFiles& files) {
  Expects(files.files != nullptr);
  Expects(files.segment_bytes > 0 && files.segment_bytes % kFragmentBytesMax == 0);
}

}  // namespace coffer::journal
