// Files of which only the header is that of a backup: what lists and retention look at.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "backup/label.hpp"
#include "crypto/seal.hpp"

namespace coffer::test {

/// Any number but 0 as an id.
inline backup::BackupId numbered_id(std::uint32_t number) {
  backup::BackupId id{};
  std::memcpy(id.data(), &number, sizeof number);
  return id;
}

/// A full backup, ...
inline backup::Label full_label_of(std::uint32_t id, std::chrono::nanoseconds taken,
                                   backup::format::KeyOrigin origin,
                                   backup::format::Kind kind = backup::format::Kind::logical) {
  return {.kind = kind,
          .key_origin = origin,
          .page_size = backup::is_snapshot(kind) ? 4096u : 0u,
          .link = 0,
          .taken = taken,
          .id = numbered_id(id),
          .set = numbered_id(id),
          .parent = {}};
}

/// ... and what comes after another one.
inline backup::Label label_after(const backup::Label& parent, std::uint32_t id,
                                 std::chrono::nanoseconds taken) {
  backup::Label label = parent;
  label.kind = backup::is_snapshot(parent.kind) ? backup::format::Kind::snapshot_increment
                                                : backup::format::Kind::logical_increment;
  label.link = parent.link + 1;
  label.taken = taken;
  label.id = numbered_id(id);
  label.parent = parent.id;
  return label;
}

/// The file, of 4,608 bytes and some more; its key header names the store `store`.
inline std::vector<std::byte> label_file(const backup::Label& label, unsigned char store) {
  std::vector<std::byte> bytes(4608 + 100, std::byte{0xcc});
  const std::span<std::byte> header = std::span(bytes).first(4608);
  std::ranges::fill(header, std::byte{0});
  backup::encode_label(header, label);
  std::memcpy(&header[512], "COFFERK1", 8);
  std::ranges::fill(header.subspan(512 + 32, 16), static_cast<std::byte>(store));
  const crypto::Hash checksum = crypto::hash({}, {header.subspan(512, 4032)});
  std::ranges::copy(checksum, &header[512 + 4032]);
  return bytes;
}

/// The name that it should have.
inline std::string label_file_name(const backup::Label& label, std::string_view store) {
  return backup_file_name(store, backup::kind_of(label.kind),
                          label.key_origin != backup::format::KeyOrigin::none, label.taken);
}

}  // namespace coffer::test
