// Windows only: the key program is Windows' own
#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {

TEST_CASE("windows: a key program that hangs is stopped") {
  const StoreFixture fixture;
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = coffer(
      {"trees", fixture.store(), "--key-exec", "ping -n 300 127.0.0.1", "--key-exec-timeout", "1"});
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
  CHECK(outcome.exit_code == 3);
  CHECK(is_one_error_line(outcome.err));
  CHECK_THAT(outcome.err, Catch::Contains("'ping'") && Catch::Contains("within 1 s"));
}

}  // namespace coffer::tools::test
