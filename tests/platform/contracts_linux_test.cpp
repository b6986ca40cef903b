// Linux only: what ends a process is seen from its parent
//
// A broken contract says where, and ends the process.
#include <signal.h>

#include <catch2/catch.hpp>

#include "platform/contracts.hpp"
#include "tests/support/child.hpp"

using namespace coffer::test;

TEST_CASE("a broken contract prints kind, expression and place, and aborts") {
  Child child([](Channel&) { Expects(1 + 1 == 3); });
  CHECK(child.end_signal() == SIGABRT);
  CHECK_THAT(child.errors(), Catch::Contains("precondition"));
  CHECK_THAT(child.errors(), Catch::Contains("1 + 1 == 3"));
  CHECK_THAT(child.errors(), Catch::Contains("contracts_linux_test.cpp:14"));

  Child other([](Channel&) { Ensures(1 + 1 == 3); });
  CHECK(other.end_signal() == SIGABRT);
  CHECK_THAT(other.errors(), Catch::Contains("postcondition"));
}

TEST_CASE("a kept contract does nothing") {
  CHECK(signal_of_child([] {
          Expects(1 + 1 == 2);
          Ensures(1 + 1 == 2);
        }) == 0);
}
