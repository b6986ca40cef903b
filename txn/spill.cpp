// Spilling: a write transaction larger than the locked memory seals its oldest pages early, keeps their
// ciphertext in ordinary memory, and writes that to slots in runs when it grows.
#include <algorithm>
#include <atomic>
#include <system_error>

#include "platform/contracts.hpp"
#include "txn/write_view.hpp"

namespace coffer::txn {

using pager::Hold;
using pager::kNoFrame;

namespace {

/// Pages spilled at a time: enough to spread the cost of looking for them, and to share out the work.
constexpr std::size_t kSpillBatch = 128;
/// Fewer are not worth waking a second thread for.
constexpr std::size_t kSharedBatch = 64;
/// Pages that a thread takes at a time.
constexpr std::size_t kShare = 8;

}  // namespace

/// Seals resident pages, so that their frames can be given back.  Many are shared out between two threads: a load
/// spends a third of its time here.
void WriteView::seal_pages(std::span<const PageToSeal> pages) {
  const auto seal_one = [this](const PageToSeal& it, crypto::NonceRun& nonces) {
    Page& page = *it.page;
    page.sealed = core_.sealer->seal(it.id, core_.frames->bytes(page.frame), commit_, nonces);
    page.sealed_valid = true;
  };
  const auto count = [&] {
    for (const PageToSeal& it : pages) {
      if (!it.page->sealed_valid) continue;
      spilled_in_memory_ += it.page->sealed.buffer->ciphertext().size();
      core_.pages_sealed.fetch_add(1, std::memory_order_relaxed);
    }
  };
  try {
    platform::SecondThread* const second = pages.size() < kSharedBatch ? nullptr : second_thread();
    if (second == nullptr) {
      for (const PageToSeal& it : pages) seal_one(it, nonces_);
    } else {
      chunk_writes_.finish();
      std::atomic<std::size_t> next{0};
      second->help_with([&](bool is_second) {
        for (std::size_t at = 0; (at = next.fetch_add(kShare)) < pages.size();) {
          for (const PageToSeal& it : pages.subspan(at, std::min(kShare, pages.size() - at))) {
            seal_one(it, is_second ? second_nonces_ : nonces_);
          }
        }
      });
    }
  } catch (...) {
    count();
    throw;
  }
  count();
}

/// Nothing where the engine has no threads of its own, or the system has none to give.
platform::SecondThread* WriteView::second_thread() {
  if (!core_.options.background_checkpoints) return nullptr;
  try {
    if (!second_thread_) second_thread_.emplace();
  } catch (const std::system_error&) {
    return nullptr;
  }
  return &*second_thread_;
}

/// Gives up the frames of some pages that no handle pins; false when there are none.
bool WriteView::spill_some() {
  const std::size_t most = std::clamp<std::size_t>(private_frames_ / 4, 16, kSpillBatch);
  std::vector<PageToSeal> out;
  std::vector<PageToSeal> to_seal;
  out.reserve(most);
  to_seal.reserve(most);
  for (std::size_t looked = resident_.size() - resident_from_; looked > 0 && out.size() < most;
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
    // One that could not be brought back into a frame at first is listed twice.
    if (std::ranges::any_of(out, [id](const PageToSeal& it) { return it.id == id; })) continue;
    out.push_back({id, &page});
    if (!page.sealed_valid) to_seal.push_back({id, &page});
  }
  try {
    seal_pages(to_seal);
  } catch (...) {
    for (const PageToSeal& it : out) resident_.push_back(it.id);
    throw;
  }
  for (const PageToSeal& it : out) {
    core_.frames->retire(it.page->frame);
    it.page->frame = kNoFrame;
    map_.forget(it.id);
    --private_frames_;
  }
  if (spilled_in_memory_ > core_.options.write_buffer_bytes_max / 2) write_spilled(false);
  return !out.empty();
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
