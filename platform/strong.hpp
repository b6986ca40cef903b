// Numbers that must not be mixed up: a page is not a slot, a commit is not a position.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace coffer {

/// An integer with a meaning of its own.  `Tag_` only tells the types apart.
template <class Tag_, class Integer = std::uint64_t>
struct Strong {
  Integer value = 0;
  constexpr Strong() = default;
  constexpr explicit Strong(Integer v) : value(v) {}
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;
  [[nodiscard]] constexpr Strong next(Integer step = 1) const { return Strong(value + step); }
};

using PageId = Strong<struct PageIdTag>;              ///< a logical page's stable number; 0 is none
using SlotId = Strong<struct SlotIdTag>;              ///< index of a slot in the page file
using CommitNumber = Strong<struct CommitNumberTag>;  ///< 1, 2, ... in commit order; 0 is creation
using Lsn = Strong<struct LsnTag>;                    ///< byte position in the journal, on its grid
using Epoch = Strong<struct EpochTag, std::uint32_t>;  ///< which data key

inline constexpr PageId kNoPage{0};

}  // namespace coffer

template <class T, class I>
struct std::hash<coffer::Strong<T, I>> {
  std::size_t operator()(const coffer::Strong<T, I>& v) const noexcept {
    // Fibonacci hashing: consecutive numbers spread over all bits.
    return static_cast<std::size_t>(v.value * 0x9E3779B97F4A7C15ull);
  }
};
