// How much of a long test is run.
//
// By default a sample that every change can afford; all of it with COFFER_FULL=1.  Under a sanitizer and under Wine the
// campaigns that look for a wrong result rather than for a wrong access keep to samples: the same code runs
// there, ten times as slowly.
#pragma once

#include <cstddef>
#include <cstdlib>

#include "tests/support/sanitized.hpp"

namespace coffer::test {

/// All of it.
inline bool full_run() {
  return std::getenv("COFFER_FULL") != nullptr;
}
/// All of a campaign of thousands of runs of the same code.
inline bool full_campaign() {
#ifdef _WIN32
  return false;
#else
  return full_run() && !kSanitized;
#endif
}

/// From one place that is tried to the next, out of a file's: all of them in a full campaign, fewer under Wine, where a
/// file takes ten times as long to make.
inline std::size_t sampling_step(std::size_t usual) {
#ifdef _WIN32
  if (!full_run()) usual *= 5;
#endif
  return full_campaign() ? 1 : usual;
}

}  // namespace coffer::test
