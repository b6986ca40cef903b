// See label.hpp.
#include "backup/label.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include <coffer/error.hpp>

#include "crypto/key_header_format.hpp"
#include "crypto/seal_format.hpp"
#include "platform/contracts.hpp"

namespace coffer::backup {
namespace {

using crypto::seal_format::get_little_endian;
using crypto::seal_format::put_little_endian;
using format::Kind;

BackupId id_at(std::span<const std::byte> header, std::size_t at) {
  BackupId id;
  std::ranges::copy(header.subspan(at, id.size()), id.begin());
  return id;
}

bool is_page_size(std::uint32_t bytes) {
  return std::has_single_bit(bytes) && bytes >= crypto::key_header_format::kPageBytesMin &&
         bytes <= crypto::key_header_format::kPageBytesMax;
}

// kind_of and format_of count on it.
static_assert(static_cast<int>(Kind::logical) == static_cast<int>(BackupKind::logical) + 1);
static_assert(static_cast<int>(Kind::snapshot_increment) ==
              static_cast<int>(BackupKind::snapshot_increment) + 1);

/// What is wrong with it, or nullptr.
const char* contradiction_in(const Label& label) {
  const BackupId zero{};
  if (label.key_origin > format::KeyOrigin::store) return "its kind of key";
  if (label.compressed && is_snapshot(label.kind)) return "its compression";
  if (is_snapshot(label.kind) ? !is_page_size(label.page_size) : label.page_size != 0) {
    return "its page size";
  }
  if (is_increment(label.kind) != (label.link != 0)) return "its place in the chain";
  if (label.id == zero) return "its id";
  if (label.link == 0) {
    return label.set != label.id || label.parent != zero ? "the chain that it begins" : nullptr;
  }
  const bool first = label.link == 1;
  if (label.set == zero || label.parent == zero || label.set == label.id ||
      label.parent == label.id || first != (label.parent == label.set)) {
    return "the chain that it is in";
  }
  return nullptr;
}

}  // namespace

bool is_increment(Kind kind) {
  return kind == Kind::logical_increment || kind == Kind::snapshot_increment;
}

bool is_snapshot(Kind kind) {
  return kind == Kind::snapshot || kind == Kind::snapshot_increment;
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::logical:
      return "logical";
    case Kind::logical_increment:
      return "logical-increment";
    case Kind::snapshot:
      return "snapshot";
    case Kind::snapshot_increment:
      break;
  }
  return "snapshot-increment";
}

BackupKind kind_of(Kind kind) {
  return static_cast<BackupKind>(static_cast<std::uint8_t>(kind) - 1);
}

Kind format_of(BackupKind kind) {
  return static_cast<Kind>(static_cast<std::uint8_t>(kind) + 1);
}

Label full_label(platform::Entropy& entropy, Kind kind, std::chrono::nanoseconds taken,
                 std::uint32_t page_size) {
  Expects(!is_increment(kind));
  Label label{
      .kind = kind, .key_origin = {}, .compressed = false, .page_size = page_size, .taken = taken};
  entropy.fill(label.id);
  label.set = label.id;
  return label;
}

void encode_label(std::span<std::byte> header, const Label& label) {
  Expects(header.size() >= format::kKeyHeaderAt);
  Expects(contradiction_in(label) == nullptr);
  std::memcpy(&header[format::kMagicAt], format::kMagic.data(), format::kMagic.size());
  put_little_endian(&header[format::kVersionAt], format::kVersion);
  header[format::kKindAt] = static_cast<std::byte>(label.kind);
  header[format::kKeyOriginAt] = static_cast<std::byte>(label.key_origin);
  header[format::kCompressionAt] = std::byte{label.compressed};
  put_little_endian(&header[format::kPageSizeAt], label.page_size);
  put_little_endian(&header[format::kLinkAt], label.link);
  put_little_endian(&header[format::kTakenAt], static_cast<std::uint64_t>(label.taken.count()));
  std::ranges::copy(label.id, &header[format::kIdAt]);
  std::ranges::copy(label.set, &header[format::kSetAt]);
  std::ranges::copy(label.parent, &header[format::kParentAt]);
}

Label decode_label(std::span<const std::byte> header, const platform::Path& name) {
  if (header.size() < format::kKeyHeaderAt ||
      std::memcmp(&header[format::kMagicAt], format::kMagic.data(), format::kMagic.size()) != 0) {
    throw Corrupted(
        fmt::format("{} is no backup of Coffer's, or its beginning is damaged", name.string()));
  }
  const auto version = get_little_endian<std::uint32_t>(&header[format::kVersionAt]);
  const auto kind = std::to_integer<std::uint8_t>(header[format::kKindAt]);
  if (version != format::kVersion || kind < static_cast<std::uint8_t>(Kind::logical) ||
      kind > static_cast<std::uint8_t>(Kind::snapshot_increment)) {
    throw VersionUnsupported(
        fmt::format("{} says that it is a backup of format {} and kind {}: use the Coffer that "
                    "wrote it, or, if that was this one, the file is damaged",
                    name.string(), version, kind));
  }
  Label label;
  label.kind = static_cast<Kind>(kind);
  label.key_origin =
      static_cast<format::KeyOrigin>(std::to_integer<std::uint8_t>(header[format::kKeyOriginAt]));
  const auto compression = std::to_integer<std::uint8_t>(header[format::kCompressionAt]);
  if (compression > 1) {
    throw VersionUnsupported(
        fmt::format("{} says that it is compressed in way {}: use the Coffer that wrote it, or, if "
                    "that was this one, the file is damaged",
                    name.string(), compression));
  }
  label.compressed = compression != 0;
  label.page_size = get_little_endian<std::uint32_t>(&header[format::kPageSizeAt]);
  label.link = get_little_endian<std::uint32_t>(&header[format::kLinkAt]);
  label.taken = std::chrono::nanoseconds(
      static_cast<std::int64_t>(get_little_endian<std::uint64_t>(&header[format::kTakenAt])));
  label.id = id_at(header, format::kIdAt);
  label.set = id_at(header, format::kSetAt);
  label.parent = id_at(header, format::kParentAt);
  if (const char* const what = contradiction_in(label)) {
    throw Corrupted(
        fmt::format("{}: the backup's header contradicts itself in what it says of {}; it was "
                    "damaged or changed: use another one",
                    name.string(), what));
  }
  return label;
}

}  // namespace coffer::backup
