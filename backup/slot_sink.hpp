// Where a copy of slots goes: into an archive, or into the page file of a new store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pager/slot.hpp"

namespace coffer::backup {

/// Most bytes of slots that are handed over at once; a chunk of a large value has fewer.
inline constexpr std::size_t kRoomBytes = std::size_t{512} << 10;
[[nodiscard]] constexpr std::uint32_t room_slots(std::uint32_t page_bytes) {
  return static_cast<std::uint32_t>(kRoomBytes / page_bytes);
}

class SlotSink {
 public:
  virtual ~SlotSink() = default;
  /// Memory for `slots` whole slots, at most room_slots(), to be filled with what lies there.  Asking again gives
  /// the same.
  [[nodiscard]] virtual std::span<std::byte> room(std::uint32_t slots) = 0;
  /// The slots of these runs now stand in the room that was asked for last, one behind the other.
  virtual void took(std::span<const pager::SlotRun> runs) = 0;
};

}  // namespace coffer::backup
