// bench
//
// A round makes a new store for each contender and takes both through all workloads, workload by
// workload, so that the two figures of a ratio are measured one right after the other.  Who goes
// first changes with each round.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/backup_bench.hpp"
#include "tools/bench/file_system.hpp"
#include "tools/bench/result.hpp"
#include "tools/commands.hpp"
#include "tools/file_name.hpp"
#include "tools/option_forms.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/system/interrupts.hpp"

namespace coffer::tools {
namespace bench {
namespace {

constexpr std::uint32_t kRecordsMax = 100'000'000;

struct BenchOptions {
  std::uint32_t records = 200'000;
  std::uint32_t rounds = 3;
  std::uint64_t seed = 1;
  std::string directory;
  std::vector<std::string> workloads;  ///< empty: all
  bool only_coffer = false;
  std::uint64_t backups_of = 0;  ///< bytes; 0: the workloads
};

std::filesystem::path directory_of(const BenchOptions& options) {
  return options.directory.empty() ? std::filesystem::temp_directory_path()
                                   : path_of(options.directory);
}

/// The chosen ones, in a round's order.  What they build upon comes first whether chosen or not.
std::vector<Workload> chosen(const BenchOptions& options) {
  std::vector<Workload> all;
  for (const Workload workload : kWorkloads) {
    const bool named = std::find(options.workloads.begin(), options.workloads.end(),
                                 name_of(workload)) != options.workloads.end();
    if (options.workloads.empty() || named || workload == Workload::load) all.push_back(workload);
  }
  return all;
}

Result empty_result(const BenchOptions& options, const GlobalOptions& global,
                    const std::vector<Workload>& workloads, const Counts& counts) {
  Result result;
  result.settings = {{"records", fmt::format("{}", options.records)},
                     {"key_bytes", fmt::format("{}", kKeyBytes)},
                     {"value_bytes", fmt::format("{}", kValueBytes)},
                     {"rounds", fmt::format("{}", options.rounds)},
                     {"seed", fmt::format("{}", options.seed)},
                     {"directory", directory_of(options).string()},
                     {"file_system", file_system_of(directory_of(options))}};
  result.profiles.push_back(coffer_profile(global));
  if (has_lmdb() && !options.only_coffer) result.profiles.push_back(lmdb_profile());
  for (const Workload workload : workloads) {
    result.rows.push_back({.workload = workload, .operations = counts.of(workload), .times = {}});
  }
  return result;
}

void run_round(const BenchOptions& options, const GlobalOptions& global, const Plan& plan,
               std::uint32_t round, std::atomic<Workload>& doing, Result& result) {
  const std::size_t count = result.profiles.size();
  std::vector<std::unique_ptr<TemporaryDirectory>> directories;  // outlive what is open in them
  std::vector<std::unique_ptr<Contender>> contenders;
  for (std::size_t i = 0; i < count; ++i) {
    directories.push_back(std::make_unique<TemporaryDirectory>(directory_of(options)));
    const std::filesystem::path& path = directories.back()->path();
    contenders.push_back(i == 0 ? make_coffer(path, global) : make_lmdb(path, plan.counts.most()));
  }
  for (Result::Row& row : result.rows) {
    doing = row.workload;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t turn = (i + round) % count;
      row.times[result.profiles[turn].name].push_back(
          run_workload(row.workload, plan, *contenders[turn]));
    }
  }
}

ExitCode run_benchmark(const BenchOptions& options, const GlobalOptions& global) {
  catch_interrupts();
  const Plan plan(options.records, options.seed);
  Result result = empty_result(options, global, chosen(options), plan.counts);
  {
    std::atomic<std::uint32_t> round = 0;
    std::atomic<Workload> doing = Workload::load;
    const Progress progress([&] {
      return fmt::format("round {} of {}: {}", round.load() + 1, options.rounds, title_of(doing));
    });
    for (; round < options.rounds; ++round) {
      run_round(options, global, plan, round, doing, result);
    }
  }
  print(global.json ? result_as_json(result) : result_as_text(result));
  return ExitCode::done;
}

}  // namespace
}  // namespace bench

void add_bench_command(CLI::App& app, Invocation& invocation) {
  const auto options = std::make_shared<bench::BenchOptions>();
  CLI::App* const command = app.add_subcommand(
      "bench", "Measure this machine with stores of its own, against LMDB where that was built in");
  command->add_option("--records", options->records, "Records to load (default 200000)")
      ->check(CLI::Range(1u, bench::kRecordsMax))
      ->type_name("N");
  command->add_option("--rounds", options->rounds, "Times to measure everything (default 3)")
      ->check(CLI::Range(1u, 1000u))
      ->type_name("N");
  command->add_option("--seed", options->seed, "Of keys, values and their order (default 1)")
      ->type_name("N");
  command
      ->add_option(
          "--dir", options->directory,
          "Where the temporary stores are made (default: the system's temporary directory)")
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  std::vector<std::string> names;
  for (const bench::Workload workload : bench::kWorkloads) names.emplace_back(name_of(workload));
  command->add_option("--workload", options->workloads, "Only this one, after loading (repeatable)")
      ->check(CLI::IsMember(names))
      ->type_name("NAME");
  command->add_flag("--only-coffer", options->only_coffer, "Leave the comparison out");
  add_size_option(*command, "--backups-of", options->backups_of,
                  "Measure backups and restores of a store of about this size instead");
  command->footer("bench locks 512M of memory unless --locked-max says otherwise.");
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] {
      if (options->backups_of != 0) {
        return bench::run_backup_benchmark({.directory = bench::directory_of(*options),
                                            .store_bytes = options->backups_of,
                                            .rounds = options->rounds,
                                            .seed = options->seed},
                                           invocation.global);
      }
      return bench::run_benchmark(*options, invocation.global);
    };
  });
}

}  // namespace coffer::tools
