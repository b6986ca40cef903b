// What a handle asks before it touches locked memory: a forked child does not have that memory, so
// that looking there would end the process.  Every call raises Error instead; destructors leave
// alone what is the parent's.
#pragma once

#include <coffer/error.hpp>
#include <cstdint>

#include "platform/fork_generation.hpp"

namespace coffer::tree {

class ForkGuard {
 public:
  [[nodiscard]] bool forked() const noexcept { return platform::fork_generation() != born_in_; }
  void check() const {
    if (!forked()) return;
    throw Error(
        "this store was opened before a fork; a child process must open it itself, after the "
        "parent has closed it");
  }

 private:
  std::uint64_t born_in_ = platform::fork_generation();
};

}  // namespace coffer::tree
