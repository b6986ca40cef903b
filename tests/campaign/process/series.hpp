// Cases of real processes, one after the other on one store, in series.
//
// A series begins with a store of its own and follows from the run's seed and the series' number; what threads and
// the kernel do in it does not.  So a violation is shown again by its series, and perhaps not at the first try.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "tests/campaign/gate.hpp"

namespace coffer::campaign::process {

class Series {
 public:
  Series(GateRun& run, std::string_view gate, std::uint64_t number, std::uint64_t cases)
      : run_(run), gate_(gate), number_(number), cases_(cases) {}

  [[nodiscard]] GateRun& run() const { return run_; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] std::uint64_t cases() const { return cases_; }
  [[nodiscard]] std::uint64_t seed() const;
  void violated(const std::string& what) const;

 private:
  GateRun& run_;
  std::string_view gate_;
  std::uint64_t number_;
  std::uint64_t cases_;
};

/// Runs `body` for series after series, each of `cases_each` cases or fewer, until the run has its cases: in two
/// threads, and only the one that is named where the run is a replay.  What `body` throws is a violation, and ends
/// its series.
void run_in_series(GateRun& run, std::string_view gate, std::uint64_t cases_each,
                   const std::function<void(const Series&)>& body);

/// The same for gates that mount: each thread sees its own mounts only, and has a file system in memory with room for
/// `room` ("1g"), whose place `body` gets.  Skipped where the machine cannot mount.
void run_with_mounts(
    GateRun& run, std::string_view gate, std::uint64_t cases_each, const std::string& room,
    const std::function<void(const Series&, const std::filesystem::path& room)>& body);

/// Where files cost no disk: /dev/shm, or the directory for temporary files.
[[nodiscard]] std::filesystem::path fast_place();

}  // namespace coffer::campaign::process
