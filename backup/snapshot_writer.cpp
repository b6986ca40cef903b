// See snapshot_writer.hpp.
#include "backup/snapshot_writer.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "crypto/seal_format.hpp"
#include "pager/pager_format.hpp"
#include "platform/contracts.hpp"

namespace coffer::backup {
namespace {

using crypto::seal_format::put_little_endian;

std::vector<std::byte> encode_manifest(const Manifest& manifest) {
  std::vector<std::byte> bytes(format::kManifestBytes);
  bytes[format::kFlagsAt] = manifest.verified ? format::kVerifiedFlag : std::byte{0};
  put_little_endian(&bytes[format::kParentCheckpointAt], manifest.parent.checkpoint);
  std::ranges::copy(manifest.parent.identity, &bytes[format::kParentIdentityAt]);
  const auto plain = std::make_unique<pager::superblock_format::Plain>();
  pager::superblock_format::encode(manifest.superblock, *plain);
  std::ranges::copy(*plain, &bytes[format::kSuperblockAt]);
  return bytes;
}

/// Where the slots of a group go; `count` of them.
std::vector<std::byte> encode_table(std::span<const pager::SlotRun> runs,
                                    std::uint32_t page_bytes) {
  std::vector<std::byte> bytes(format::group_table_bytes(page_bytes));
  std::byte* at = bytes.data();
  for (const pager::SlotRun& run : runs) {
    Expects(at + format::kGroupEntryBytes <= bytes.data() + bytes.size());
    pager::format::detail::put_number<6>(at, run.first.value);
    pager::format::detail::put_number<2>(at + 6, run.count);
    at += format::kGroupEntryBytes;
  }
  return bytes;
}

}  // namespace

SnapshotWriter::SnapshotWriter(platform::File& file, BackupHeader header, const Manifest& manifest,
                               platform::LockedHeap& heap)
    : page_bytes_(manifest.superblock.page_bytes),
      group_slots_(format::group_slots(page_bytes_)),
      file_(file, 0),
      header_(std::move(header)),
      sealer_(header_.suite, header_.key_bytes(), heap),
      sealed_(format::sealed(format::group_table_bytes(page_bytes_))) {
  std::ranges::copy(sealer_.header(), &header_.bytes[format::kStreamHeaderAt]);
  sealer_.bind(context_of(header_));
  file_.write(header_.bytes);
  std::vector<std::byte> sealed(format::sealed(format::kManifestBytes));
  sealer_.seal(sealed, encode_manifest(manifest), false);
  file_.write(sealed);
  const std::size_t room = format::kGroupBytes + kRoomBytes;
  group_.slots.resize(room);
  other_.slots.resize(room);
}

std::span<std::byte> SnapshotWriter::room(std::uint32_t slots) {
  const std::size_t at = std::size_t{group_.count} * page_bytes_;
  if (at + std::size_t{slots} * page_bytes_ > group_.slots.size()) next_group();
  return std::span(group_.slots)
      .subspan(std::size_t{group_.count} * page_bytes_, std::size_t{slots} * page_bytes_);
}

void SnapshotWriter::took(std::span<const pager::SlotRun> runs) {
  for (const pager::SlotRun& run : runs) took_one(run);
}

void SnapshotWriter::took_one(pager::SlotRun run) {
  if (!group_.runs.empty()) {
    pager::SlotRun& last = group_.runs.back();
    if (last.first.next(last.count) == run.first) {
      last.count += run.count;
      group_.count += run.count;
      return;
    }
  }
  group_.runs.push_back(run);
  group_.count += run.count;
}

void SnapshotWriter::next_group() {
  thread_.finish();
  other_.runs.clear();
  // A full group has group_slots_; what is behind them begins the next one.
  Expects(group_.count >= group_slots_);
  std::uint32_t before = 0;
  std::vector<pager::SlotRun> full;
  for (const pager::SlotRun& run : group_.runs) {
    const std::uint32_t here = std::min(run.count, group_slots_ - before);
    if (here != 0) full.push_back({run.first, here});
    if (here < run.count) other_.runs.push_back({run.first.next(here), run.count - here});
    before += here;
  }
  other_.count = group_.count - group_slots_;
  std::memcpy(other_.slots.data(), group_.slots.data() + std::size_t{group_slots_} * page_bytes_,
              std::size_t{other_.count} * page_bytes_);
  group_.runs = std::move(full);
  group_.count = group_slots_;
  hand_over();
}

void SnapshotWriter::hand_over() {
  slots_ += group_.count;
  std::swap(group_, other_);
  thread_.start([this] { seal(other_); });
}

void SnapshotWriter::seal(const SlotGroup& group) {
  const auto slots = std::span(group.slots).first(std::size_t{group.count} * page_bytes_);
  sealer_.seal(sealed_, encode_table(group.runs, page_bytes_), false, slots);
  file_.write(slots);
  file_.write(sealed_);
}

std::uint64_t SnapshotWriter::finish() {
  while (group_.count > group_slots_) next_group();
  thread_.finish();
  if (group_.count != 0) hand_over();
  thread_.finish();
  std::array<std::byte, format::kEndRecordBytes> end;
  put_little_endian(end.data(), slots_);
  std::array<std::byte, format::sealed(format::kEndRecordBytes)> sealed;
  sealer_.seal(sealed, end, true);
  file_.write(sealed);
  return file_.finish();
}

}  // namespace coffer::backup
