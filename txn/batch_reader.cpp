// See batch_reader.hpp.
#include "txn/batch_reader.hpp"

#include "platform/contracts.hpp"
#include "txn/read_view.hpp"

namespace coffer::txn {

void BatchReader::read(std::span<const PageId> pages, std::span<std::byte> out) {
  Expects(out.size() >= pages.size() * core_.content_bytes);
  versions_.clear();
  for (const PageId page : pages) {
    Resolved resolved = core_.resolve(page, snapshot_);
    if (!resolved.present) raise_no_page(core_, page);
    versions_.push_back(std::move(resolved.version));
  }
  read_slots(pages);
  const std::span<const std::byte> slots(slots_);
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const auto into = out.subspan(i * core_.content_bytes, core_.content_bytes);
    if (versions_[i].buffer) {
      core_.sealer->open(pages[i], versions_[i], into);
    } else {
      core_.sealer->open_copy(pages[i], versions_[i].ref,
                              slots.subspan(i * core_.page_bytes, core_.page_bytes), into);
    }
  }
  core_.pages_opened.fetch_add(pages.size(), std::memory_order_relaxed);
}

/// Copies the slots of those that have no ciphertext in memory, neighbours at once.
void BatchReader::read_slots(std::span<const PageId> pages) {
  slots_.resize(pages.size() * core_.page_bytes);
  for (std::size_t i = 0; i < versions_.size();) {
    if (versions_[i].buffer) {
      ++i;
      continue;
    }
    pager::SlotRun run{versions_[i].ref.slot, 1};
    const std::size_t first = i;
    for (++i; i < versions_.size() && !versions_[i].buffer &&
              versions_[i].ref.slot == run.first.next(run.count);
         ++i) {
      ++run.count;
    }
    core_.page_file->read_slots(
        run, std::span(slots_).subspan(first * core_.page_bytes,
                                       std::size_t{run.count} * core_.page_bytes));
  }
}

}  // namespace coffer::txn
