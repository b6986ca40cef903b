// See series.hpp.
#include "tests/campaign/process/series.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <exception>
#include <optional>
#include <thread>
#include <vector>

#include "tests/hard/workload.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::campaign::process {
namespace {

constexpr unsigned kSeriesThreads = 2;

std::optional<std::uint64_t> replayed_series(const GateRun& run) {
  if (run.replay().empty()) return std::nullopt;
  const std::string text(run.replay());
  std::uint64_t number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc()) {
    throw std::invalid_argument("--replay takes the number of a series");
  }
  return number;
}

void guarded(const Series& series, const std::function<void(const Series&)>& body) {
  try {
    body(series);
  } catch (const std::exception& error) {
    series.violated(error.what());
  }
}

/// `prepare` is called once in each thread and says whether it can go on.
void run_in_threads(
    GateRun& run, std::string_view gate, std::uint64_t cases_each,
    const std::function<
        void(const std::function<void(const std::function<void(const Series&)>&)>&)>& in_thread) {
  const auto only = replayed_series(run);
  const std::uint64_t cases = only ? cases_each : run.cases();
  std::atomic<std::uint64_t> next{0};
  const auto work = [&](const std::function<void(const Series&)>& body) {
    for (;;) {
      const std::uint64_t number = next++;
      if (run.stop() || number * cases_each >= cases) return;
      const std::uint64_t count = std::min(cases_each, cases - number * cases_each);
      guarded(Series(run, gate, only.value_or(number), count), body);
    }
  };
  std::vector<std::jthread> threads;
  // Also with one series: threads' mounts end with them.
  const std::uint64_t wanted =
      std::min<std::uint64_t>(kSeriesThreads, (cases - 1) / cases_each + 1);
  for (std::uint64_t i = 0; i < wanted; ++i) threads.emplace_back([&] { in_thread(work); });
}

}  // namespace

std::uint64_t Series::seed() const {
  return hard::seed_of(run_.seed(), number_, std::hash<std::string_view>{}(gate_));
}

void Series::violated(const std::string& what) const {
  run_.violated(what, fmt::format("{} --seed {} --replay {}", gate_, run_.seed(), number_));
}

void run_in_series(GateRun& run, std::string_view gate, std::uint64_t cases_each,
                   const std::function<void(const Series&)>& body) {
  run_in_threads(run, gate, cases_each, [&](const auto& work) { work(body); });
}

void run_with_mounts(
    GateRun& run, std::string_view gate, std::uint64_t cases_each, const std::string& room,
    const std::function<void(const Series&, const std::filesystem::path& room)>& body) {
  if (::geteuid() != 0) return run.skip("mounting file systems needs root");
  run_in_threads(run, gate, cases_each, [&](const auto& work) {
    if (!test::private_mounts()) return run.skip("no mounts of its own for a thread here");
    const test::TempDirectory directory;
    const test::MemoryFileSystem memory(directory.path() / "room", room);
    if (!memory.mounted()) return run.skip("no file system can be mounted here: " + memory.why());
    work([&](const Series& series) { body(series, memory.path()); });
  });
}

std::filesystem::path fast_place() {
  return ::access("/dev/shm", W_OK) == 0 ? std::filesystem::path("/dev/shm")
                                         : std::filesystem::temp_directory_path();
}

}  // namespace coffer::campaign::process
