#include "tools/scratch.hpp"

namespace coffer::tools {
namespace {

// Two chunks (one coming in, one going out) and what the heap's own bookkeeping takes.
constexpr std::uint64_t kScratchBytes = 2 * kChunkBytes + 32 * 1024;

}  // namespace

Scratch::Scratch(const GlobalOptions& options)
    : heap_(platform::native_platform().memory(), kScratchBytes,
            options.proceed_unlocked ? platform::LockPolicy::proceed_unlocked
                                     : platform::LockPolicy::abort,
            "the command's own buffers") {}

}  // namespace coffer::tools
