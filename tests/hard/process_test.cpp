// Linux only: whole processes are forked, killed, limited and attacked
//
// Whole processes that load, are limited, killed, locked out, and short of room.
//
// A sample by default, the whole thing with COFFER_FULL; each test says its figures.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>
#include <sstream>

#include "tests/hard/acknowledged.hpp"
#include "tests/hard/worker_process.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/remedy.hpp"
#include "tests/support/skip.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::hard {
namespace {

namespace fs = std::filesystem;

/// A worker must end well; what it said is shown.
std::string succeed(const std::vector<std::string>& arguments, const WorkerLimits& limits = {}) {
  const WorkerOutcome outcome = run_worker(arguments, limits);
  INFO(arguments.front() << " said: " << outcome.said);
  REQUIRE(outcome.code == 0);
  std::istringstream lines(outcome.said);
  for (std::string line; std::getline(lines, line);) figures(arguments.front() + ": " + line);
  return outcome.said;
}

std::string verify_text(const fs::path& store, const Acknowledged& acknowledged) {
  std::vector<std::string> arguments{"verify", store.string(), std::to_string(acknowledged.number)};
  // The anchor of the last acknowledged commit holds after a kill as well.
  if (!acknowledged.anchor.empty()) arguments.push_back(acknowledged.anchor);
  const WorkerOutcome outcome = run_worker(arguments);
  INFO("acknowledged " << acknowledged.number << "; verify said: " << outcome.said);
  REQUIRE(outcome.code == 0);
  return outcome.said;
}

void create_store(const fs::path& path) {
  static_cast<void>(Store::create(path, test_key()));
}

}  // namespace

TEST_CASE("Every acknowledged commit survives SIGKILL whole, and nothing of another is there") {
  const test::TempDirectory directory;
  const fs::path store = directory.path() / "store";
  create_store(store);
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const int kills = full_run() ? 200 : 8;
  Acknowledged acknowledged;
  int before_first = 0;
  int shown_more = 0;
  for (int i = 0; i < kills; ++i) {
    Worker worker({"load", store.string(), "1000000000"});
    const Acknowledged before = acknowledged;
    // Every fourth is killed in its opening or soon after, which is a recovery.
    if (i % 4 != 3) worker.hear("\nack ", patience());
    worker.run_for(Milliseconds(random() % (i % 4 == 3 ? 60 : 500)));
    worker.kill();
    REQUIRE(worker.finish() == -SIGKILL);
    INFO("kill " << i << " of " << kills);
    acknowledged = acknowledged_by(worker.said(), before);
    if (acknowledged.number == before.number) ++before_first;
    const std::string said = verify_text(store, acknowledged);
    const std::uint64_t shown = std::stoull(said.substr(said.find("shown ") + 6));
    if (shown > acknowledged.number) ++shown_more;
    acknowledged.number = shown;
  }
  REQUIRE(acknowledged.number > 0);
  figures(std::to_string(kills) + " kills, " + std::to_string(acknowledged.number) + " commits, " +
          std::to_string(before_first) + " killed before a commit, " + std::to_string(shown_more) +
          " times the commit under way was there whole; seed " + std::to_string(seed));
}

TEST_CASE("Many random keys load and read back with 2 MiB of locked memory") {
  const test::TempDirectory directory;
  const std::string store = (directory.path() / "store").string();
  const std::string keys = full_run() ? "1000000" : "30000";
  succeed({"bulk_load", store, keys});
  succeed({"bulk_check", store, keys});
}

TEST_CASE("A transaction much larger than the locked memory commits") {
  const test::TempDirectory directory;
  const std::uint64_t bytes = full_run() ? 1ull << 30 : 24ull << 20;
  succeed({"big_transaction", (directory.path() / "store").string(), std::to_string(bytes)});
}

TEST_CASE("A value much larger than memory streams in and out within 64 MiB") {
  const test::TempDirectory directory;
  const std::uint64_t bytes = full_run() ? 2ull << 30 : 96ull << 20;
  succeed({"big_value", (directory.path() / "store").string(), std::to_string(bytes)});
}

