// Which frames a transaction uses: page number -> frame and its generation.  Open addressing with linear
// probing; a page read repeatedly costs one probe and one pin.  Its size is in proportion to the frames that there are,
// however many pages a transaction reads.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "pager/frame_pool.hpp"
#include "platform/strong.hpp"

namespace coffer::txn {

class PageMap {
 public:
  struct Entry {
    std::uint64_t page = 0;  ///< 0: empty
    pager::SharedFrame frame;
  };

  PageMap() { slots_ = first_.data(); }
  PageMap(const PageMap&) = delete;
  PageMap& operator=(const PageMap&) = delete;

  [[nodiscard]] Entry* find(PageId page) noexcept {
    for (std::size_t i = index(page);; i = (i + 1) & mask_) {
      if (slots_[i].page == page.value) {
        return slots_[i].frame.frame == pager::kNoFrame ? nullptr : &slots_[i];
      }
      if (slots_[i].page == 0) return nullptr;
    }
  }
  /// Room for one more entry; may allocate.  Called before what must not be lost.  Entries whose frames have become
  /// something else may go.
  void reserve_one(const pager::FramePool& frames) {
    if ((used_ + 1) * 2 > mask_ + 1) make_room(frames);
  }
  /// Sets or replaces; cannot fail after reserve_one.
  void set(PageId page, pager::SharedFrame frame) noexcept {
    std::size_t i = index(page);
    while (slots_[i].page != 0 && slots_[i].page != page.value) i = (i + 1) & mask_;
    if (slots_[i].page == 0) ++used_;
    slots_[i] = {page.value, frame};
  }
  /// The entry stays, but finds nothing any more.
  void forget(PageId page) noexcept {
    if (Entry* entry = find(page)) entry->frame.frame = pager::kNoFrame;
  }
  /// The transaction is no longer a user of that page's clean frame, if it was one.
  void leave(PageId page, pager::FramePool& frames) noexcept {
    Entry* const entry = find(page);
    if (entry == nullptr) return;
    frames.leave(entry->frame);
    entry->frame.frame = pager::kNoFrame;
  }
  template <class Visit>
  void for_each(Visit&& visit) {
    if (used_ == 0) return;
    for (std::size_t i = 0; i <= mask_; ++i) {
      if (slots_[i].page != 0 && slots_[i].frame.frame != pager::kNoFrame) visit(slots_[i]);
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return used_; }

 private:
  static constexpr std::size_t kFirst = 32;
  [[nodiscard]] std::size_t index(PageId page) const noexcept {
    return (std::hash<PageId>{}(page) >> 32) & mask_;
  }
  void make_room(const pager::FramePool& frames) {
    const auto is_good = [&frames](const Entry& entry) {
      return entry.page != 0 && entry.frame.frame != pager::kNoFrame &&
             frames.generation(entry.frame.frame) == entry.frame.generation;
    };
    const std::span<const Entry> former(slots_, mask_ + 1);
    const auto good = static_cast<std::size_t>(std::ranges::count_if(former, is_good));
    std::vector<Entry> larger(std::max(std::bit_ceil((good + 1) * 4), kFirst));
    const std::vector<Entry> keep = std::exchange(more_, std::move(larger));
    slots_ = more_.data();
    mask_ = more_.size() - 1;
    used_ = 0;
    for (const Entry& entry : former) {
      // One that has become something else since it was counted does no harm.
      if (is_good(entry)) set(PageId{entry.page}, entry.frame);
    }
  }

  std::array<Entry, kFirst> first_{};
  std::vector<Entry> more_;
  Entry* slots_;
  std::size_t mask_ = kFirst - 1;
  std::size_t used_ = 0;
};

}  // namespace coffer::txn
