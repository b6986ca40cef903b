// Counts forks; see fork_generation.hpp.
#include <pthread.h>

#include <atomic>
#include <cstdlib>

#include "platform/fork_generation.hpp"

namespace coffer::platform {

namespace {

constinit std::atomic<std::uint64_t> generation{0};

// Registered before main: an object made earlier, by a static constructor, is made in generation 0
// whether or not this has run, and a fork before main is not worth a check in every call.
[[maybe_unused]] const bool registered = [] {
  // Without the handler a child could seal with its parent's keys and nonces: better not to start.
  if (::pthread_atfork(nullptr, nullptr,
                       [] { generation.fetch_add(1, std::memory_order_relaxed); }) != 0) {
    std::abort();
  }
  return true;
}();

}  // namespace

std::uint64_t fork_generation() noexcept {
  return generation.load(std::memory_order_relaxed);
}

}  // namespace coffer::platform
