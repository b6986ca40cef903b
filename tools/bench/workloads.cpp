#include "tools/bench/workloads.hpp"

#include <coffer/error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>

#include "tools/system/interrupts.hpp"

namespace coffer::tools::bench {
namespace {

void stop_if_interrupted() {
  if (interrupted()) {
    throw Cancelled("the benchmark was interrupted; its stores are removed, and it has no result");
  }
}

class Stopwatch {
 public:
  [[nodiscard]] Time stop() const {
    const auto elapsed = std::chrono::steady_clock::now() - begun_;
    return {
        .seconds = std::chrono::duration<double>(elapsed).count(),
        .processor_seconds = static_cast<double>(std::clock() - processor_begun_) / CLOCKS_PER_SEC};
  }

 private:
  std::clock_t processor_begun_ = std::clock();
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

void require(const Digest& read, const Digest& expected, Workload workload) {
  if (read == expected) return;
  throw Error(fmt::format(
      "{}: {} records were read that hash to {:016x}, where {} must be that hash to {:016x}; the "
      "engine has lost or changed data: keep the seed and report this",
      name_of(workload), read.records, read.sum, expected.records, expected.sum));
}

void put(const Plan& plan, Contender& contender, std::uint64_t number) {
  const RecordKey key = plan.records.key(number);
  const RecordValue value = plan.records.value(number);
  contender.put(std::span(key), std::span(value));
}

void get(const Plan& plan, Contender& contender, std::uint64_t number, Digest& digest) {
  const RecordKey key = plan.records.key(number);
  contender.get(std::span(key), digest);
}

/// Reads the records in [first, last) and nothing else.
void verify(const Plan& plan, Contender& contender, std::uint64_t first, std::uint64_t last,
            Workload workload) {
  Digest digest;
  contender.begin_read();
  for (std::uint64_t number = first; number < last; ++number) get(plan, contender, number, digest);
  contender.end_read();
  require(digest, digest_of(plan.records, first, last), workload);
}

Time load(const Plan& plan, Contender& contender) {
  const Stopwatch watch;
  for (std::uint32_t next = 0; next < plan.counts.records;) {
    stop_if_interrupted();
    const std::uint32_t end = std::min(plan.counts.records, next + kBatchRecords);
    contender.begin_write();
    while (next < end) put(plan, contender, next++);
    contender.commit(Sync::yes);
  }
  const Time time = watch.stop();
  contender.settle();
  return time;  // verified by the reads
}

Time read_one(const Plan& plan, Contender& contender) {
  Digest digest;
  const Stopwatch watch;
  contender.begin_read();
  for (const std::uint32_t number : plan.order) get(plan, contender, number, digest);
  contender.end_read();
  const Time time = watch.stop();
  require(digest, plan.all, Workload::read_one);
  return time;
}

Time read_each(const Plan& plan, Contender& contender) {
  Digest digest;
  Digest expected;
  const std::span<const std::uint32_t> numbers =
      std::span(plan.order).first(plan.counts.reads_each);
  const Stopwatch watch;
  for (const std::uint32_t number : numbers) {
    contender.begin_read();
    get(plan, contender, number, digest);
    contender.end_read();
  }
  const Time time = watch.stop();
  for (const std::uint32_t number : numbers) {
    const RecordKey key = plan.records.key(number);
    const RecordValue value = plan.records.value(number);
    expected.add(std::span(key), std::span(value));
  }
  require(digest, expected, Workload::read_each);
  return time;
}

Time scan(const Plan& plan, Contender& contender) {
  Digest digest;
  const Stopwatch watch;
  contender.begin_read();
  contender.scan(digest);
  contender.end_read();
  const Time time = watch.stop();
  require(digest, plan.all, Workload::scan);
  return time;
}

// Each of the two that commit has numbers of its own, behind those that were loaded.
Time commit_each(const Plan& plan, Contender& contender, Workload workload) {
  const Sync sync = workload == Workload::commit_sync ? Sync::yes : Sync::no;
  std::uint64_t first = plan.counts.records;
  if (sync == Sync::yes) first += plan.counts.commits_no_sync;
  const std::uint64_t last = first + plan.counts.of(workload);
  const Stopwatch watch;
  for (std::uint64_t number = first; number < last; ++number) {
    stop_if_interrupted();
    contender.begin_write();
    put(plan, contender, number);
    contender.commit(sync);
  }
  const Time time = watch.stop();
  contender.settle();
  verify(plan, contender, first, last, workload);
  return time;
}

}  // namespace

std::string_view name_of(Workload workload) {
  switch (workload) {
    case Workload::load:
      return "load";
    case Workload::read_one:
      return "read_one";
    case Workload::read_each:
      return "read_each";
    case Workload::scan:
      return "scan";
    case Workload::commit_no_sync:
      return "commit_no_sync";
    case Workload::commit_sync:
      return "commit_sync";
  }
  return {};
}

std::string_view title_of(Workload workload) {
  switch (workload) {
    case Workload::load:
      return "random load, synced commits of 1,000";
    case Workload::read_one:
      return "point reads, one transaction";
    case Workload::read_each:
      return "point reads, a transaction each";
    case Workload::scan:
      return "scan";
    case Workload::commit_no_sync:
      return "one-record commits, no sync";
    case Workload::commit_sync:
      return "one-record commits, synced";
  }
  return {};
}

Counts::Counts(std::uint32_t loaded)
    : records(loaded),
      reads_each(std::min(loaded, std::clamp(loaded / 5, 1'000u, 200'000u))),
      commits_no_sync(std::clamp(loaded / 10, 100u, 100'000u)),
      commits_sync(std::clamp(loaded / 500, 100u, 1'000u)) {}

std::uint32_t Counts::of(Workload workload) const {
  switch (workload) {
    case Workload::read_each:
      return reads_each;
    case Workload::commit_no_sync:
      return commits_no_sync;
    case Workload::commit_sync:
      return commits_sync;
    default:
      return records;
  }
}

StoreSize Counts::most() const {
  return {.records = std::uint64_t{records} + commits_no_sync + commits_sync};
}

Plan::Plan(std::uint32_t loaded, std::uint64_t seed_in)
    : counts(loaded),
      seed(seed_in),
      records(seed_in),
      order(shuffled(loaded, seed_in)),
      all(digest_of(records, 0, loaded)) {}

Time run_workload(Workload workload, const Plan& plan, Contender& contender) {
  stop_if_interrupted();
  switch (workload) {
    case Workload::load:
      return load(plan, contender);
    case Workload::read_one:
      return read_one(plan, contender);
    case Workload::read_each:
      return read_each(plan, contender);
    case Workload::scan:
      return scan(plan, contender);
    case Workload::commit_no_sync:
    case Workload::commit_sync:
      return commit_each(plan, contender, workload);
  }
  return {};
}

}  // namespace coffer::tools::bench
