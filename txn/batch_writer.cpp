// See batch_writer.hpp.
#include "txn/batch_writer.hpp"

#include <utility>

#include "platform/contracts.hpp"

namespace coffer::txn {

using pager::Hold;

namespace {

/// What is written at once: the system writes larger pieces for little more than small ones.
constexpr std::size_t kPieceBytes = 256 << 10;
/// So that the commit's sync has little to wait for.
constexpr std::uint64_t kWriteBackBytes = 4 << 20;

}  // namespace

BatchWriter::~BatchWriter() {
  for (const Written& written : written_) {
    core_.ledger->release({written.ref.slot, 1}, Hold::transaction);
  }
}

void BatchWriter::write(std::span<const PageId> pages, std::span<std::byte> contents) {
  const std::size_t size = core_.content_bytes;
  Expects(contents.size() >= pages.size() * size);
  const std::size_t before = sealed_.size();
  reserve_more(sealed_, pages.size());
  if (const std::size_t bytes = (before + pages.size()) * core_.page_bytes; bytes > bytes_.size()) {
    bytes_.resize(bytes);
  }
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const auto slot = std::span(bytes_).subspan((before + i) * core_.page_bytes, core_.page_bytes);
    const pager::SlotRef ref =
        core_.sealer->seal_into(pages[i], contents.subspan(i * size, size), commit_, nonces_, slot);
    filler_.fill(slot.subspan(crypto::kNonceBytes + ref.sealed_bytes));
    sealed_.push_back({pages[i], ref});
  }
  core_.pages_sealed.fetch_add(pages.size(), std::memory_order_relaxed);
  if (sealed_.size() * core_.page_bytes >= kPieceBytes) finish();
}

void BatchWriter::finish() {
  if (sealed_.empty()) return;
  const auto pages = std::exchange(sealed_, {});
  reserve_more(written_, pages.size());
  const auto slots = core_.ledger->allocate_scattered(pages.size(), Hold::transaction);
  try {
    write_slots(slots);
  } catch (...) {
    for (const auto& slot : slots) core_.ledger->release(slot, Hold::transaction);
    throw;
  }
  for (std::size_t i = 0; i < pages.size(); ++i) {
    written_.push_back(pages[i]);
    written_.back().ref.slot = slots[i].first;
  }
}

/// Neighbours with one call.
void BatchWriter::write_slots(std::span<const pager::SlotRun> slots) {
  for (std::size_t i = 0; i < slots.size();) {
    const std::size_t first = i;
    for (++i; i < slots.size() && slots[i].first == slots[i - 1].first.next(); ++i) {
    }
    core_.page_file->write_run(slots[first].first,
                               std::span<const std::byte>(bytes_).subspan(
                                   first * core_.page_bytes, (i - first) * core_.page_bytes));
    const auto count = static_cast<std::uint32_t>(i - first);
    if (waiting_ == 0 || slots[first].first < lowest_) lowest_ = slots[first].first;
    if (waiting_ == 0 || highest_ < slots[i - 1].first) highest_ = slots[i - 1].first;
    waiting_ += count;
  }
  if (std::uint64_t{waiting_} * core_.page_bytes < kWriteBackBytes) return;
  core_.page_file->write_back(
      {lowest_, static_cast<std::uint32_t>(highest_.value - lowest_.value + 1)});
  waiting_ = 0;
}

}  // namespace coffer::txn
