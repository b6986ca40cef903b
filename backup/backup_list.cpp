// See backup_list.hpp.
#include "backup/backup_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <coffer/error.hpp>

#include "backup/backup_key.hpp"
#include "backup/backup_name.hpp"
#include "backup/label.hpp"
#include "crypto/key_header_format.hpp"

namespace coffer {
namespace backup {
namespace {

namespace key_format = crypto::key_header_format;

/// The store id in the copy of the key header.  Its checksum needs no key: a backup that cannot be opened for it
/// must not count as one.
std::array<std::byte, crypto::kStoreIdBytes> store_id_in(std::span<const std::byte> header,
                                                         const platform::Path& file) {
  if (header.size() < format::kHeaderBytes) {
    throw Corrupted(fmt::format("{}: the backup ends after {} bytes, within its header: it was cut",
                                file.string(), header.size()));
  }
  const auto copy = header.subspan(format::kKeyHeaderAt, format::kKeyHeaderBytes);
  const crypto::Hash checksum = crypto::hash({}, {copy.first(key_format::kChecksumAt)});
  if (std::memcmp(copy.data(), key_format::kMagic.data(), key_format::kMagic.size()) != 0 ||
      std::memcmp(&copy[key_format::kChecksumAt], checksum.data(), checksum.size()) != 0) {
    throw Corrupted(fmt::format(
        "{}: the key header in the backup is damaged, so that no key opens it", file.string()));
  }
  std::array<std::byte, crypto::kStoreIdBytes> id;
  std::ranges::copy(copy.subspan(key_format::kStoreIdAt, id.size()), id.begin());
  return id;
}

/// False: it is no file of the name's kind, and nothing that begins as a backup.
bool begins_as_backup(platform::File& file) {
  std::array<std::byte, format::kMagic.size()> magic;
  return file.read_at(0, magic) == magic.size() &&
         std::memcmp(magic.data(), format::kMagic.data(), magic.size()) == 0;
}

BackupFile look_at(platform::File& file, std::string_view file_name) {
  std::vector<std::byte> header(format::kHeaderBytes);
  header.resize(file.read_at(0, header));
  const Label label = decode_label(header, file.path());
  const auto store_id = store_id_in(header, file.path());
  BackupFile backup{.file = file.path(),
                    .bytes = file.size(),
                    .kind = kind_of(label.kind),
                    .encryption = mode_of(label.key_origin),
                    .taken = label.taken,
                    .page_size = label.page_size,
                    .link = label.link,
                    .id = label.id,
                    .set = label.set,
                    .parent = label.parent};
  if (label.key_origin == format::KeyOrigin::store) backup.store_id = store_id;
  backup.store_name = store_in_name(file_name, backup.kind,
                                    label.key_origin != format::KeyOrigin::none, label.taken);
  return backup;
}

/// Puts what is of this name where it belongs, if anywhere.
void sort_in(BackupList& list, platform::Platform& platform, const platform::Path& directory,
             const std::string& name) {
  const platform::Path path = directory / path_of_name(name);
  const auto put = [&](BackupTrouble trouble, std::string text) {
    list.others.push_back({.file = path, .trouble = trouble, .text = std::move(text)});
  };
  if (name.starts_with('.') && name.ends_with(".in-progress")) {
    return put(BackupTrouble::in_progress,
               fmt::format("{}: being written, or left over by a crash; when nothing runs that "
                           "writes here it can be deleted",
                           path.string()));
  }
  const bool named = name.ends_with(kBackupFileSuffix);
  try {
    if (!named && platform.files().is_directory(path)) return;
    const auto file = platform.files().open(path, platform::OpenMode::read_only);
    if (!named && !begins_as_backup(*file)) return;
    list.backups.push_back(look_at(*file, name));
  } catch (const Corrupted& damage) {
    put(BackupTrouble::damaged, damage.what());
  } catch (const VersionUnsupported& unknown) {
    put(BackupTrouble::unsupported, unknown.what());
  } catch (const IoError& failure) {
    // Renamed or removed since the directory was read: backups come and go.
    if (!platform.files().exists(path)) return;
    put(named ? BackupTrouble::unreadable : BackupTrouble::not_looked_at, failure.what());
  }
}

}  // namespace

BackupFile look_at_backup(platform::Platform& platform, const platform::Path& file,
                          std::string_view file_name) {
  return look_at(*platform.files().open(file, platform::OpenMode::read_only), file_name);
}

BackupList backups_in(platform::Platform& platform, const platform::Path& directory) {
  if (directory.empty() || !platform.files().is_directory(directory)) {
    throw InvalidArgument(fmt::format("there is no directory {} with backups", directory.string()));
  }
  BackupList list;
  for (const std::string& name : platform.files().list(directory)) {
    sort_in(list, platform, directory, name);
  }
  // Asked for after all headers were read: one that was published meanwhile is not of the future.
  find_troubles(list.backups, platform.clock().wall());
  return list;
}

}  // namespace backup

BackupFile describe_backup(const std::filesystem::path& file) {
  platform::Platform& platform = platform::native_platform();
  if (!platform.files().exists(file)) {
    throw InvalidArgument(fmt::format("there is no backup {}", file.string()));
  }
  const std::u8string name = file.filename().u8string();
  return backup::look_at_backup(platform, file, std::string(name.begin(), name.end()));
}

BackupList list_backups(const std::filesystem::path& directory) {
  return backup::backups_in(platform::native_platform(), directory);
}

}  // namespace coffer
