// Counts this program's allocations on this thread, and makes one of them fail.
#pragma once

#include <cstdint>

namespace coffer::journal::testing {

/// Allocations by the calling thread since it began.
[[nodiscard]] std::uint64_t allocations();
/// The calling thread's `nth` allocation from now on (0: the next) throws std::bad_alloc; one only.
void fail_allocation(std::uint64_t nth);
/// No allocation fails any more.  True when one was still to fail.
bool stop_failing_allocations();

}  // namespace coffer::journal::testing
