// Values from 4 KiB to 64 MiB: written in a commit each, which do not wait for the disk, and read back.
#include <coffer/error.hpp>

#include <fmt/format.h>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {
namespace {

std::string size_name(std::uint64_t bytes) {
  return bytes < 1024 * 1024 ? fmt::format("{}k", bytes / 1024)
                             : fmt::format("{}m", bytes / 1024 / 1024);
}

std::uint32_t count_of(const Plan& plan, std::uint64_t bytes) {
  const std::uint64_t in_all =
      std::clamp<std::uint64_t>(plan.count * 256ull, 1024 * 1024, 256ull * 1024 * 1024);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(in_all / bytes, 2, 20'000));
}

std::string store_name(std::uint64_t bytes) {
  return "large_" + size_name(bytes);
}

Measurement write(Bench& bench, std::uint64_t bytes) {
  const Plan& plan = bench.plan();
  const std::uint32_t count = count_of(plan, bytes);
  const std::unique_ptr<Engine> engine =
      bench.open_in(bench.own_directory(store_name(bytes)), true);
  const std::unique_ptr<Session> session = engine->session();
  Measurement measurement{.operations = count, .bytes = count * bytes};
  const double written_before = bytes_written_by_process();
  std::vector<std::byte> value(bytes);
  for (std::uint32_t number = 0; number < count; ++number) {
    stop_if_interrupted();
    plan.records.fill(value, number);
    const RecordKey key = plan.records.key(number);
    const Stopwatch watch;  // what makes the value is not timed
    session->begin_write(Sync::no);
    session->put_large(std::span(key), std::span(value));
    session->commit();
    watch.stop(measurement);
  }
  engine->settle();
  measurement.others["bytes_written_per_byte"] =
      (bytes_written_by_process() - written_before) / static_cast<double>(measurement.bytes);
  return measurement;
}

Measurement read(Bench& bench, std::uint64_t bytes) {
  const Plan& plan = bench.plan();
  const std::uint32_t count = count_of(plan, bytes);
  const std::filesystem::path directory = bench.directory() / store_name(bytes);
  std::unique_ptr<Engine> engine = bench.open_in(directory, false);
  std::unique_ptr<Session> session = engine->session();
  Measurement measurement{.operations = count, .bytes = count * bytes};
  std::vector<WordSum> sums(count);
  const Stopwatch watch;
  for (std::uint32_t number = 0; number < count; ++number) {
    const RecordKey key = plan.records.key(number);
    session->begin_read();
    session->get_large(std::span(key), [&](Bytes piece) { sums[number].add(piece); });
    session->end_read();
  }
  watch.stop(measurement);
  std::vector<std::byte> value(bytes);
  for (std::uint32_t number = 0; number < count; ++number) {
    plan.records.fill(value, number);
    WordSum expected;
    expected.add(std::span(value));
    if (sums[number] != expected) {
      throw Error(fmt::format("{}: value {} came back changed; keep the seed and report this",
                              store_name(bytes), number));
    }
  }
  session.reset();
  engine.reset();
  std::filesystem::remove_all(directory);
  return measurement;
}

}  // namespace

void add_large_values(std::vector<Workload>& all) {
  for (const std::uint64_t kib : {4u, 64u, 1024u, 16u * 1024, 64u * 1024}) {
    const std::uint64_t bytes = kib * 1024;
    const std::string size =
        kib < 1024 ? fmt::format("{} KiB", kib) : fmt::format("{} MiB", kib / 1024);
    const std::string writes = "large_write_" + size_name(bytes);
    all.push_back({.name = writes,
                   .title = fmt::format("values of {} written, no sync", size),
                   .unit = "values",
                   .needs = "",
                   .run = [bytes](Bench& bench) { return write(bench, bytes); }});
    all.push_back({.name = "large_read_" + size_name(bytes),
                   .title = fmt::format("values of {} read", size),
                   .unit = "values",
                   .needs = writes,
                   .run = [bytes](Bench& bench) { return read(bench, bytes); }});
  }
}

}  // namespace coffer::tools::bench
