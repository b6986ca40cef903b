// See page_file.hpp.
#include "pager/page_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <coffer/error.hpp>
#include <mutex>
#include <vector>

#include "platform/mutation.hpp"

namespace coffer::pager {

namespace {

constexpr std::uint64_t kWindowBytes = std::uint64_t{256} << 20;
/// Below every system's IOV_MAX (1024 on Linux).
constexpr std::size_t kSlotsPerWrite = 512;

}  // namespace

/// Windows by number, in two levels so that the table itself never moves: a reader finds its window
/// with two loads.  Windows beyond the table's reach (256 TiB) are read by position instead.
struct PageFile::Windows {
  static constexpr std::size_t kPerGroup = 1024;
  static constexpr std::size_t kGroups = 1024;
  struct Group {
    std::array<std::atomic<const platform::Mapping*>, kPerGroup> maps{};
  };

  /// nullptr when the table does not reach that far.
  const platform::Mapping* get(const platform::File& file, std::uint64_t index) {
    if (index >= kGroups * kPerGroup) return nullptr;
    Group* group = groups[index / kPerGroup].load(std::memory_order_acquire);
    if (group != nullptr) {
      const auto* map = group->maps[index % kPerGroup].load(std::memory_order_acquire);
      if (map != nullptr) return map;
    }
    return open(file, index);
  }

 private:
  const platform::Mapping* open(const platform::File& file, std::uint64_t index) {
    const std::lock_guard guard(opening);
    auto& group_entry = groups[index / kPerGroup];
    Group* group = group_entry.load(std::memory_order_relaxed);
    if (group == nullptr) {
      owned_groups.push_back(std::make_unique<Group>());
      group = owned_groups.back().get();
      group_entry.store(group, std::memory_order_release);
    }
    auto& entry = group->maps[index % kPerGroup];
    if (const auto* other_thread_s = entry.load(std::memory_order_relaxed)) return other_thread_s;
    owned_maps.reserve(owned_maps.size() + 1);
    owned_maps.push_back(file.map(index * kWindowBytes, kWindowBytes));
    entry.store(owned_maps.back().get(), std::memory_order_release);
    return owned_maps.back().get();
  }

