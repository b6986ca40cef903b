// A broken contract is a bug in a program, not a state of the world: it is reported and the process
// ends, because nothing after it can be trusted with keys or with a disk.
#include "platform/contracts.hpp"

#include <cstdio>
#include <cstdlib>

namespace coffer {

void contract_broken(const char* kind, const char* expression, const char* file,
                     int line) noexcept {
  // stdio alone: nothing here may allocate or throw.
  std::fprintf(stderr, "coffer: broken %s: %s (%s:%d)\n", kind, expression, file, line);
  std::abort();
}

}  // namespace coffer