TEST_CASE("A store in use is Busy at once, and free again when its holder is killed") {
  const test::TempDirectory directory;
  const std::string store = (directory.path() / "store").string();
  create_store(store);
  Worker holder({"hold", store});
  const bool held = holder.hear("held\n", patience());
  INFO(holder.said());
  REQUIRE(held);
  // Within the holder's own process, and from another one.
  REQUIRE(holder.said().starts_with("busy "));
  REQUIRE(succeed({"try_open", store}).starts_with("busy "));
  holder.kill();
  REQUIRE(holder.wait() == -SIGKILL);
  REQUIRE(succeed({"try_open", store}).starts_with("opened "));
}

TEST_CASE("An open store goes on in the same transaction once its message's command was run") {
  if (!test::has_prlimit_command())
    return test::skip("the prlimit command of util-linux is not installed");
  constexpr std::uint64_t kLittle = 1536 * 1024;
  const std::uint64_t hard = test::lock_limit().rlim_max;
  if (hard < 4 * kLittle) return test::skip("the hard limit on locked memory is too low");
  const test::TempDirectory directory;
  // A filter keeps the worker from raising the limit by itself; somebody else needs no privilege for it.
  Worker worker({"hold_until_full", (directory.path() / "store").string(), std::to_string(kLittle)},
                {.locked_bytes = hard, .directory = {}});
  REQUIRE(worker.hear("\n", patience()));
  const std::string message = worker.said();
  CAPTURE(message);
  CHECK(test::bytes_in_remedy(message, worker.pid()).value_or(0) > kLittle);
  // Without the command nothing changes.
  worker.run_for(Milliseconds(300));
  REQUIRE(worker.said() == message);
  CHECK(test::run_remedy(message));
  CHECK(worker.hear("there\nheld ", patience()));
  CHECK(worker.finish() == 0);
}

TEST_CASE("A forked child gets errors from every call and harms nothing") {
  const test::TempDirectory directory;
  succeed({"fork_off", (directory.path() / "store").string()});
}

// --- A full disk ----------------------------------------------------------------------------------

TEST_CASE("A full disk ends commits with NoSpace and loses nothing") {
  const test::TempDirectory directory;
  if (::geteuid() != 0) return test::skip("mounting a small file system needs root");
  test::DiskImage disk(directory.path() / "image", directory.path() / "mounted", "ext4");
  if (!disk.make(40u << 20) || !disk.mount())
    return test::skip("a small ext4 image cannot be made or mounted here");
  const fs::path store = disk.path() / "store";
  const fs::path ballast = disk.path() / "ballast";
  create_store(store);
  Acknowledged acknowledged;
  {
    Worker worker({"load", store.string(), "20"});
    REQUIRE(worker.finish() == 0);
    acknowledged = acknowledged_by(worker.said(), acknowledged);
  }
  // What is left of the disk goes to a file, whose size is given up again later.
  {
    std::ofstream out(ballast, std::ios::binary);
    const std::string piece(64 * 1024, 'x');
    while (fs::space(disk.path()).available > (1u << 20) && out.write(piece.data(), 64 * 1024)) {
    }
  }
  for (int round = 0; round < (full_run() ? 10 : 2); ++round) {
    INFO("round " << round);
    Worker worker({"load", store.string(), "1000000000"});
    const bool ended = worker.hear("nospace ", patience());
    worker.run_for(Milliseconds(50));
    INFO("load said: " << worker.said().substr(worker.said().size() -
                                               std::min<std::size_t>(600, worker.said().size())));
    REQUIRE(ended);
    acknowledged = acknowledged_by(worker.said(), acknowledged);
    worker.kill();
    REQUIRE(worker.wait() == -SIGKILL);
    // The disk is still full.
    const std::string said = verify_text(store, acknowledged);
    REQUIRE(said.starts_with("shown " + std::to_string(acknowledged.number) + " "));
  }
  const auto full_at = acknowledged.number;
  fs::remove(ballast);
  Worker worker({"load", store.string(), "50"});
  const int code = worker.finish();
  INFO("with room again: " << worker.said());
  REQUIRE(code == 0);
  acknowledged = acknowledged_by(worker.said(), acknowledged);
  REQUIRE(acknowledged.number == full_at + 50);
  verify_text(store, acknowledged);
  figures("the disk was full at commit " + std::to_string(full_at) +
          "; with room again it went on");
}

}  // namespace coffer::hard
