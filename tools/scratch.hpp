// Locked memory for what the command itself holds in the clear: a chunk of a value on its way in or
// out, lines of output, a typed passphrase.  Small and bounded; wiped when given back.
#pragma once

#include "platform/locked_heap.hpp"
#include "tools/global_options.hpp"

namespace coffer::tools {

/// Bytes that the command reads or writes at once.
inline constexpr std::size_t kChunkBytes = 64 * 1024;

class Scratch {
 public:
  /// MemoryLockError when it cannot be locked, unless --proceed-unlocked was given.
  explicit Scratch(const GlobalOptions& options);

  /// Zeroed.
  [[nodiscard]] platform::LockedBuffer allocate(std::size_t size) { return heap_.allocate(size); }

 private:
  platform::LockedHeap heap_;
};

}  // namespace coffer::tools
