// Linux only: whole processes are killed
//
// Backups and restores that SIGKILL ends at any moment: under its name there is a whole result or none.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <random>
#include <set>

#include "tests/hard/worker_process.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::hard {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

/// A store with some hundred commits of the workload; returns how many.
std::uint64_t make_store(const fs::path& store) {
  static_cast<void>(Store::create(store, test_key()));
  Worker worker({"load", store.string(), "200"});
  REQUIRE(worker.finish() == 0);
  return 200;
}

/// What is in the directory besides `known`; each must say by its name that it is unfinished.
std::size_t unfinished_in(const fs::path& directory, const std::set<std::string>& known) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (known.contains(name)) continue;
    // A restore makes its store in a directory of its own, which creates another beside it for a moment.
    CAPTURE(name);
    CHECK((name.ends_with(".in-progress") || name.find(".in-progress.creating-") != name.npos));
    fs::remove_all(entry.path());
    ++count;
  }
  return count;
}

struct Killed {
  int whole = 0;
  int none = 0;
  std::size_t unfinished = 0;
};

/// Kills `command` at random moments of the time that it takes, until each end was seen and `kills` are over.
/// `result` is checked by `check` where it appears, and removed.
template <class Check>
Killed kill_many(const std::vector<std::string>& command, const fs::path& result,
                 const std::set<std::string>& known, int kills, Check&& check) {
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto begin = steady_clock::now();
  REQUIRE(run_worker(command).code == 0);
  const auto whole_time =
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - begin).count();
  check();
  fs::remove_all(result);
  Killed killed;
  for (int i = 0; i < kills; ++i) {
    Worker worker(command);
    const auto moment = random() % static_cast<std::uint64_t>(whole_time * 5 / 4);
    worker.run_for(Milliseconds(moment / 1000));
    worker.kill();
    static_cast<void>(worker.wait());
    INFO("kill " << i << " after " << moment << " us of " << whole_time);
    if (fs::exists(result)) {
      check();
      ++killed.whole;
    } else {
      REQUIRE(worker.said().find("done") == std::string::npos);
      ++killed.none;
    }
    fs::remove_all(result);
    killed.unfinished += unfinished_in(result.parent_path(), known);
  }
  return killed;
}

}  // namespace

TEST_CASE("A backup or a restore that is killed leaves a whole result under its name, or none") {
  const test::TempDirectory directory;
  const fs::path store = directory.path() / "store";
  const fs::path file = directory.path() / "backup";
  const fs::path restored = directory.path() / "restored";
  const std::uint64_t commits = make_store(store);
  const Key key = test_key();
  const int kills = full_run() ? 300 : 12;
  const auto check_store = [&] {
    const auto outcome = run_worker({"verify", restored.string(), std::to_string(commits)});
    INFO(outcome.said);
    REQUIRE(outcome.code == 0);
  };
  const auto check_backup = [&] { CHECK(verify_backup(file, &key).bytes == fs::file_size(file)); };
  const Killed backups =
      kill_many({"backup", store.string(), file.string()}, file, {"store"}, kills, check_backup);
  static_cast<void>(run_worker({"backup", store.string(), file.string()}));
  check_backup();
  const Killed restores = kill_many({"restore", file.string(), restored.string()}, restored,
                                    {"store", "backup"}, kills, check_store);
  // Both ends and a leftover in between must have been seen, or the moments were chosen badly.
  CHECK(backups.none > 0);
  CHECK(restores.none > 0);
  CHECK(restores.unfinished > 0);
  figures("killed backups: " + std::to_string(backups.whole) + " whole, " +
          std::to_string(backups.none) + " none, " + std::to_string(backups.unfinished) +
          " unfinished files; restores: " + std::to_string(restores.whole) + " whole, " +
          std::to_string(restores.none) + " none, " + std::to_string(restores.unfinished) +
          " unfinished stores");
}

TEST_CASE(
    "A snapshot, an increment or a restore of them that is killed leaves a whole result or none") {
  const test::TempDirectory directory;
  const auto at = [&](const char* name) { return directory.path() / name; };
  const std::uint64_t commits = make_store(at("store"));
  const Key key = test_key();
  const int kills = full_run() ? 150 : 6;
  const auto worker = [](const std::vector<std::string>& words) {
    const auto outcome = run_worker(words);
    INFO(outcome.said);
    REQUIRE(outcome.code == 0);
  };
  const auto check_store = [&](const fs::path& store) {
    worker({"verify", store.string(), std::to_string(commits)});
  };
  Killed total;
  const auto kill = [&](const std::vector<std::string>& command, const char* result,
                        const std::set<std::string>& known, const std::function<void()>& check) {
    const Killed killed = kill_many(command, at(result), known, kills, check);
    CHECK(killed.none > 0);
    total.whole += killed.whole;
    total.none += killed.none;
    total.unfinished += killed.unfinished;
  };
  std::set<std::string> known{"store"};
  kill({"snapshot", at("store").string(), at("full").string()}, "full", known,
       [&] { static_cast<void>(verify_backup(at("full"), &key)); });
  kill({"snapshot_directory", at("store").string(), at("copy").string()}, "copy", known,
       [&] { check_store(at("copy")); });
  // The store itself has lived through it all.
  check_store(at("store"));
  worker({"snapshot", at("store").string(), at("full").string()});
  known.insert("full");
  // Kills while increments are made: each that is whole must follow the snapshot.
  kill({"increment", at("store").string(), at("more").string(), at("full").string()}, "more", known,
       [&] {
         static_cast<void>(verify_backup({at("full"), at("more")}, &key));
       });
  worker({"snapshot", at("store").string(), at("new full").string()});
  worker({"increment", at("store").string(), at("more").string(), at("new full").string()});
  known.insert({"more", "new full"});
  kill({"restore_chain", at("restored").string(), at("new full").string(), at("more").string()},
       "restored", known, [&] { check_store(at("restored")); });
  check_store(at("store"));
  CHECK(total.unfinished > 0);
  figures("killed snapshots, increments and their restores: " + std::to_string(total.whole) +
          " whole, " + std::to_string(total.none) + " none, " + std::to_string(total.unfinished) +
          " unfinished");
}

TEST_CASE("A store whose disk has failed is not backed up, and nothing is left of the attempt") {
  const test::TempDirectory directory;
  const auto at = [&](const char* name) { return (directory.path() / name).string(); };
  static_cast<void>(make_store(at("store")));
  REQUIRE(run_worker({"snapshot", at("store"), at("full")}).code == 0);
  REQUIRE(run_worker({"backup", at("store"), at("logical")}).code == 0);
  const auto outcome = run_worker({"poison", at("store"), at("full"), at("logical"), at("backup")});
  INFO(outcome.said);
  REQUIRE(outcome.code == 0);
  for (const char* const what :
       {"commit: IoError", "snapshot: Poisoned", "directory: Poisoned", "increment: Poisoned",
        "logical: Poisoned", "logical increment: Poisoned"}) {
    CAPTURE(what);
    CHECK(outcome.said.find(std::string(what) + '\n') != std::string::npos);
  }
  CHECK(unfinished_in(directory.path(), {"store", "full", "logical"}) == 0);
}

}  // namespace coffer::hard
