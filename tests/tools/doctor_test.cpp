// The diagnostics as every system has them.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "platform/platform.hpp"
#include "tests/tools/store_fixture.hpp"
#include "tools/doctor/probes.hpp"

namespace coffer::tools::test {

TEST_CASE("doctor: going on unlocked is warned of") {
  const TemporaryFolder folder;
  doctor::Context context{.platform = platform::native_platform(),
                          .system = SystemFiles(folder.path()),
                          .wanted_locked_bytes = 64 << 20,
                          .directory = folder.path()};
  CHECK(probe_policy(context).level == doctor::Level::ok);
  context.proceed_unlocked = true;
  CHECK(probe_policy(context).level == doctor::Level::warn);
}

TEST_CASE("doctor: text for people, plain in a pipe") {
  const Outcome outcome = coffer({"doctor"});
  CHECK(outcome.err.empty());
  CHECK(outcome.out.find('\033') == std::string::npos);
  CHECK_THAT(outcome.out, Catch::Contains("  memory.lock ") && Catch::Contains(" checked: "));
}

TEST_CASE("doctor: JSON of every row, whose levels make the sums and the exit code") {
  const StoreFixture fixture;
  const Outcome outcome = coffer({"doctor", "--json", fixture.store()});
  const auto report = nlohmann::json::parse(outcome.out);
  int warnings = 0;
  int failures = 0;
  std::set<std::string> names;
  for (const auto& row : report.at("findings")) {
    CAPTURE(row.dump());
    const std::string level = row.at("level");
    CHECK((level == "OK" || level == "WARN" || level == "FAIL"));
    CHECK_FALSE(row.at("found").get<std::string>().empty());
    CHECK(names.insert(row.at("id")).second);
    warnings += level == "WARN" ? 1 : 0;
    failures += level == "FAIL" ? 1 : 0;
  }
  for (const char* name : {"memory.lock", "exposure.swap", "store.access"}) {
    CAPTURE(name);
    CHECK(names.contains(name));
  }
  CHECK(report.at("warnings") == warnings);
  CHECK(report.at("failures") == failures);
  CHECK(outcome.exit_code == (failures != 0 ? 2 : warnings != 0 ? 1 : 0));
}

}  // namespace coffer::tools::test
