// The memory-lock stress test as operators run it, and that it finds what it is there to find.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/support/full_run.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/skip.hpp"
#include "tests/tools/store_fixture.hpp"
#include "tools/latency.hpp"

namespace coffer::tools::test {
namespace {

nlohmann::json stress(std::vector<std::string> arguments, int expected_exit_code,
                      std::chrono::seconds patience = kPatience) {
  arguments.insert(arguments.begin(), {"--json", "stress", "memlock"});
  const Outcome outcome = run({.arguments = arguments, .patience = patience});
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.exit_code == expected_exit_code);
  return nlohmann::json::parse(outcome.out);
}

// A sanitizer's runtime counts nothing as locked, which the command rightly reports.
const std::string kNotUnderSanitizers = "a sanitizer's runtime does nothing for mlock";

}  // namespace

TEST_CASE("stress: percentiles are those of the sorted numbers, within an eighth") {
  std::mt19937_64 random(7);
  Latency latency;
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 20'000; ++i) {
    all.push_back(random() >> (34 + random() % 30));
    latency.add(std::chrono::nanoseconds(all.back()));
  }
  std::ranges::sort(all);
  CHECK(latency.count() == all.size());
  CHECK(latency.max_nanoseconds() == all.back());
  for (const double share : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const std::uint64_t exact =
        all[static_cast<std::size_t>(share * static_cast<double>(all.size()))];
    CAPTURE(share, exact);
    CHECK(latency.percentile(share) >= exact);
    CHECK(latency.percentile(share) <= exact + exact / 8);
  }
  CHECK(Latency().percentile(0.5) == 0);
}

// Five minutes and a million cycles in a full run, twenty seconds in an ordinary one.
TEST_CASE("stress: eight threads under changing limits break nothing") {
  if (coffer::test::kSanitized) return coffer::test::skip(kNotUnderSanitizers);
  const bool full = coffer::test::full_run();
  const std::chrono::seconds duration(full ? 300 : 20);
  const auto result = stress({"--threads", "8", "--duration", std::to_string(duration.count())}, 0,
                             duration + kPatience);
  CHECK(result["pass"] == true);
  CHECK(result["violations"] == 0);
  CHECK(result["drift_bytes_max"] == 0);
  CHECK(result["cycles"] >= (full ? 1'000'000 : 10'000));
  CHECK(result["commits"] > 10);
  CHECK(result["latency_ns"]["frame take"]["count"] > 1000);
  if (result["room_bytes"].is_null())
    return coffer::test::skip("nothing limits locked memory here");
  CHECK(result["account_checks"] > 50);
  CHECK(result["forks"] > 10);
  CHECK(result["squeezes"] > 50);
  CHECK(result["lock_failures"] > 0);
  CHECK(result["locked_mappings_max"] > 3);  // a store, the pool and the squeeze at the least
  CHECK(result["locked_mappings_max"] <= 64);
}

TEST_CASE("stress: a fault that is planted is found") {
  if (coffer::test::kSanitized) return coffer::test::skip(kNotUnderSanitizers);
  const auto found = [](const std::string& plant, const std::string& rule) {
    const auto result = stress({"--threads", "4", "--duration", "2", "--plant", plant}, 1);
    CHECK(result["pass"] == false);
    const std::string first = result["violation_texts"][0];
    CHECK_THAT(first, Catch::StartsWith(rule + ": "));
  };
  found("leak", "S6");
  found("nowipe", "S2");
  const auto plain = stress({"--threads", "1", "--duration", "1"}, 0);
  if (plain["account_checks"] == 0)
    return coffer::test::skip("the system does not count locked memory by process");
  found("miscount", "S3");
}

TEST_CASE("stress: a schedule, sizes and a policy are taken from the command line") {
  if (coffer::test::kSanitized) return coffer::test::skip(kNotUnderSanitizers);
  const auto result = stress({"--threads", "2", "--duration", "1", "--limits", "64K,4M,0",
                              "--sizes", "4K,8K", "--policy", "proceed_unlocked", "--seed", "5"},
                             0);
  CHECK(result["seed"] == 5);
  CHECK(result["threads"] == 2);
  CHECK(result["lock_failures"] == 0);
  CHECK(coffer({"stress", "memlock", "--threads", "0"}).exit_code == 2);
  CHECK(coffer({"stress", "memlock", "--duration", "0"}).exit_code == 2);
  CHECK(coffer({"stress", "memlock", "--sizes", "x"}).exit_code == 2);
  CHECK(coffer({"stress", "memlock", "--plant", "x"}).exit_code == 2);
  CHECK(coffer({"stress"}).exit_code == 2);
}

}  // namespace coffer::tools::test
