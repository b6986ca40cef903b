// Where a copy of slots goes: into an archive, or into the page file of a new store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "pager/slot.hpp"

namespace coffer::backup {

class SlotSink {
 public:
  virtual ~SlotSink() = default;
  /// Memory for `slots` whole slots, at most chunk_slots(), to be filled with what lies there.  Asking
  /// again gives the same.
  [[nodiscard]] virtual std::span<std::byte> room(std::uint32_t slots) = 0;
  /// The slots `run` now stand at the front of the room.
  virtual void took(pager::SlotRun run) = 0;
};

}  // namespace coffer::backup
