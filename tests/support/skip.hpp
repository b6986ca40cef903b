// A test that the machine cannot run says so where everybody sees it, and never passes in silence.
#pragma once

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

namespace coffer::test {

/// To be followed by `return`.
inline void skip(const std::string& reason) {
  const auto name = Catch::getResultCapture().getCurrentTestName();
  std::fprintf(stderr, "SKIPPED: %s: %s\n", name.c_str(), reason.c_str());
}

}  // namespace coffer::test
