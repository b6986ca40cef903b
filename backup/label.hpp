// What a backup's header says in the clear: which backups belong together, without a key.
//
// Nothing of it is authentic before the backup is opened, which authenticates all of it: every chunk is bound to
// the hash of the header.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include <coffer/backup.hpp>

#include "backup/backup_format.hpp"
#include "platform/platform.hpp"

namespace coffer::backup {

using BackupId = std::array<std::byte, format::kBackupIdBytes>;

struct Label {
  format::Kind kind{};
  format::KeyOrigin key_origin{};
  bool compressed = false;
  std::uint32_t page_size = 0;  ///< of a snapshot's slots; zero elsewhere
  std::uint32_t link = 0;       ///< 0: a full backup
  std::chrono::nanoseconds taken{};
  BackupId id{};
  BackupId set{};     ///< the id of the full backup that the chain begins with
  BackupId parent{};  ///< zero in a full backup

  friend bool operator==(const Label&, const Label&) = default;
};

[[nodiscard]] bool is_increment(format::Kind kind);
[[nodiscard]] bool is_snapshot(format::Kind kind);
/// "logical", "logical-increment", "snapshot", "snapshot-increment".
[[nodiscard]] std::string_view name_of(format::Kind kind);

/// One kind, as the interface and as the format has it.
[[nodiscard]] BackupKind kind_of(format::Kind kind);
[[nodiscard]] format::Kind format_of(BackupKind kind);

/// For a new full backup, with a fresh id.  `page_size` is a snapshot's.
[[nodiscard]] Label full_label(platform::Entropy& entropy, format::Kind kind,
                               std::chrono::nanoseconds taken, std::uint32_t page_size = 0);

/// Puts magic, version and label into a header's bytes, at least the first 512, and leaves the others.
void encode_label(std::span<std::byte> header, const Label& label);

/// Of any bytes, in front of which a label may be.  Corrupted: none is, or it contradicts itself.
/// VersionUnsupported: a version or a kind that is not known.  `name` is for messages.
[[nodiscard]] Label decode_label(std::span<const std::byte> header, const platform::Path& name);

}  // namespace coffer::backup
