#include "tools/bench/workloads/bench.hpp"

#include <coffer/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "tools/system/interrupts.hpp"

namespace coffer::tools::bench {

Plan::Plan(std::uint32_t loaded, std::uint64_t seed_in)
    : count(loaded),
      seed(seed_in),
      records(seed_in),
      order(shuffled(loaded, seed_in)),
      all(digest_of(records, 0, loaded)) {}

std::uint32_t Plan::share(std::uint32_t divisor, std::uint32_t least, std::uint32_t most) const {
  return std::min(count, std::clamp(count / divisor, least, most));
}

const std::vector<std::uint32_t>& Plan::in_key_order() const {
  if (in_key_order_.empty()) in_key_order_ = by_key(records, count);
  return in_key_order_;
}

double processor_seconds_now() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}
double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Stopwatch::Stopwatch() : processor_begun_(processor_seconds_now()), begun_(seconds_now()) {}

void Stopwatch::stop(Measurement& measurement) const {
  measurement.seconds += seconds_now() - begun_;
  measurement.processor_seconds += processor_seconds_now() - processor_begun_;
}

Bench::Bench(const Kind& kind, Setup setup, const Plan& plan)
    : versions(plan.count),
      kind_(kind),
      setup_(std::move(setup)),
      plan_(plan),
      next_number_(plan.count + 1) {}

Engine& Bench::engine() {
  if (!engine_) open();
  return *engine_;
}

void Bench::open() {
  const std::filesystem::path path = setup_.directory / "loaded";
  const bool create = std::filesystem::create_directory(path);
  engine_ = open_in(path, create);
}

std::unique_ptr<Engine> Bench::open_in(const std::filesystem::path& directory, bool create) const {
  Setup setup = setup_;
  setup.directory = directory;
  setup.create = create;
  return kind_.open(setup);
}

std::filesystem::path Bench::own_directory(const std::string& name) const {
  std::filesystem::path path = setup_.directory / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directory(path);
  return path;
}

void stop_if_interrupted() {
  if (interrupted()) {
    throw Cancelled("the benchmark was interrupted; its stores are removed, and it has no result");
  }
}

void require(const Digest& read, const Digest& expected, std::string_view workload) {
  if (read == expected) return;
  throw Error(fmt::format(
      "{}: {} records were read that hash to {:016x}, where {} must be that hash to {:016x}; the "
      "engine has lost or changed data: keep the seed and report this",
      workload, read.records, read.sum, expected.records, expected.sum));
}

void put(const Plan& plan, Session& session, std::uint64_t number, Order order) {
  const RecordKey key = plan.records.key(number, order);
  const RecordValue value = plan.records.value(number);
  session.put(std::span(key), std::span(value));
}

void get(const Plan& plan, Session& session, std::uint64_t number, Digest& digest) {
  const RecordKey key = plan.records.key(number);
  session.get(std::span(key), digest);
}

void verify(const Bench& bench, Session& session, std::uint64_t first, std::uint64_t last,
            std::string_view workload, Order order) {
  Digest digest;
  session.begin_read();
  for (std::uint64_t number = first; number < last; ++number) {
    const RecordKey key = bench.plan().records.key(number, order);
    session.get(std::span(key), digest);
  }
  session.end_read();
  require(digest, digest_of(bench.plan().records, first, last, order), workload);
}

std::map<std::string, double> percentiles(const Latency& latency) {
  std::map<std::string, double> all;
  const auto add = [&](const char* name, double share) {
    all[name] = static_cast<double>(latency.percentile(share)) / 1000;
  };
  add("p50", 0.5);
  add("p90", 0.9);
  add("p99", 0.99);
  add("p99.9", 0.999);
  add("p99.99", 0.9999);
  all["max"] = static_cast<double>(latency.max_nanoseconds()) / 1000;
  return all;
}

const std::vector<Workload>& workloads() {
  static const std::vector<Workload> all = [] {
    std::vector<Workload> made;
    add_loads(made);
    add_reads(made);
    add_scans(made);
    add_commits(made);
    add_ycsb(made);
    add_openings(made);
    add_loads_of_their_own(made);
    add_large_values(made);
    return made;
  }();
  return all;
}

}  // namespace coffer::tools::bench
