// See store_copy.hpp.
#include "backup/store_copy.hpp"

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "crypto/seal.hpp"
#include "platform/contracts.hpp"
#include "txn/store_files.hpp"
#include "txn/store_image.hpp"

namespace coffer::backup {

namespace {

constexpr std::uint64_t kWriteBackBytes = 32 << 20;

}  // namespace

void expect_room(platform::Platform& platform, const platform::Path& place, std::uint64_t bytes) {
  const std::uint64_t free = platform.files().free_bytes(directory_of(place));
  if (free >= bytes) return;
  throw NoSpace(
      fmt::format("about {} bytes are needed, and {} are free where {} shall be: free space, or "
                  "choose another place",
                  bytes, free, place.string()));
}

StoreCopy::StoreCopy(platform::Platform& platform, const platform::Path& place,
                     std::uint32_t page_bytes, std::uint64_t slots)
    : platform_(platform),
      directory_(platform, place),
      page_bytes_(page_bytes),
      buffer_(kRoomBytes) {
  expect_room(platform, place, slots * page_bytes);
  platform.files().make_directory(beside());
  pages_ = platform.files().create(txn::StoreFiles{beside()}.pages());
  // The pager counts on having the room that the file's length says (PageFile's F2).
  if (slots != 0) pages_->allocate(0, slots * page_bytes);
}

std::span<std::byte> StoreCopy::room(std::uint32_t slots) {
  return std::span(buffer_).first(std::size_t{slots} * page_bytes_);
}

void StoreCopy::took(std::span<const pager::SlotRun> runs) {
  std::span<const std::byte> slots(buffer_);
  for (const pager::SlotRun& run : runs) {
    const std::size_t bytes = std::size_t{run.count} * page_bytes_;
    write(run, slots.first(bytes));
    slots = slots.subspan(bytes);
  }
}

void StoreCopy::write(pager::SlotRun run, std::span<const std::byte> slots) {
  Expects(slots.size() == std::size_t{run.count} * page_bytes_);
  pages_->write_at(run.first.value * page_bytes_, slots);
  written_ += slots.size();
  if (written_ < kWriteBackBytes) return;
  // Of the whole file: what was written may lie anywhere in it, and what is on its way already costs nothing.
  pages_->write_back(0, 0);
  written_ = 0;
}

void StoreCopy::finish(const pager::Superblock& original, const crypto::KeyRing& keys,
                       std::span<const std::byte> copy, platform::LockPolicy policy) {
  auto& files = platform_.files();
  const txn::StoreFiles store{beside()};
  pages_->sync();
  pages_.reset();
  const crypto::OpenedKeyHeader renewed = crypto::renew_key_header(platform_, keys, copy, policy);
  txn::write_new_file(files, store.keys(), renewed.bytes);
  txn::write_new_superblock(
      platform_, store, txn::superblock_of_copy(platform_, original, *renewed.keys), *renewed.keys);
  txn::write_new_file(files, store.lock(), {});
  files.sync_directory(beside());
}

}  // namespace coffer::backup
