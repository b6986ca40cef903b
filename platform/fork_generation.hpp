// How many forks lie between the first process that used Coffer and this one.
//
// An object that must not act in a forked child (a lock, locked memory, an open store) remembers
// the number under which it was made; a different number later means that this is a child's copy of
// it.
#pragma once

#include <cstdint>

namespace coffer::platform {

/// One relaxed load.  Processes made by raw clone() or vfork() are not counted: the C library runs
/// no fork handlers for them, and what they may do before exec excludes calling Coffer.
[[nodiscard]] std::uint64_t fork_generation() noexcept;

}  // namespace coffer::platform
