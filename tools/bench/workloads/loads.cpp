// Loading, in commits of 1, 100, 1,000 or all records, each synced.
#include <fmt/format.h>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {
namespace {

struct Load {
  Order order;
  std::uint32_t batch;  ///< records in a commit
  std::uint32_t count;
};

Measurement load(Engine& engine, const Plan& plan, const Load& load) {
  const std::unique_ptr<Session> session = engine.session();
  Measurement measurement{.operations = load.count, .bytes = load.count * kRecordBytes};
  const double written_before = bytes_written_by_process();
  const Stopwatch watch;
  for (std::uint32_t next = 0; next < load.count;) {
    stop_if_interrupted();
    const std::uint32_t end = next + std::min(load.batch, load.count - next);
    session->begin_write(Sync::yes);
    while (next < end) put(plan, *session, next++, load.order);
    session->commit();
  }
  watch.stop(measurement);
  engine.settle();
  measurement.others["bytes_written_per_byte"] =
      (bytes_written_by_process() - written_before) / static_cast<double>(measurement.bytes);
  return measurement;
}

// The store that the workloads after it use; verified by the reads.
Measurement load_for_all(Bench& bench) {
  return load(bench.engine(), bench.plan(), {Order::random, 1000, bench.plan().count});
}

Measurement load_own(Bench& bench, const std::string& name, Load what) {
  const std::filesystem::path directory = bench.own_directory(name);
  std::unique_ptr<Engine> engine = bench.open_in(directory, true);
  Measurement measurement = load(*engine, bench.plan(), what);
  verify(bench, *engine->session(), 0, what.count, name, what.order);
  engine.reset();
  std::filesystem::remove_all(directory);
  return measurement;
}

// Disk space after a clean close: what it needs in the long run, without what it had set aside.
Measurement space(Bench& bench) {
  bench.close();
  const std::uint64_t bytes = space_of(bench.directory() / "loaded");
  bench.open();
  return {
      .operations = bytes,
      .bytes = bench.plan().count * kRecordBytes,
      .others = {{"bytes_per_byte", static_cast<double>(bytes) /
                                        static_cast<double>(bench.plan().count * kRecordBytes)}}};
}

void add_own(std::vector<Workload>& all, Order order, std::uint32_t batch) {
  const char* const kind = order == Order::random ? "random" : "sequential";
  const std::string name =
      fmt::format("load_{}_{}", kind, batch == UINT32_MAX ? "all" : fmt::format("{}", batch));
  const std::string size = batch == UINT32_MAX ? "all records"
                           : batch == 1        ? "one record"
                                               : fmt::format("{} records", batch);
  all.push_back({.name = name,
                 .title = fmt::format("{} load, synced commits of {}", kind, size),
                 .unit = "records",
                 .needs = "",
                 .run = [=](Bench& bench) {
                   const Plan& plan = bench.plan();
                   // What waits for the disk each time would take for ever.
                   const std::uint32_t count = batch == 1     ? plan.share(500, 100, 1'000)
                                               : batch == 100 ? plan.share(10, 1'000, 50'000)
                                                              : plan.count;
                   return load_own(bench, name, {order, batch, count});
                 }});
}

}  // namespace

void add_loads(std::vector<Workload>& all) {
  all.push_back({.name = "load",
                 .title = "random load, synced commits of 1,000 records",
                 .unit = "records",
                 .needs = "",
                 .run = load_for_all});
  all.push_back({.name = "space",
                 .title = "space on disk after the load, closed",
                 .unit = "bytes",
                 .needs = "load",
                 .run = space,
                 .better = Better::smaller});
}

void add_loads_of_their_own(std::vector<Workload>& all) {
  for (const std::uint32_t batch : {1u, 100u, UINT32_MAX}) add_own(all, Order::random, batch);
  for (const std::uint32_t batch : {1u, 100u, 1000u, UINT32_MAX}) {
    add_own(all, Order::sequential, batch);
  }
}

}  // namespace coffer::tools::bench
