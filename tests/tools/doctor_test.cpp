// The diagnostics as every system has them.
#include <sodium.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "platform/platform.hpp"
#include "platform/simulated/simulated.hpp"
#include "tests/tools/doctor_support.hpp"
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

TEST_CASE("doctor: pages above 64 KiB are warned of") {
  ArrangedPlatform machine;
  const auto row = [&](std::uint64_t kibibytes) {
    machine.other_page_bytes = kibibytes << 10;
    return probe_page_size(context_on(machine));
  };
  CHECK(row(16).level == doctor::Level::ok);
  CHECK(row(64).level == doctor::Level::ok);
  CHECK(row(64).remedy.empty());
  const doctor::Finding large = row(128);
  CHECK(large.level == doctor::Level::warn);
  CHECK_THAT(large.found, Catch::EndsWith(" 128.0 KiB"));
  CHECK_THAT(large.remedy, Catch::Contains("--locked-max"));
}

TEST_CASE("doctor: room on the disk, from none to enough") {
  const auto simulated = platform::SimulatedPlatform::make(1);
  ArrangedPlatform machine;
  machine.other_files = &simulated->files();
  const auto row = [&](std::uint64_t bytes) {
    simulated->set_capacity_bytes(bytes);
    return probe_free_space(context_on(machine));
  };
  constexpr std::uint64_t kMebibyte = 1 << 20;
  CHECK(row(0).level == doctor::Level::fail);
  CHECK(row(64 * kMebibyte - 1).level == doctor::Level::fail);
  CHECK_THAT(row(32 * kMebibyte).found, Catch::StartsWith("32.0 MiB free where "));
  CHECK_THAT(row(32 * kMebibyte).remedy, Catch::Contains("NoSpace"));
  CHECK(row(64 * kMebibyte).level == doctor::Level::warn);
  CHECK(row(1024 * kMebibyte - 1).level == doctor::Level::warn);
  CHECK(row(1024 * kMebibyte).level == doctor::Level::ok);
  CHECK(row(1024 * kMebibyte).remedy.empty());
}

TEST_CASE(
    "doctor: the cipher's library is the one that is linked, and its level follows its speed") {
  const auto rows = rows_of(coffer({"doctor", "--json"}).out);
  const Row& row = rows.at("machine.cipher");
  INFO(row.found);
  // The header's word, where the row has the library's.
  const std::string begin = std::string("libsodium ") + SODIUM_VERSION_STRING;
  REQUIRE(row.found.starts_with(begin));
  CHECK((row.found[begin.size()] == ':' || row.found[begin.size()] == ' '));
  const double megabytes = std::stod(row.found.substr(row.found.find(" at ") + 4));
  CHECK(megabytes > 0);
  // 100 may be what a little less is rounded to.
  if (megabytes != 100) CHECK(row.level == (megabytes < 100 ? "WARN" : "OK"));

  CHECK(doctor::cipher_finding(350e6).level == doctor::Level::ok);
  CHECK_THAT(doctor::cipher_finding(350e6).found, Catch::Contains(" at 350 MB/s"));
  CHECK(doctor::cipher_finding(100e6).level == doctor::Level::ok);
  CHECK(doctor::cipher_finding(99e6).level == doctor::Level::warn);
  const doctor::Finding broken = doctor::cipher_finding(0);
  CHECK(broken.level == doctor::Level::fail);
  CHECK_THAT(broken.remedy, Catch::StartsWith("reinstall libsodium"));
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
