// Point reads: in one transaction or one each; of records that are there or not; all alike, or a few far more often than others.
#include <chrono>
#include <span>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {
namespace {

constexpr std::uint64_t kMissing = std::uint64_t{1} << 40;  // beyond every record's number

enum class Transactions { one, each };
enum class Which { hits, misses, zipf };

// The numbers to read, before any time is taken.
std::vector<std::uint64_t> numbers_of(const Plan& plan, Which which, std::uint32_t count) {
  std::vector<std::uint64_t> numbers(count);
  const Zipf zipf(plan.count);
  for (std::uint32_t i = 0; i < count; ++i) {
    switch (which) {
      case Which::hits:
        numbers[i] = plan.order[i];
        break;
      case Which::misses:
        numbers[i] = kMissing + i;
        break;
      case Which::zipf:
        numbers[i] = plan.order[zipf.draw(mix(plan.seed + i))];
        break;
    }
  }
  return numbers;
}

Digest expected(const Plan& plan, std::span<const std::uint64_t> numbers) {
  Digest digest;
  for (const std::uint64_t number : numbers) {
    if (number >= kMissing) continue;
    const RecordKey key = plan.records.key(number);
    const RecordValue value = plan.records.value(number);
    digest.add(std::span(key), std::span(value));
  }
  return digest;
}

Digest read_one(const Plan& plan, Session& session, std::span<const std::uint64_t> numbers) {
  Digest digest;
  session.begin_read();
  for (const std::uint64_t number : numbers) get(plan, session, number, digest);
  session.end_read();
  return digest;
}

Digest read_each(const Plan& plan, Session& session, std::span<const std::uint64_t> numbers) {
  Digest digest;
  for (const std::uint64_t number : numbers) {
    session.begin_read();
    get(plan, session, number, digest);
    session.end_read();
  }
  return digest;
}

// A pass of its own: two looks at the clock would be a part of a fast engine's time.
Latency latency_of_each(const Plan& plan, Session& session,
                        std::span<const std::uint64_t> numbers) {
  Latency latency;
  Digest digest;
  for (const std::uint64_t number : numbers) {
    const auto begun = std::chrono::steady_clock::now();
    session.begin_read();
    get(plan, session, number, digest);
    session.end_read();
    latency.add(std::chrono::steady_clock::now() - begun);
  }
  return latency;
}

Measurement read(Bench& bench, const std::string& name, Which which, Transactions transactions) {
  const Plan& plan = bench.plan();
  const bool all = which == Which::hits && transactions == Transactions::one;
  const std::vector<std::uint64_t> numbers =
      numbers_of(plan, which, all ? plan.count : plan.share(5, 1'000, 200'000));
  const std::unique_ptr<Session> session = bench.engine().session();
  Measurement measurement{.operations = numbers.size()};
  const std::uint64_t opened_before = bench.engine().units_opened();
  const Stopwatch watch;
  const Digest digest = transactions == Transactions::one ? read_one(plan, *session, numbers)
                                                          : read_each(plan, *session, numbers);
  watch.stop(measurement);
  require(digest, expected(plan, numbers), name);
  measurement.bytes = digest.records * kRecordBytes;
  measurement.others["units_opened"] =
      static_cast<double>(bench.engine().units_opened() - opened_before);
  if (transactions == Transactions::each) {
    measurement.latency = percentiles(latency_of_each(plan, *session, numbers));
  }
  return measurement;
}

// The files' cache was dropped: each record comes from the disk, as in a store that is far larger than memory.
Measurement read_cold(Bench& bench) {
  const Plan& plan = bench.plan();
  const std::vector<std::uint64_t> numbers =
      numbers_of(plan, Which::hits, plan.share(50, 100, 5'000));
  bench.close();
  drop_from_memory(bench.directory() / "loaded");
  bench.open();
  const std::unique_ptr<Session> session = bench.engine().session();
  Measurement measurement{.operations = numbers.size()};
  const Stopwatch watch;
  const Digest digest = read_each(plan, *session, numbers);
  watch.stop(measurement);
  require(digest, expected(plan, numbers), "read_cold");
  measurement.bytes = digest.records * kRecordBytes;
  return measurement;
}

}  // namespace

void add_reads(std::vector<Workload>& all) {
  struct Row {
    const char* name;
    const char* title;
    Which which;
    Transactions transactions;
  };
  for (const Row& row :
       {Row{"read_one", "point reads of all, one transaction", Which::hits, Transactions::one},
        Row{"read_each", "point reads, a transaction each", Which::hits, Transactions::each},
        Row{"miss_one", "reads of what is not there, one transaction", Which::misses,
            Transactions::one},
        Row{"miss_each", "reads of what is not there, a transaction each", Which::misses,
            Transactions::each},
        Row{"zipf_one", "point reads, Zipf, one transaction", Which::zipf, Transactions::one},
        Row{"zipf_each", "point reads, Zipf, a transaction each", Which::zipf,
            Transactions::each}}) {
    all.push_back(
        {.name = row.name,
         .title = row.title,
         .unit = "reads",
         .needs = "load",
         .run = [name = std::string(row.name), which = row.which, transactions = row.transactions](
                    Bench& bench) { return read(bench, name, which, transactions); }});
  }
  all.push_back({.name = "read_cold",
                 .title = "point reads, a transaction each, files not in memory",
                 .unit = "reads",
                 .needs = "load",
                 .run = read_cold});
}

}  // namespace coffer::tools::bench
