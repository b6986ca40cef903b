// The workloads, in the order in which a round runs them over one store.
//
// Each verifies what it read, or (those that write) what the store holds afterwards, outside the
// time that it measures.  A contender that gives a wrong answer ends the benchmark.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tools/bench/contender.hpp"

namespace coffer::tools::bench {

enum class Workload : std::uint8_t {
  load,            ///< records under random keys, in synced commits of kBatchRecords
  read_one,        ///< every record once, in random order, in one transaction
  read_each,       ///< the same for some of them, each in a transaction of its own
  scan,            ///< all records in key order, in one transaction
  commit_no_sync,  ///< new records, one in a commit, none of which waits for the disk
  commit_sync,     ///< the same, each of which waits
};

inline constexpr std::array kWorkloads = {Workload::load,           Workload::read_one,
                                          Workload::read_each,      Workload::scan,
                                          Workload::commit_no_sync, Workload::commit_sync};
inline constexpr std::uint32_t kBatchRecords = 1000;

/// As on the command line and in JSON.
[[nodiscard]] std::string_view name_of(Workload workload);
/// As in the table.
[[nodiscard]] std::string_view title_of(Workload workload);

/// How often each workload does its thing, all from the number of records loaded.
struct Counts {
  explicit Counts(std::uint32_t loaded);
  std::uint32_t records;  ///< loaded, read in one transaction, scanned
  std::uint32_t reads_each;
  std::uint32_t commits_no_sync;
  std::uint32_t commits_sync;
  [[nodiscard]] std::uint32_t of(Workload workload) const;
  /// In a store that has been through all workloads.
  [[nodiscard]] StoreSize most() const;
};

/// What a round's workloads share: the same for every contender.
struct Plan {
  Plan(std::uint32_t loaded, std::uint64_t seed_in);
  Counts counts;
  std::uint64_t seed;
  Records records;
  std::vector<std::uint32_t> order;  ///< of reads
  Digest all;                        ///< of the loaded records
};

/// What a workload took.
struct Time {
  double seconds = 0;
  /// Of all threads of the process: what remains comparable on a machine that others keep busy.
  double processor_seconds = 0;
};

/// Runs a workload.  `load` comes first on a new store.  Error when what was read is
/// wrong; Cancelled after an interrupt (catch_interrupts), so that the stores are removed.
[[nodiscard]] Time run_workload(Workload workload, const Plan& plan, Contender& contender);

}  // namespace coffer::tools::bench
