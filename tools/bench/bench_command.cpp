// bench
//
// A round makes a new store for each engine, in a process of its own, and takes all of them through all workloads, workload
// by workload, so that the figures of a ratio are measured one right after the other.  Who goes first changes with each
// round.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tools/bench/backup_bench.hpp"
#include "tools/bench/file_system.hpp"
#include "tools/bench/limits.hpp"
#include "tools/bench/result.hpp"
#include "tools/bench/worker.hpp"
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
constexpr std::uint64_t kCacheBytes = 512ull * 1024 * 1024;

// What a run has that names no workloads: short, and what most want to know.
const std::vector<std::string> kUsual = {"load", "space",          "read_one",   "read_each",
                                         "scan", "commit_no_sync", "commit_sync"};

struct BenchOptions {
  std::uint32_t records = 200'000;
  std::uint32_t rounds = 3;
  std::uint64_t seed = 1;
  std::string directory;
  std::string peers;
  std::vector<std::string> engines;    ///< empty: Coffer, and LMDB where it is there
  std::vector<std::string> workloads;  ///< empty: the usual ones
  bool only_coffer = false;
  bool list = false;
  std::string worker;            ///< this process serves one
  std::uint64_t backups_of = 0;  ///< bytes; 0: the workloads
};

std::filesystem::path directory_of(const BenchOptions& options) {
  return options.directory.empty() ? std::filesystem::temp_directory_path()
                                   : path_of(options.directory);
}

std::filesystem::path peers_of(const BenchOptions& options) {
  if (!options.peers.empty()) return path_of(options.peers);
  if (const char* const named = std::getenv("COFFER_BENCH_PEERS")) return named;
  if (const char* const cache = std::getenv("XDG_CACHE_HOME")) {
    return std::filesystem::path(cache) / "coffer" / "bench-peers";
  }
  const char* const home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "." : home) / ".cache" / "coffer" / "bench-peers";
}

WorkerOptions worker_options(const BenchOptions& options, const GlobalOptions& global,
                             const std::string& kind, const std::filesystem::path& directory) {
  return {.kind = kind,
          .directory = directory,
          .peers = peers_of(options),
          .records = options.records,
          .seed = options.seed,
          .cache_bytes = global.locked_bytes_max.value_or(kCacheBytes),
          .proceed_unlocked = global.proceed_unlocked};
}

/// The chosen ones, in a round's order.  What they build upon comes first whether chosen or not.
std::vector<const Workload*> chosen_workloads(const BenchOptions& options) {
  const std::vector<std::string>& named = options.workloads.empty() ? kUsual : options.workloads;
  std::set<std::string> wanted(named.begin(), named.end());
  const bool all = wanted.contains("all");
  for (auto one = workloads().rbegin(); one != workloads().rend(); ++one) {
    if (all) wanted.insert(one->name);
    if (wanted.contains(one->name) && !one->needs.empty()) wanted.insert(one->needs);
  }
  std::vector<const Workload*> chosen;
  for (const Workload& one : workloads()) {
    if (wanted.contains(one.name)) chosen.push_back(&one);
  }
  return chosen;
}

// Coffer's default first where it takes part; what was named and cannot be had is said.
void choose_engines(const BenchOptions& options, const GlobalOptions& global, Result& result) {
  std::set<std::string> wanted(options.engines.begin(), options.engines.end());
  if (wanted.empty()) wanted = {"coffer", "lmdb"};
  if (options.only_coffer) wanted = {"coffer"};
  for (const Kind& kind : kinds()) {
    if (!wanted.contains(kind.name) && !wanted.contains("all")) continue;
    if (const std::string why = kind.missing(); !why.empty()) {
      result.missing.emplace_back(kind.name, why);
      continue;
    }
    const Setup setup{.directory = {},
                      .cache_bytes = global.locked_bytes_max.value_or(kCacheBytes),
                      .proceed_unlocked = global.proceed_unlocked};
    result.engines.push_back({kind.name, kind.description, kind.profile(setup)});
  }
  if (result.engines.empty()) {
    std::string why;
    for (const auto& [name, text] : result.missing) why += fmt::format("; {}: {}", name, text);
    throw InvalidArgument("none of the engines that were named is to be had" + why);
  }
}

Result prepared(const BenchOptions& options, const GlobalOptions& global) {
  Result result;
  result.settings = {{"records", fmt::format("{}", options.records)},
                     {"key_bytes", fmt::format("{}", kKeyBytes)},
                     {"value_bytes", fmt::format("{}", kValueBytes)},
                     {"rounds", fmt::format("{}", options.rounds)},
                     {"seed", fmt::format("{}", options.seed)},
                     {"directory", directory_of(options).string()},
                     {"file_system", file_system_of(directory_of(options))}};
  choose_engines(options, global, result);
  for (const Workload* const workload : chosen_workloads(options)) {
    result.rows.push_back({.workload = workload, .measured = {}});
  }
  return result;
}

