// The core workloads of YCSB (Cooper et al. 2010, https://doi.org/10.1145/1807128.1807152), one thread, each operation in a
// transaction of its own, commits that do not wait for the disk.
//
// What each operation does is drawn from the seed, so that what must have been read can be counted up again afterwards
// without the store.
#include <fmt/format.h>

#include <chrono>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {
namespace {

constexpr std::uint32_t kScanRecordsMax = 100;

enum class Step : std::uint8_t { read, update, insert, scan, read_modify_write };
enum class Choice { zipf, latest };

struct Mix {
  char letter;
  const char* what;
  unsigned reads;  // of a hundred; the rest is `other`
  Step other;
  Choice choice;
};

constexpr Mix kMixes[] = {
    {'a', "half reads, half updates", 50, Step::update, Choice::zipf},
    {'b', "95 % reads, 5 % updates", 95, Step::update, Choice::zipf},
    {'c', "reads", 100, Step::read, Choice::zipf},
    {'d', "95 % reads of the latest, 5 % inserts", 95, Step::insert, Choice::latest},
    {'e', "95 % ranges of up to 100, 5 % inserts", 95, Step::insert, Choice::zipf},
    {'f', "half reads, half read-modify-write", 50, Step::read_modify_write, Choice::zipf},
};

struct Operation {
  Step step{};
  std::uint64_t number = 0;   // of the record
  std::uint16_t version = 0;  // that it has, or for a write gets
  std::uint32_t records = 0;  // of a scan
};

// Drawn in advance, and with it what the store will hold.
std::vector<Operation> draw(Bench& bench, const Mix& what, std::uint32_t count) {
  const Plan& plan = bench.plan();
  const Zipf zipf(plan.count);
  std::vector<Operation> all(count);
  std::vector<std::uint64_t> inserted;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t random =
        mix(plan.seed ^ mix((std::uint64_t{static_cast<unsigned char>(what.letter)} << 32) + i));
    Operation& operation = all[i];
    operation.step =
        random % 100 < what.reads ? (what.letter == 'e' ? Step::scan : Step::read) : what.other;
    if (operation.step == Step::insert) {
      operation.number = bench.take_numbers(1);
      inserted.push_back(operation.number);
      continue;
    }
    const std::uint64_t drawn = zipf.draw(mix(random));
    if (what.choice == Choice::latest) {
      operation.number = drawn < inserted.size() ? inserted[inserted.size() - 1 - drawn]
                                                 : plan.count - 1 - (drawn - inserted.size());
    } else if (operation.step == Step::scan) {
      operation.records = 1 + static_cast<std::uint32_t>(mix(~random) % kScanRecordsMax);
      operation.number = plan.order[drawn];
    } else {
      operation.number = plan.order[drawn];
    }
    if (operation.number < plan.count) {
      std::uint16_t& version = bench.versions[operation.number];
      if (operation.step == Step::update || operation.step == Step::read_modify_write) ++version;
      operation.version = version;
    }
  }
  return all;
}

void change(const Plan& plan, Session& session, const Operation& operation) {
  const RecordKey key = plan.records.key(operation.number);
  const RecordValue value = plan.records.value(operation.number, operation.version);
  session.begin_write(Sync::no);
  session.put(std::span(key), std::span(value));
  session.commit();
}

void carry_out(const Plan& plan, Session& session, const Operation& operation, Digest& digest,
               Digest& scanned) {
  const RecordKey key = plan.records.key(operation.number);
  switch (operation.step) {
    case Step::read_modify_write:
    case Step::read:
      session.begin_read();
      session.get(std::span(key), digest);
      session.end_read();
      if (operation.step == Step::read_modify_write) change(plan, session, operation);
      break;
    case Step::scan:
      session.begin_read();
      session.scan({.from = std::span(key), .records_max = operation.records}, scanned);
      session.end_read();
      break;
    case Step::update:
    case Step::insert:
      change(plan, session, operation);
      break;
  }
}

// What the reads must have found.  A read-modify-write reads the version before its own.
Digest expected(const Plan& plan, const std::vector<Operation>& operations) {
  Digest digest;
  for (const Operation& operation : operations) {
    if (operation.step != Step::read && operation.step != Step::read_modify_write) continue;
    const auto version = static_cast<std::uint16_t>(
        operation.version - (operation.step == Step::read_modify_write ? 1 : 0));
    const RecordKey key = plan.records.key(operation.number);
    const RecordValue value = plan.records.value(operation.number, version);
    digest.add(std::span(key), std::span(value));
  }
  return digest;
}

// Ranges end early only at the end of all keys: their number says little less than their contents, which other
// workloads compare.
void require_scanned(const Plan& plan, const std::vector<Operation>& operations,
                     const Digest& scanned, const std::string& name) {
  std::uint64_t wanted = 0;
  for (const Operation& operation : operations) wanted += operation.records;
  if (wanted == 0) return;
  const bool fits =
      scanned.records <= wanted && (plan.count < 1'000 || scanned.records > wanted / 2);
  require({.records = scanned.records}, {.records = fits ? scanned.records : wanted}, name);
}

Measurement ycsb(Bench& bench, const Mix& what, const std::string& name) {
  const Plan& plan = bench.plan();
  const std::uint32_t divisor = what.letter == 'e' ? 50 : 10;
  const std::vector<Operation> operations =
      draw(bench, what, plan.share(divisor, 100, what.letter == 'e' ? 20'000 : 100'000));
  const std::unique_ptr<Session> session = bench.engine().session();
  Measurement measurement{.operations = operations.size()};
  Digest digest;
  Digest scanned;
  Latency latency;
  const Stopwatch watch;
  for (const Operation& operation : operations) {
    const auto begun = std::chrono::steady_clock::now();
    carry_out(plan, *session, operation, digest, scanned);
    latency.add(std::chrono::steady_clock::now() - begun);
  }
  watch.stop(measurement);
  bench.engine().settle();
  require(digest, expected(plan, operations), name);
  require_scanned(plan, operations, scanned, name);
  measurement.bytes = (digest.records + scanned.records) * kRecordBytes;
  measurement.latency = percentiles(latency);
  return measurement;
}

}  // namespace

void add_ycsb(std::vector<Workload>& all) {
  for (const Mix& what : kMixes) {
    const std::string name = fmt::format("ycsb_{}", what.letter);
    all.push_back(
        {.name = name,
         .title = fmt::format("YCSB {}: {}", static_cast<char>(what.letter - 'a' + 'A'), what.what),
         .unit = "operations",
         .needs = "load",
         .run = [&what, name](Bench& bench) { return ycsb(bench, what, name); }});
  }
}

}  // namespace coffer::tools::bench
