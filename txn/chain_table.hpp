// Page number -> value, for the overlay: looked into by every page that a transaction opens.
//
// Open addressing with linear probing: an entry is one line of the processor's cache, where a node of std::unordered_map
// is two behind its bucket.  At most three quarters full.
//
//   C1  Between a page's own place and its entry no place is empty: so a search may end at the first that is.
//   C2  Inserting allocates nothing within what `reserve` made room for.
//   C3  Only `reserve`, when it changes `layout()`, moves an entry to a place before its own, but for what `erase_if`
//       moves to the place that it looks at: so a walk in pieces, between which others insert, sees every entry that was
//       there throughout as long as the layout stays.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "platform/contracts.hpp"
#include "platform/strong.hpp"

namespace coffer::txn {

/// `Value` is made by default and moves without throwing.  Not thread-safe.
template <class Value>
class ChainTable {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Places, to be walked through in pieces.
  [[nodiscard]] std::size_t places() const noexcept { return places_.size(); }
  /// Another number than before when entries have moved.
  [[nodiscard]] std::uint64_t layout() const noexcept { return layout_; }

  [[nodiscard]] const Value* find(PageId page) const noexcept {
    if (size_ == 0) return nullptr;  // after a checkpoint; the place would not be in any cache
    const Place& place = places_[place_of(page)];
    return place.page == page ? &place.value : nullptr;
  }
  [[nodiscard]] Value* find(PageId page) noexcept {
    return const_cast<Value*>(std::as_const(*this).find(page));
  }

  /// Room for `more` pages besides those that are there; gives back what was only needed once.
  void reserve(std::size_t more) {
    const std::size_t wanted = size_ + more;
    const bool too_small = wanted * 4 > places_.size() * 3;
    const bool too_large = places_.size() > kLeastPlaces && wanted * 16 < places_.size();
    if (!too_small && !too_large) return;
    std::vector<Place> former(std::max(std::bit_ceil(wanted * 2), kLeastPlaces));
    places_.swap(former);
    ++layout_;
    for (Place& place : former) {
      if (place.page != kNoPage) places_[place_of(place.page)] = std::move(place);
    }
  }

  /// The page's value, made when it has none.
  [[nodiscard]] Value& at(PageId page) noexcept {
    Expects(page != kNoPage && !places_.empty());
    Place& place = places_[place_of(page)];
    if (place.page == kNoPage) {
      place.page = page;
      ++size_;
      Ensures(size_ * 4 <= places_.size() * 3);
    }
    return place.value;
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for_each(0, places_.size(), visit);
  }
  /// Those in the places [first, last).
  template <class Visit>
  void for_each(std::size_t first, std::size_t last, Visit&& visit) const {
    for (const Place& place : std::span(places_).subspan(first, last - first)) {
      if (place.page != kNoPage) visit(place.page, place.value);
    }
  }

  /// Removes those for which `gone(page, value)` is true.  It may be asked twice about one that stays.
  template <class Gone>
  void erase_if(Gone&& gone) noexcept {
    erase_if(0, places_.size(), gone);
  }
  /// Of those in the places [first, last), and what moves there meanwhile.
  template <class Gone>
  void erase_if(std::size_t first, std::size_t last, Gone&& gone) noexcept {
    for (std::size_t i = first; i < last;) {
      Place& place = places_[i];
      if (place.page != kNoPage && gone(place.page, place.value)) {
        erase(i);  // what follows may have moved to this place
      } else {
        ++i;
      }
    }
  }

 private:
  struct Place {
    PageId page = kNoPage;
    Value value{};
  };
  static constexpr std::size_t kLeastPlaces = 64;

  [[nodiscard]] std::size_t home_of(PageId page) const noexcept {
    return (std::hash<PageId>{}(page) >> 32) & (places_.size() - 1);
  }
  /// Where the page is, or the empty place where it would be.
  [[nodiscard]] std::size_t place_of(PageId page) const noexcept {
    std::size_t i = home_of(page);
    while (places_[i].page != page && places_[i].page != kNoPage) i = next(i);
    return i;
  }
  [[nodiscard]] std::size_t next(std::size_t i) const noexcept {
    return (i + 1) & (places_.size() - 1);
  }
  /// Entries behind the gap that may not lie beyond it move up (C1).
  void erase(std::size_t gap) noexcept {
    --size_;
    for (std::size_t i = next(gap); places_[i].page != kNoPage; i = next(i)) {
      const std::size_t from_home = (i - home_of(places_[i].page)) & (places_.size() - 1);
      const std::size_t from_gap = (i - gap) & (places_.size() - 1);
      if (from_home < from_gap) continue;
      places_[gap] = std::move(places_[i]);
      gap = i;
    }
    places_[gap] = Place{};
  }

  std::vector<Place> places_;  // a power of two of them
  std::size_t size_ = 0;
  std::uint64_t layout_ = 0;
};

}  // namespace coffer::txn
