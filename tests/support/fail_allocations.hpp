// Makes the Nth allocation of the calling thread fail.  Linking fail_allocations.cpp replaces the program's
// operator new.
#pragma once

#include <cstdint>

namespace coffer::test {

/// The `n`th allocation of this thread from now on raises std::bad_alloc, once, or all later ones too.
void fail_allocation_in(std::uint64_t n, bool and_later = false);
/// Allocations of this thread until one fails.
[[nodiscard]] std::uint64_t allocations_until_failure();
/// Ends that; true when it had not come to the nth.
[[nodiscard]] bool stop_failing_allocations();

}  // namespace coffer::test
