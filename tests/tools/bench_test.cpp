// The benchmark: what it measures is verified, and a store that answers wrongly has no figures.
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/tools/command_driver.hpp"
#include "tools/bench/worker.hpp"

namespace coffer::tools::test {
namespace {

/// What a store in memory does wrong.
enum class Wrong { nothing, loses_a_record, changes_a_byte, swaps_values, forgets_the_last_commit };

using Contents = std::map<std::string, std::string>;

/// A store in memory, kept by its directory so that it can be opened again.
struct Model {
  Wrong wrong = Wrong::nothing;
  std::map<std::filesystem::path, Contents> stores{};
};

class ModelSession final : public bench::Session {
 public:
  ModelSession(Model& model, Contents& contents) : model_(model), contents_(contents) {}
  void begin_write(bench::Sync) override { pending_.clear(); }
  void put(Bytes key, Bytes value) override {
    pending_[std::string(key.text())] = std::string(value.text());
  }
  void commit() override {
    if (model_.wrong == Wrong::forgets_the_last_commit && !contents_.empty()) return;
    for (auto& [key, value] : pending_) contents_[key] = value;
    if (model_.wrong == Wrong::loses_a_record) contents_.erase(pending_.begin()->first);
    if (model_.wrong == Wrong::changes_a_byte) contents_[pending_.begin()->first].back() ^= 1;
    if (model_.wrong == Wrong::swaps_values && contents_.size() > 1) {
      std::swap(contents_.begin()->second, contents_.rbegin()->second);
    }
  }
  void begin_read() override {}
  void get(Bytes key, bench::Digest& digest) override {
    get_large(key, [&](Bytes value) { digest.add(key, value); });
  }
  void get_large(Bytes key, const std::function<void(Bytes)>& piece) override {
    const auto found = contents_.find(std::string(key.text()));
    if (found != contents_.end()) piece(Bytes(found->second));
  }
  void scan(const bench::Scan& scan, bench::Digest& digest) override {
    auto at = contents_.lower_bound(std::string(scan.from.text()));
    for (std::uint64_t left = scan.records_max; left > 0 && at != contents_.end(); --left, ++at) {
      digest.add(Bytes(at->first), Bytes(at->second));
    }
  }
  void end_read() override {}

 private:
  Model& model_;
  Contents& contents_;
  Contents pending_;
};

class ModelEngine final : public bench::Engine {
 public:
  ModelEngine(Model& model, Contents& contents) : model_(model), contents_(contents) {}
  std::unique_ptr<bench::Session> session() override {
    return std::make_unique<ModelSession>(model_, contents_);
  }
  void settle() override {}

