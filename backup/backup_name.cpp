// See backup_name.hpp.
#include "backup/backup_name.hpp"

#include <fmt/format.h>

#include "backup/label.hpp"
#include "txn/store_files.hpp"

namespace coffer {
namespace backup {
namespace {

/// With what is put around it while it is written, and with the rest, less than the 255 that file systems take.
constexpr std::size_t kStoreNameBytesMax = 120;

std::string usable_name(std::string_view store) {
  std::string name(store.substr(0, kStoreNameBytesMax));
  if (name.size() < store.size()) {
    // Not within a character.
    std::size_t end = name.size();
    while (end > 0 && (static_cast<unsigned char>(store[end]) & 0xc0u) == 0x80u) --end;
    name.resize(end);
  }
  for (char& c : name) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7f ||
        std::string_view("/\\:*?\"<>|").find(c) != std::string_view::npos)
      c = '_';
  }
  // Names with a dot in front do not show, and are what is in progress.
  if (name.starts_with('.')) name.front() = '_';
  return name.empty() ? "store" : name;
}

/// All that follows the store's name.
std::string rest_of_name(BackupKind kind, bool encrypted, std::chrono::nanoseconds taken) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(taken);
  const auto days = std::chrono::floor<std::chrono::days>(milliseconds);
  const std::chrono::year_month_day date{std::chrono::sys_days(days)};
  const std::chrono::hh_mm_ss time(milliseconds - days);
  return fmt::format(
      "-{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}Z-{}-{}{}", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
      time.minutes().count(), time.seconds().count(), time.subseconds().count(),
      name_of(format_of(kind)), encrypted ? "encrypted" : "plain", kBackupFileSuffix);
}

}  // namespace

std::string store_in_name(std::string_view file_name, BackupKind kind, bool encrypted,
                          std::chrono::nanoseconds taken) {
  const std::string rest = rest_of_name(kind, encrypted, taken);
  if (!file_name.ends_with(rest)) return {};
  return std::string(file_name.substr(0, file_name.size() - rest.size()));
}

platform::Path place_of_new(platform::Platform& platform, const platform::Path& file,
                            std::string_view store, BackupKind kind, bool encrypted,
                            std::chrono::nanoseconds taken) {
  if (store.empty() || file.empty() || !platform.files().is_directory(file)) return file;
  if (platform.files().exists(txn::StoreFiles{file}.keys())) {
    // Whatever removes a store removes what lies in its directory.
    throw InvalidArgument(fmt::format(
        "{} is a store's own directory: choose another place for a backup", file.string()));
  }
  return file / path_of_name(backup_file_name(store, kind, encrypted, taken));
}

}  // namespace backup

std::string backup_file_name(std::string_view store, BackupKind kind, bool encrypted,
                             std::chrono::nanoseconds taken) {
  return backup::usable_name(store) + backup::rest_of_name(kind, encrypted, taken);
}

}  // namespace coffer
