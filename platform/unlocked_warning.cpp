// See unlocked_warning.hpp.
#include "platform/unlocked_warning.hpp"

#include <atomic>
#include <cstdio>

namespace coffer::platform {

void warn_unlocked_once(const std::function<MemoryLockError()>& why) noexcept {
  static constinit std::atomic<bool> warned{false};
  if (warned.exchange(true, std::memory_order_relaxed)) return;
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
