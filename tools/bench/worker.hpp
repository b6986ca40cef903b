// Runs workloads for one engine: in a process of its own where the system has `posix_spawn`, so that neither memory, nor
// threads, nor what a library keeps of its own is shared with the engines that it is compared with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {

/// What a worker is started with.
struct WorkerOptions {
  std::string kind;
  std::filesystem::path directory;  ///< there, and empty
  std::filesystem::path peers;
  std::uint32_t records = 0;
  std::uint64_t seed = 0;
  std::uint64_t cache_bytes = 0;
  bool proceed_unlocked = false;
};

class Worker {
 public:
  virtual ~Worker() = default;
  /// Runs a workload by its name and gives what it took, besides "locked_bytes" and "resident_bytes_peak" where the system
  /// tells them.  Error when it cannot, Cancelled after an interrupt.
  [[nodiscard]] virtual Measurement run(const std::string& workload) = 0;
};

/// One in a process of its own, or where there is none, in this one.
[[nodiscard]] std::unique_ptr<Worker> make_worker(const WorkerOptions& options);
[[nodiscard]] std::unique_ptr<Worker> make_worker_in_process(const WorkerOptions& options);

/// What a worker's process does: reads names of workloads from standard input, a line each, and answers each with a line of
/// JSON, until the input ends.
void serve(const WorkerOptions& options);

/// A worker's answer; `failure` is the text of an error, or empty.
[[nodiscard]] std::string answer_as_json(const Measurement& measurement,
                                         const std::string& failure);
/// The measurement, or the error that the text tells of.
[[nodiscard]] Measurement answer_from_json(const std::string& text);

}  // namespace coffer::tools::bench
