// Scans in key order: all of it, backwards, and short ranges from anywhere.
#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {
namespace {

constexpr std::uint32_t kShort = 100;  // records in a short range

Measurement scan(Bench& bench, const std::string& name, bool reverse) {
  const Plan& plan = bench.plan();
  const std::unique_ptr<Session> session = bench.engine().session();
  Measurement measurement{.operations = plan.count, .bytes = plan.count * kRecordBytes};
  Digest digest;
  const Stopwatch watch;
  session->begin_read();
  session->scan({.reverse = reverse}, digest);
  session->end_read();
  watch.stop(measurement);
  require(digest, plan.all, name);
  return measurement;
}

Measurement scan_short(Bench& bench) {
  const Plan& plan = bench.plan();
  const std::vector<std::uint32_t>& in_order = plan.in_key_order();
  const std::unique_ptr<Session> session = bench.engine().session();
  const std::uint32_t count = plan.share(100, 100, 10'000);
  const auto first_of = [&](std::uint32_t i) { return mix(plan.seed ^ i) % in_order.size(); };
  Measurement measurement{.operations = count};
  Digest digest;
  const Stopwatch watch;
  for (std::uint32_t i = 0; i < count; ++i) {
    const RecordKey from = plan.records.key(in_order[first_of(i)]);
    session->begin_read();
    session->scan({.from = std::span(from), .records_max = kShort}, digest);
    session->end_read();
  }
  watch.stop(measurement);
  Digest expected;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t first = first_of(i);
    for (std::size_t at = first; at < std::min(in_order.size(), first + kShort); ++at) {
      const RecordKey key = plan.records.key(in_order[at]);
      const RecordValue value = plan.records.value(in_order[at]);
      expected.add(std::span(key), std::span(value));
    }
  }
  require(digest, expected, "scan_short");
  measurement.bytes = digest.records * kRecordBytes;
  return measurement;
}

}  // namespace

void add_scans(std::vector<Workload>& all) {
  all.push_back({.name = "scan",
                 .title = "scan",
                 .unit = "records",
                 .needs = "load",
                 .run = [](Bench& bench) { return scan(bench, "scan", false); }});
  all.push_back({.name = "scan_reverse",
                 .title = "scan from the end backwards",
                 .unit = "records",
                 .needs = "load",
                 .run = [](Bench& bench) { return scan(bench, "scan_reverse", true); }});
  all.push_back({.name = "scan_short",
                 .title = "ranges of 100 records, a transaction each",
                 .unit = "ranges",
                 .needs = "load",
                 .run = scan_short});
}

}  // namespace coffer::tools::bench
