// See snapshot_reader.hpp.
#include "backup/snapshot_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include <coffer/error.hpp>

#include "crypto/seal_format.hpp"
#include "pager/pager_format.hpp"
#include "platform/contracts.hpp"

namespace coffer::backup {

using crypto::seal_format::get_little_endian;

SnapshotReader::SnapshotReader(platform::File& file, BackupHeader header,
                               platform::LockedHeap& heap)
    : file_(file), header_(std::move(header)), file_bytes_(file.size()) {
  if (!is_snapshot(header_.label.kind)) {
    throw InvalidArgument(fmt::format("{} is a {} backup, not a snapshot", file.path().string(),
                                      name_of(header_.label.kind)));
  }
  crypto::StreamHeader stream_header;
  std::copy_n(&header_.bytes[format::kStreamHeaderAt], stream_header.size(), stream_header.begin());
  opener_ = std::make_unique<crypto::ChunkOpener>(header_.suite, header_.key_bytes(), stream_header,
                                                  context_of(header_), heap);
  position_ = header_.bytes.size();
  read_manifest();
}

void SnapshotReader::raise_damaged(const std::string& what) const {
  raise_damaged_backup(header_.suite, file_.path(), what);
}

void SnapshotReader::read(std::span<std::byte> out) {
  const std::size_t got = file_.read_at(position_, out);
  if (got != out.size()) {
    raise_damaged(
        fmt::format("it ends after {} bytes, before its authenticated end", position_ + got));
  }
  position_ += got;
}

void SnapshotReader::open(std::span<std::byte> plain, bool last,
                          std::span<const std::byte> beside) {
  using Outcome = crypto::ChunkOpener::Outcome;
  const std::uint64_t at = position_;
  sealed_.resize(format::sealed(plain.size()));
  read(sealed_);
  const Outcome outcome = opener_->open(plain, sealed_, beside);
  if (outcome != (last ? Outcome::last : Outcome::chunk)) {
    raise_damaged(
        fmt::format("what is sealed at byte {} does not verify, or the file was cut", at));
  }
}

void SnapshotReader::read_manifest() {
  std::vector<std::byte> bytes(format::kManifestBytes);
  open(bytes, false, {});
  const auto plain = std::make_unique<pager::superblock_format::Plain>();
  std::copy_n(&bytes[format::kSuperblockAt], plain->size(), plain->begin());
  manifest_.superblock = pager::superblock_format::decode(*plain);
  manifest_.verified = (bytes[format::kFlagsAt] & format::kVerifiedFlag) != std::byte{0};
  manifest_.parent.checkpoint =
      get_little_endian<std::uint64_t>(&bytes[format::kParentCheckpointAt]);
  std::copy_n(&bytes[format::kParentIdentityAt], manifest_.parent.identity.size(),
              manifest_.parent.identity.begin());
  page_bytes_ = manifest_.superblock.page_bytes;
  if (page_bytes_ != header_.label.page_size ||
      is_increment(header_.label.kind) != (manifest_.parent.checkpoint != 0)) {
    raise_damaged("its header and what is sealed behind it disagree");
  }
}

bool SnapshotReader::next() {
  constexpr std::uint64_t kEnd = format::sealed(format::kEndRecordBytes);
  const std::uint64_t table = format::sealed(format::group_table_bytes(page_bytes_));
  const std::uint64_t left = file_bytes_ - std::min(file_bytes_, position_);
  if (left <= kEnd) {
    read_end();
    return false;
  }
  // What is left is groups and the end: so a short last group shows in the length.
  const std::uint64_t bytes = left - kEnd;
  const std::uint64_t slots = bytes <= table
                                  ? 0
                                  : std::min<std::uint64_t>((bytes - table) / page_bytes_,
                                                            format::group_slots(page_bytes_));
  if (slots == 0 ||
      (slots < format::group_slots(page_bytes_) && slots * page_bytes_ + table != bytes)) {
    raise_damaged(
        fmt::format("its length of {} bytes cannot be: it was cut or extended", file_bytes_));
  }
  group_ = static_cast<std::uint32_t>(slots);
  slots_.resize(slots * page_bytes_);
  read(slots_);
  std::vector<std::byte> entries(format::group_table_bytes(page_bytes_));
  open(entries, false, slots_);
  decode_table(entries);
  slots_read_ += slots;
  return true;
}

void SnapshotReader::decode_table(std::span<const std::byte> table) {
  runs_.clear();
  std::uint64_t slots = 0;
  for (std::size_t at = 0; at < table.size(); at += format::kGroupEntryBytes) {
    const std::uint64_t first = pager::format::detail::get_number<6>(&table[at]);
    const auto count =
        static_cast<std::uint32_t>(pager::format::detail::get_number<2>(&table[at + 6]));
    if (count == 0) break;
    if (first + count > manifest_.superblock.slot_count) {
      raise_damaged(fmt::format("it verifies but holds slot {}, which its store does not have",
                                first + count - 1));
    }
    runs_.push_back({SlotId(first), count});
    slots += count;
  }
  if (slots != group_)
    raise_damaged("it verifies but a group in it counts other slots than it has");
}

void SnapshotReader::read_end() {
  std::array<std::byte, format::kEndRecordBytes> end;
  open(end, true, {});
  if (get_little_endian<std::uint64_t>(end.data()) != slots_read_) {
    raise_damaged("it verifies but its end counts other slots than it has");
  }
  // `next` comes here only when nothing more than this is left.
  Ensures(position_ == file_bytes_);
}

}  // namespace coffer::backup