 private:
  Model& model_;
  Contents& contents_;
};

bench::Kind kind_of(Model& model) {
  return {.name = "model",
          .description = "a map",
          .missing = [] { return std::string(); },
          .profile = [](const bench::Setup&) { return bench::Profile{}; },
          .open = [&model](const bench::Setup& setup) -> std::unique_ptr<bench::Engine> {
            return std::make_unique<ModelEngine>(model, model.stores[setup.directory]);
          }};
}

// Those with threads need a store that threads may share, and a copy of a directory copies no map.
bool suits_a_map(const bench::Workload& workload) {
  return !workload.name.ends_with("_4") && !workload.name.ends_with("_16") &&
         workload.name != "open_crashed";
}

const bench::Workload& workload_named(const std::string& name) {
  const auto found = std::ranges::find(bench::workloads(), name, &bench::Workload::name);
  REQUIRE(found != bench::workloads().end());
  return *found;
}

}  // namespace

TEST_CASE("bench: every workload of a store that keeps what it is given is accepted") {
  const TemporaryFolder folder;
  Model model;
  const bench::Kind kind = kind_of(model);
  const bench::Plan plan(2'000, 7);
  bench::Bench store(kind, {.directory = folder.path()}, plan);
  for (const bench::Workload& workload : bench::workloads()) {
    // Their values of 64 MiB take their time.
    if (!suits_a_map(workload) || workload.name.ends_with("m")) continue;
    CAPTURE(workload.name);
    const bench::Measurement measured = workload.run(store);
    if (workload.better == bench::Better::smaller) continue;  // a map takes no disk
    CHECK(measured.operations > 0);
    CHECK(measured.seconds > 0);
  }
}

TEST_CASE("bench: a store that loses, changes or exchanges what it was given has no figures") {
  const auto refused = [](Wrong wrong, const std::string& then) {
    const TemporaryFolder folder;
    Model model;
    const bench::Kind kind = kind_of(model);
    const bench::Plan plan(2'000, 7);
    bench::Bench store(kind, {.directory = folder.path()}, plan);
    const bench::Workload& workload = workload_named(then);
    if (!workload.needs.empty() && workload.needs != "load") {
      static_cast<void>(workload_named(workload.needs).run(store));
    }
    if (workload.needs == "load") static_cast<void>(workload_named("load").run(store));
    model.wrong = wrong;
    // What does not write finds what was spoiled before.
    const std::unique_ptr<bench::Session> session = store.engine().session();
    session->begin_write(bench::Sync::yes);
    bench::put(plan, *session, 0);
    session->commit();
    CAPTURE(then);
    CHECK_THROWS_AS(workload.run(store), Error);
  };
  for (const char* const reading : {"read_one", "scan", "scan_reverse"}) {
    for (const Wrong wrong : {Wrong::loses_a_record, Wrong::changes_a_byte, Wrong::swaps_values}) {
      refused(wrong, reading);
    }
  }
  for (const char* const writing :
       {"commit_no_sync", "commit_sync", "load_random_1", "load_random_100", "load_sequential_1000",
        "ycsb_a", "ycsb_d", "ycsb_f", "open_clean"}) {
    refused(Wrong::loses_a_record, writing);
    refused(Wrong::changes_a_byte, writing);
  }
}

TEST_CASE("bench: Zipf's law draws the first number as often as the law says") {
  // P(1) = 1 / zeta(1000; 0.99), and zeta(1000; 0.99) = 7.7290 (summed with another program).
  constexpr std::uint64_t kCount = 1'000;
  constexpr int kDraws = 200'000;
  const bench::Zipf zipf(kCount);
  std::mt19937_64 random(3);
  std::map<std::uint64_t, int> drawn;
  for (int i = 0; i < kDraws; ++i) ++drawn[zipf.draw(random())];
  CHECK(drawn.rbegin()->first < kCount);
  CHECK(drawn[0] / double{kDraws} == Approx(1 / 7.7290).epsilon(0.03));
  CHECK(drawn[1] / double{kDraws} == Approx(0.50348 / 7.7290).epsilon(0.03));
  CHECK(drawn.size() > 900);
}

TEST_CASE("bench: one process for each engine, and figures for every workload") {
  const TemporaryFolder folder;
  const Outcome outcome = run({.arguments = {"--json",       "bench",
                                             "--records",    "300",
                                             "--rounds",     "2",
                                             "--dir",        folder.path().string(),
                                             "--locked-max", "4M",
                                             "--engine",     "coffer",
                                             "--engine",     "coffer-plain-resident",
                                             "--workload",   "read_each",
                                             "--workload",   "commit_no_sync_4",
                                             "--workload",   "large_read_64k",
                                             "--workload",   "open_crashed"},
                               .patience = std::chrono::minutes(3)});
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json["limits"]["cipher_4k"]["median"] > 0);
  CHECK(json["limits"]["sync"]["rounds"].size() == 2);
  CHECK(json["engines"].size() == 2);
  std::vector<std::string> names;
  for (const auto& workload : json["workloads"]) {
    names.push_back(workload["workload"]);
    CAPTURE(names.back());
    for (const char* const engine : {"coffer", "coffer-plain-resident"}) {
      const auto& figures = workload["engines"][engine];
      CHECK(figures["rounds"].size() == 2);
      CHECK(figures["median"] > 0);
    }
    CHECK_FALSE(workload["engines"]["coffer"].contains("ratio"));
    CHECK(workload["engines"]["coffer-plain-resident"]["ratio"]["rounds"].size() == 2);
  }
  // In a round's order, with what they need.
  CHECK(names == std::vector<std::string>{"load", "read_each", "commit_no_sync_4", "open_crashed",
                                          "large_write_64k", "large_read_64k"});
  CHECK(json["workloads"][1]["engines"]["coffer"]["latency_microseconds"]["p99"] > 0);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("bench: an engine that cannot be had is named with the reason") {
  const TemporaryFolder folder;
  const std::string nowhere = (folder.path() / "nowhere").string();
  const Outcome outcome = coffer(
      {"bench", "--engine", "sqlcipher", "--peers", nowhere, "--dir", folder.path().string()});
  CHECK(outcome.exit_code == 2);
  CHECK_THAT(outcome.err, Catch::Contains("sqlcipher: "));
  CHECK(coffer({"bench", "--engine", "nobody"}).exit_code == 2);
  CHECK(coffer({"bench", "--workload", "nothing"}).exit_code == 2);
  const Outcome list = coffer({"bench", "--list", "--peers", nowhere});
  CHECK(list.exit_code == 0);
  CHECK_THAT(list.out, Catch::Contains("large_read_64m") && Catch::Contains("coffer-branches"));
}

}  // namespace coffer::tools::test