void run_round(const BenchOptions& options, const GlobalOptions& global, std::uint32_t round,
               std::atomic<const Workload*>& doing, Result& result) {
  const std::size_t count = result.engines.size();
  const TemporaryDirectory directory(directory_of(options));
  for (const auto& [name, value] : measure_limits(directory.path())) {
    result.limits[name].push_back(value);
  }
  std::vector<std::unique_ptr<Worker>> workers;
  for (const Result::Contestant& engine : result.engines) {
    const std::filesystem::path own = directory.path() / engine.name;
    std::filesystem::create_directory(own);
    workers.push_back(make_worker(worker_options(options, global, engine.name, own)));
  }
  for (Result::Row& row : result.rows) {
    doing = row.workload;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t turn = (i + round) % count;
      row.measured[result.engines[turn].name].push_back(workers[turn]->run(row.workload->name));
    }
  }
}

ExitCode run_benchmark(const BenchOptions& options, const GlobalOptions& global) {
  catch_interrupts();
  Result result = prepared(options, global);
  {
    std::atomic<std::uint32_t> round = 0;
    std::atomic<const Workload*> doing = result.rows.front().workload;
    const Progress progress([&] {
      return fmt::format("round {} of {}: {}", round.load() + 1, options.rounds,
                         doing.load()->title);
    });
    for (; round < options.rounds; ++round) run_round(options, global, round, doing, result);
  }
  print(global.json ? result_as_json(result) : result_as_text(result));
  return ExitCode::done;
}

ExitCode list_all() {
  std::string text = "engines:\n";
  for (const Kind& kind : kinds()) {
    const std::string why = kind.missing();
    text += fmt::format("  {:<24}{}{}\n", kind.name, kind.description,
                        why.empty() ? "" : fmt::format(" (not to be had: {})", why));
  }
  text += "workloads:\n";
  for (const Workload& one : workloads()) text += fmt::format("  {:<24}{}\n", one.name, one.title);
  print(text);
  return ExitCode::done;
}

ExitCode carry_out(const BenchOptions& options, const GlobalOptions& global) {
  if (options.backups_of != 0) {
    return run_backup_benchmark({.directory = directory_of(options),
                                 .store_bytes = options.backups_of,
                                 .rounds = options.rounds,
                                 .seed = options.seed},
                                global);
  }
  look_for_peers_in(peers_of(options));
  if (options.list) return list_all();
  if (options.worker.empty()) return run_benchmark(options, global);
  serve(worker_options(options, global, options.worker, directory_of(options)));
  return ExitCode::done;
}

// Names as the command line takes them.
std::vector<std::string> engine_names() {
  std::vector<std::string> names = {"all"};
  for (const Kind& kind : kinds()) names.push_back(kind.name);
  return names;
}
std::vector<std::string> workload_names() {
  std::vector<std::string> names = {"all"};
  for (const Workload& workload : workloads()) names.push_back(workload.name);
  return names;
}

}  // namespace
}  // namespace bench

void add_bench_command(CLI::App& app, Invocation& invocation) {
  const auto options = std::make_shared<bench::BenchOptions>();
  CLI::App* const command = app.add_subcommand(
      "bench",
      "Measure this machine with stores of its own, against other engines where they are there");
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
  command
      ->add_option("--engine", options->engines,
                   "One to measure, or all (repeatable; default coffer and lmdb; see --list)")
      ->check(CLI::IsMember(bench::engine_names()))
      ->type_name("NAME");
  command
      ->add_option("--workload", options->workloads,
                   "One to measure, or all (repeatable; default a few; see --list)")
      ->check(CLI::IsMember(bench::workload_names()))
      ->type_name("NAME");
  command
      ->add_option("--peers", options->peers,
                   "Where tools/bench-peers put engines that the system does not have")
      ->type_name("DIR");
  command->add_flag("--only-coffer", options->only_coffer, "Leave the comparison out");
  command->add_flag("--list", options->list, "Show the engines and workloads");
  command->add_option("--worker", options->worker)->group("");
  add_size_option(*command, "--backups-of", options->backups_of,
                  "Measure backups and restores of a store of about this size instead");
  command->footer(
      "bench gives each engine 512M of memory, of which Coffer locks its own, unless --locked-max "
      "says otherwise.");
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] {
      return bench::carry_out(*options, invocation.global);
    };
  });
}

}  // namespace coffer::tools
