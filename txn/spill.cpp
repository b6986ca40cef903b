// Spilling: a write transaction larger than the locked memory seals its oldest pages early, keeps their
// ciphertext in ordinary memory, and writes that to slots in runs when it grows.
#include <algorithm>

#include "platform/contracts.hpp"
#include "txn/write_view.hpp"

namespace coffer::txn {

using pager::Hold;
using pager::kNoFrame;

namespace {

/// Pages spilled at a time: enough to spread the cost of looking for them.
constexpr std::size_t kSpillBatch = 16;

}  // namespace

/// Seals a resident page, so that its frame can be given back.
void WriteView::seal_page(PageId id, Page& page) {
  if (page.sealed_valid) return;
  page.sealed = core_.sealer->seal(id, core_.frames->bytes(page.frame), commit_, nonces_);
  page.sealed_valid = true;
  spilled_in_memory_ += page.sealed.buffer->ciphertext().size();
  core_.pages_sealed.fetch_add(1, std::memory_order_relaxed);
}

/// Gives up the frames of some pages that no handle pins; false when there are none.
bool WriteView::spill_some() {
  std::size_t spilled = 0;
  for (std::size_t looked = resident_.size() - resident_from_; looked > 0 && spilled < kSpillBatch;
       --looked) {
    if (resident_from_ > resident_.size() / 2) {
      resident_.erase(resident_.begin(),
                      resident_.begin() + static_cast<std::ptrdiff_t>(resident_from_));
      resident_from_ = 0;
    }
    const PageId id = resident_[resident_from_++];
    const auto mine = pages_.find(id);
    if (mine == pages_.end() || mine->second.frame == kNoFrame) continue;
    Page& page = mine->second;
    if (core_.frames->pins(page.frame) != 1) {
      resident_.push_back(id);
      continue;
    }
    try {
      seal_page(id, page);
    } catch (...) {
      resident_.push_back(id);
      throw;
    }
    core_.frames->retire(page.frame);
    page.frame = kNoFrame;
    map_.forget(id);
    --private_frames_;
    ++spilled;
  }
  if (spilled_in_memory_ > core_.options.write_buffer_bytes_max / 2) write_spilled(false);
  return spilled > 0;
}

/// Moves the ciphertext of spilled pages from memory to slots: of those without a frame, or of all that are
/// marked to be logged by reference (`place_references`).
void WriteView::write_spilled(bool all) {
  std::vector<std::pair<PageId, Page*>> out;
  for (auto& [id, page] : pages_) {
    if (page.sealed_valid && !page.sealed.has_slot &&
        (all ? page.by_reference : page.frame == kNoFrame)) {
      out.emplace_back(id, &page);
    }
  }
  if (out.empty()) return;
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<const SealedPage*> sealed;
  sealed.reserve(out.size());
  for (const auto& [id, page] : out) sealed.push_back(page->sealed.buffer.get());
  const auto slots = core_.ledger->allocate_scattered(out.size(), Hold::transaction);
  try {
    core_.write_slots(slots, sealed);
  } catch (...) {
    for (const auto& slot : slots) core_.ledger->release(slot, Hold::transaction);
    throw;
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    PageVersion& version = out[i].second->sealed;
    version.ref.slot = slots[i].first;
    version.has_slot = true;
    spilled_in_memory_ -= version.buffer->ciphertext().size();
    version.buffer.reset();
  }
}

}  // namespace coffer::txn