  std::array<std::atomic<Group*>, kGroups> groups{};
  std::mutex opening;
  std::vector<std::unique_ptr<Group>> owned_groups;
  std::vector<std::unique_ptr<platform::Mapping>> owned_maps;
};

PageFile::PageFile(std::unique_ptr<platform::File> file, std::uint32_t page_bytes,
                   std::uint64_t map_granularity_bytes)
    : file_(std::move(file)), page_bytes_(page_bytes), windows_(std::make_unique<Windows>()) {
  Expects(file_ != nullptr);
  Expects(std::has_single_bit(page_bytes) && page_bytes >= 4096 && page_bytes <= 65536);
  Expects(map_granularity_bytes != 0 && kWindowBytes % map_granularity_bytes == 0);
  // Bytes behind the last whole slot are no slot; growing writes over them.
  slots_.store(file_->size() / page_bytes_, std::memory_order_release);
}

// Windows go before the file that they look into.
PageFile::~PageFile() {
  windows_.reset();
}

const platform::Path& PageFile::path() const {
  return file_->path();
}

void PageFile::raise_unverified(const std::string& what) const {
  if (!sync_failed_) raise_damaged(suite_, what);
  throw IoError(fmt::format("{}: an earlier sync of the file failed, so it may never have been "
                            "written; close the store and open it again",
                            what),
                "read", path(), 0);
}

void PageFile::raise_short(SlotId first, std::uint64_t count) const {
  const std::uint64_t slots = std::min(slot_count(), file_->size() / page_bytes_);
  raise_damaged(suite_,
                fmt::format("'{}' was cut: it has {} slots of {} bytes, and slot {} was referenced",
                            path().string(), slots, page_bytes_, first.value + count - 1));
}

void PageFile::expect_inside(SlotId first, std::uint64_t count) const {
  const std::uint64_t slots = slot_count();
  if (first.value >= slots || count > slots - first.value) raise_short(first, count);
}

// The system says of a page behind the end of a file only that it cannot supply it.  Whether
// somebody cut the file or its disk fails is seen from its size.
void PageFile::copy_from(const platform::Mapping& window, std::uint64_t slot_offset,
                         crypto::Nonce& nonce, std::span<std::byte> out) const {
  const std::uint64_t inside = slot_offset % kWindowBytes;
  try {
    window.copy_out(inside, nonce);
    window.copy_out(inside + nonce.size(), out);
  } catch (const IoError&) {
    if (file_->size() < slot_offset + nonce.size() + out.size()) {
      raise_short(SlotId(slot_offset / page_bytes_), 1);
    }
    throw;
  }
}

void PageFile::read(SlotId slot, crypto::Nonce& nonce, std::span<std::byte> out) const {
  expect_inside(slot, slots_for(page_bytes_, out.size()));
  const std::uint64_t offset = slot.value * page_bytes_;
  if (out.size() <= content_bytes(page_bytes_)) {
    if (const auto* window = windows_->get(*file_, offset / kWindowBytes)) {
      copy_from(*window, offset, nonce, out);
      return;
    }
  }
  if (file_->read_at(offset, nonce) != nonce.size() ||
      file_->read_at(offset + nonce.size(), out) != out.size()) {
    raise_short(slot, slots_for(page_bytes_, out.size()));
  }
}

void PageFile::read_slots(SlotRun run, std::span<std::byte> out) const {
  Expects(out.size() == std::size_t{run.count} * page_bytes_);
  expect_inside(run.first, run.count);
  if (file_->read_at(run.first.value * page_bytes_, out) != out.size()) {
    raise_short(run.first, run.count);
  }
}

void PageFile::write(SlotId first, std::span<const std::span<const std::byte>> slots) {
  Expects(slots.size() <= slot_count() && first.value <= slot_count() - slots.size());
  for (const auto& slot : slots) Expects(slot.size() == page_bytes_);
  while (!slots.empty()) {
    const std::size_t now = std::min(slots.size(), kSlotsPerWrite);
    file_->write_vector_at(first.value * page_bytes_, slots.first(now));
    slots = slots.subspan(now);
    first = first.next(now);
  }
}

void PageFile::write_run(SlotId first, std::span<const std::byte> whole) {
  Expects(whole.size() % page_bytes_ == 0);
  const std::uint64_t slots = whole.size() / page_bytes_;
  Expects(slots <= slot_count() && first.value <= slot_count() - slots);
  file_->write_at(first.value * page_bytes_, whole);
}

void PageFile::write_back(SlotRun run) noexcept {
  file_->write_back(run.first.value * page_bytes_, std::uint64_t{run.count} * page_bytes_);
}

void PageFile::grow(std::uint64_t slots) {
  const std::uint64_t before = slot_count();
  Expects(slots >= before);
  if (slots == before) return;
  file_->allocate(before * page_bytes_, (slots - before) * page_bytes_);
  slots_.store(slots, std::memory_order_release);
}

void PageFile::shrink(std::uint64_t slots) {
  Expects(slots <= slot_count());
  // Longer than it counts for, where leave_tail left something.
  if (slots * page_bytes_ >= file_->size()) return;
  file_->truncate(slots * page_bytes_);
  slots_.store(slots, std::memory_order_release);
}

void PageFile::leave_tail(std::uint64_t slots) {
  slots_.store(std::min(slots, slot_count()), std::memory_order_release);
}

bool PageFile::take_tail(std::uint64_t slots) {
  if (slots > file_->size() / page_bytes_) return false;
  slots_.store(std::max(slots, slot_count()), std::memory_order_release);
  return true;
}

void PageFile::sync() {
  const std::lock_guard one_at_a_time(sync_mutex_);
  if (sync_failed_) {
    throw IoError(fmt::format("an earlier sync of '{}' failed, and what it lost cannot be known; "
                              "close the store and open it again",
                              path().string()),
                  "sync", path(), 0);
  }
  try {
    file_->data_sync();
  } catch (...) {
    if (planted(Mutation::ignore_failed_page_sync)) return;
    sync_failed_ = true;
    throw;
  }
}

}  // namespace coffer::pager
