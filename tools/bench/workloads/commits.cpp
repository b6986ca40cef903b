// Commits of one record, which wait for the disk or not, from one thread or several.
#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <thread>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {
namespace {

// One thread's share.
void commit_some(const Plan& plan, Session& session, Sync sync, std::uint64_t first,
                 std::uint64_t last, Latency& latency) {
  auto begun = std::chrono::steady_clock::now();
  for (std::uint64_t number = first; number < last; ++number) {
    stop_if_interrupted();
    session.begin_write(sync);
    put(plan, session, number);
    session.commit();
    const auto now = std::chrono::steady_clock::now();
    latency.add(now - begun);
    begun = now;
  }
}

Measurement commit_each(Bench& bench, const std::string& name, Sync sync, std::uint32_t threads) {
  const Plan& plan = bench.plan();
  const std::uint32_t wanted = sync == Sync::yes
                                   ? plan.share(500, 100, 1'000) * std::min(threads, 8u)
                                   : plan.share(10, 100, 100'000);
  const std::uint32_t each = std::max(1u, wanted / threads);
  const std::uint64_t first = bench.take_numbers(std::uint64_t{each} * threads);
  std::vector<std::unique_ptr<Session>> sessions;
  for (std::uint32_t i = 0; i < threads; ++i) sessions.push_back(bench.engine().session());
  std::vector<Latency> latencies(threads);
  std::vector<std::exception_ptr> failures(threads);
  Measurement measurement{.operations = std::uint64_t{each} * threads,
                          .bytes = std::uint64_t{each} * threads * kRecordBytes};
  const double written_before = bytes_written_by_process();
  const Stopwatch watch;
  if (threads == 1) {
    commit_some(plan, *sessions[0], sync, first, first + each, latencies[0]);
  } else {
    std::vector<std::jthread> running;
    for (std::uint32_t i = 0; i < threads; ++i) {
      running.emplace_back([&, i] {
        try {
          const std::uint64_t own = first + std::uint64_t{each} * i;
          commit_some(plan, *sessions[i], sync, own, own + each, latencies[i]);
        } catch (...) {
          failures[i] = std::current_exception();
        }
      });
    }
  }
  watch.stop(measurement);
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  bench.engine().settle();
  measurement.others["bytes_written_per_byte"] =
      (bytes_written_by_process() - written_before) / static_cast<double>(measurement.bytes);
  for (std::uint32_t i = 1; i < threads; ++i) latencies[0].add(latencies[i]);
  measurement.latency = percentiles(latencies[0]);
  verify(bench, *sessions[0], first, first + measurement.operations, name);
  return measurement;
}

}  // namespace

void add_commits(std::vector<Workload>& all) {
  for (const Sync sync : {Sync::no, Sync::yes}) {
    for (const std::uint32_t threads : {1u, 4u, 16u}) {
      const bool waits = sync == Sync::yes;
      const std::string name = fmt::format("commit_{}sync{}", waits ? "" : "no_",
                                           threads == 1 ? "" : fmt::format("_{}", threads));
      all.push_back(
          {.name = name,
           .title = fmt::format("one-record commits, {}, {} thread{}", waits ? "synced" : "no sync",
                                threads, threads == 1 ? "" : "s"),
           .unit = "commits",
           .needs = "load",
           .run = [=](Bench& bench) { return commit_each(bench, name, sync, threads); }});
    }
  }
}

}  // namespace coffer::tools::bench
