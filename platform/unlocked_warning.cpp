// See unlocked_warning.hpp.
#include "platform/unlocked_warning.hpp"

#include <atomic>
#include <cstdint>
#include <cstdio>

#include "platform/fork_generation.hpp"

namespace coffer::platform {

void warn_unlocked_once(const std::function<MemoryLockError()>& why) noexcept {
  // A forked child is another process, and may have another standard error.
  static constinit std::atomic<std::uint64_t> warned_in_generation{UINT64_MAX};
  const std::uint64_t generation = fork_generation();
  if (warned_in_generation.exchange(generation, std::memory_order_relaxed) == generation) return;
  const char* const warning =
      "coffer: warning: plaintext goes into memory that is not locked and may reach swap, as the "
      "store's policy allows";
  try {
    std::fprintf(stderr, "%s: %s\n", warning, why().what());
  } catch (...) {
    std::fprintf(stderr, "%s\n", warning);  // no memory for the numbers
  }
}

}  // namespace coffer::platform
