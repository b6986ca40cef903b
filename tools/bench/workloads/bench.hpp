// What the workloads of one engine share: its store, the records, and how time is taken.
//
// A round takes each engine through the workloads in the order of the catalog; a workload runs for all engines before the
// next one does.  Each verifies what it read, or (those that write) what the store holds afterwards, outside the time that
// it measures.  An engine that gives a wrong answer ends the benchmark.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/engines/engine.hpp"
#include "tools/latency.hpp"

namespace coffer::tools::bench {

/// What a workload took.
struct Measurement {
  std::uint64_t operations = 0;
  double seconds = 0;
  /// Of all threads of the process: what remains comparable on a machine that others keep busy.
  double processor_seconds = 0;
  std::uint64_t bytes = 0;                  ///< of keys and values, written or read
  std::map<std::string, double> latency{};  ///< microseconds by percentile; empty when not taken
  std::map<std::string, double> others{};   ///< by name, with its unit at the end
};

/// What every workload is told: the same for all engines of a run.
struct Plan {
  Plan(std::uint32_t loaded, std::uint64_t seed_in);
  std::uint32_t count;  ///< of records loaded
  std::uint64_t seed;
  Records records;
  std::vector<std::uint32_t> order;  ///< of reads
  Digest all;                        ///< of the loaded records

  /// `count` divided, but within bounds and no more than was loaded.
  [[nodiscard]] std::uint32_t share(std::uint32_t divisor, std::uint32_t least,
                                    std::uint32_t most) const;
  [[nodiscard]] const std::vector<std::uint32_t>& in_key_order() const;

 private:
  mutable std::vector<std::uint32_t> in_key_order_;
};

class Stopwatch {
 public:
  Stopwatch();
  /// Adds to a measurement's times.
  void stop(Measurement& measurement) const;

 private:
  double processor_begun_;
  double begun_;
};

/// The process's processor time, and the time that passes; seconds.
[[nodiscard]] double processor_seconds_now();
[[nodiscard]] double seconds_now();

/// One engine's store in a round.
class Bench {
 public:
  /// `directory` is there and empty.
  Bench(const Kind& kind, Setup setup, const Plan& plan);

  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] const Kind& kind() const { return kind_; }
  /// The store that is loaded; open.
  [[nodiscard]] Engine& engine();
  void close() { engine_.reset(); }
  /// Opens the loaded store again, or a copy of it somewhere else.
  void open();
  [[nodiscard]] std::unique_ptr<Engine> open_in(const std::filesystem::path& directory,
                                                bool create) const;
  [[nodiscard]] const std::filesystem::path& directory() const { return setup_.directory; }
  /// An empty directory for a store of a workload's own; `remove` it afterwards.
  [[nodiscard]] std::filesystem::path own_directory(const std::string& name) const;

  /// The next `count` numbers that are not in the loaded store yet, behind the one that openings add.
  [[nodiscard]] std::uint64_t take_numbers(std::uint64_t count) {
    return std::exchange(next_number_, next_number_ + count);
  }
  /// Version of each loaded record's value; a workload that changes records counts here.
  std::vector<std::uint16_t> versions;

 private:
  const Kind& kind_;
  Setup setup_;
  const Plan& plan_;
  std::unique_ptr<Engine> engine_;
  std::uint64_t next_number_;
};

/// Cancelled after an interrupt, so that the stores are removed.
void stop_if_interrupted();
/// Error when they differ.
void require(const Digest& read, const Digest& expected, std::string_view workload);
void put(const Plan& plan, Session& session, std::uint64_t number, Order order = Order::random);
void get(const Plan& plan, Session& session, std::uint64_t number, Digest& digest);
/// Reads the records in [first, last) and nothing else.
void verify(const Bench& bench, Session& session, std::uint64_t first, std::uint64_t last,
            std::string_view workload, Order order = Order::random);
[[nodiscard]] std::map<std::string, double> percentiles(const Latency& latency);
/// Disk space that all files below a directory take, in bytes.
[[nodiscard]] std::uint64_t space_of(const std::filesystem::path& directory);
/// Returns when the files below a directory are on the disk.
void bring_to_disk(const std::filesystem::path& directory);
/// Takes what the system keeps of the files below a directory out of memory, once it is on the disk.  They are not open.
void drop_from_memory(const std::filesystem::path& directory);
/// Bytes that this process has made the system write so far; 0 where it does not say.
[[nodiscard]] double bytes_written_by_process();

inline constexpr std::uint64_t kRecordBytes = kKeyBytes + kValueBytes;

/// How a workload's results are compared.
enum class Better : std::uint8_t { faster, smaller };

struct Workload {
  std::string name;   ///< as on the command line and in JSON
  std::string title;  ///< as in the table
  std::string unit;   ///< of an operation: "records", "commits", ...
  std::string needs;  ///< another that must have been run before; empty when none
  std::function<Measurement(Bench&)> run;
  Better better = Better::faster;
};

/// All of them, in a round's order.
[[nodiscard]] const std::vector<Workload>& workloads();

// Parts of the catalog.
void add_loads(std::vector<Workload>& all);
void add_loads_of_their_own(std::vector<Workload>& all);
void add_reads(std::vector<Workload>& all);
void add_scans(std::vector<Workload>& all);
void add_commits(std::vector<Workload>& all);
void add_large_values(std::vector<Workload>& all);
void add_ycsb(std::vector<Workload>& all);
void add_openings(std::vector<Workload>& all);

}  // namespace coffer::tools::bench
