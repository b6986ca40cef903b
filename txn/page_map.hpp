// Which frames a transaction uses: page number -> frame and its generation.  Open addressing with linear
// probing; a page read repeatedly costs one probe and one pin.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
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
  /// Room for one more entry; may allocate.  Called before what must not be lost.
  void reserve_one() {
    if ((used_ + 1) * 2 > mask_ + 1) grow();
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
  void grow() {
    std::vector<Entry> larger((mask_ + 1) * 4);
    const std::size_t count = mask_ + 1;
    Entry* const former = slots_;
    std::vector<Entry> keep = std::move(more_);
    more_ = std::move(larger);
    slots_ = more_.data();
    mask_ = more_.size() - 1;
    used_ = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (former[i].page != 0) set(PageId{former[i].page}, former[i].frame);
    }
  }

  std::array<Entry, kFirst> first_{};
  std::vector<Entry> more_;
  Entry* slots_;
  std::size_t mask_ = kFirst - 1;
  std::size_t used_ = 0;
};

}  // namespace coffer::txn
