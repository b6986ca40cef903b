#include "tools/system/system_files.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <system_error>

namespace coffer::tools {
namespace {

namespace fs = std::filesystem;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n";
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

fs::path SystemFiles::place_of(std::string_view path) const {
  return root_ / fs::path(path).relative_path();
}

std::optional<std::string> SystemFiles::read(std::string_view path) const {
  std::ifstream file(place_of(path), std::ios::binary);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  // Opening a directory or a file of the kernel's may succeed where reading does not.
  if (file.bad()) return std::nullopt;
  std::string all = text.str();
  if (all.ends_with('\n')) all.pop_back();
  return all;
}

std::vector<std::string> SystemFiles::lines(std::string_view path) const {
  std::vector<std::string> result;
  std::istringstream text(read(path).value_or(""));
  for (std::string line; std::getline(text, line);) result.push_back(std::move(line));
  return result;
}

std::optional<std::string> SystemFiles::field(std::string_view path, std::string_view name) const {
  for (const std::string& line : lines(path)) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    return std::string(trimmed(std::string_view(line).substr(name.size() + 1)));
  }
  return std::nullopt;
}

bool SystemFiles::exists(std::string_view path) const {
  std::error_code ignored;
  return fs::exists(place_of(path), ignored);
}

std::vector<std::string> SystemFiles::names(std::string_view directory) const {
  std::vector<std::string> result;
  std::error_code failed;
  fs::directory_iterator entries(place_of(directory), failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    result.push_back(entries->path().filename().string());
  }
  std::ranges::sort(result);
  return result;
}

fs::path SystemFiles::resolved(std::string_view path) const {
  std::error_code failed;
  const fs::path end = fs::canonical(place_of(path), failed);
  if (failed) return fs::path(path);
  const fs::path root = fs::canonical(root_, failed);
  return failed ? end : fs::path("/") / end.lexically_relative(root);
}

std::optional<std::uint64_t> number_in(std::string_view text) {
  const std::string_view word = trimmed(text);
  if (word == "max" || word == "unlimited") return UINT64_MAX;
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (failed != std::errc() || end == word.data()) return std::nullopt;
  return number;
}

}  // namespace coffer::tools
