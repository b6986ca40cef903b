// stress memlock
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "tools/bench/file_system.hpp"
#include "tools/commands.hpp"
#include "tools/option_forms.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/report.hpp"
#include "tools/stress/memlock.hpp"

namespace coffer::tools {
namespace stress {
namespace {

struct StressRequest {
  MemlockOptions options;
  std::uint64_t seconds = 20;
  std::uint64_t threads = 8;
  std::string directory;
};

void add_sizes_option(CLI::App& command, const std::string& name, std::vector<std::uint64_t>& sizes,
                      const std::string& description) {
  command
      .add_option_function<std::vector<std::string>>(
          name,
          [&sizes, name](const std::vector<std::string>& texts) {
            sizes.clear();
            for (const std::string& text : texts) sizes.push_back(parse_size(name, text));
          },
          description)
      ->delimiter(',')
      ->type_name("BYTES,...");
}

void settle(StressRequest& request, const GlobalOptions& global,
            const std::filesystem::path& directory) {
  MemlockOptions& options = request.options;
  if (request.threads < 1 || request.threads > 256) throw UsageError("--threads is from 1 to 256");
  if (request.seconds < 1) throw UsageError("--duration is 1 second or more");
  options.threads = static_cast<unsigned>(request.threads);
  options.duration = std::chrono::seconds(request.seconds);
  for (const std::uint64_t size : options.sizes) {
    if (size == 0) throw UsageError("--sizes: a size is one byte or more");
  }
  if (global.proceed_unlocked) options.policy = platform::LockPolicy::proceed_unlocked;
  if (global.locked_bytes_max) options.room_bytes_max = *global.locked_bytes_max;
  options.directory = directory;
}

std::string nanoseconds(std::uint64_t ns) {
  if (ns < 10'000) return fmt::format("{} ns", ns);
  if (ns < 10'000'000) return fmt::format("{:.0f} us", static_cast<double>(ns) / 1e3);
  return fmt::format("{:.0f} ms", static_cast<double>(ns) / 1e6);
}

std::string result_as_text(const MemlockResult& result, const MemlockOptions& options) {
  std::string text = fmt::format("{:<14}{:>12}{:>10}{:>10}{:>10}{:>10}\n", "", "count", "p50",
                                 "p99", "p99.9", "max");
  for (const auto& [name, latency] : result.latencies) {
    text +=
        fmt::format("{:<14}{:>12}{:>10}{:>10}{:>10}{:>10}\n", name, latency.count(),
                    nanoseconds(latency.percentile(0.5)), nanoseconds(latency.percentile(0.99)),
                    nanoseconds(latency.percentile(0.999)), nanoseconds(latency.max_nanoseconds()));
  }
  text += fmt::format(
      "{} taken and given back in {:.1f} s by {} threads, {} commits; at most {} locked\n",
      result.cycles, result.taken.count(), options.threads, result.commits,
      human_size(result.locked_bytes_max));
  text += result.room_bytes
              ? fmt::format("room for {}, squeezed {} times; {} locks failed for want of it\n",
                            human_size(*result.room_bytes), result.squeezes, result.lock_failures)
              : fmt::format("nothing limits locked memory here; {} locks failed\n",
                            result.lock_failures);
  if (result.unlocked_plain_bytes_max > 0) {
    text += fmt::format("at most {} in use unlocked, as --proceed-unlocked allows\n",
                        human_size(result.unlocked_plain_bytes_max));
  }
  text += result.account_checks > 0
              ? fmt::format(
                    "accounts compared {} times with the system's, greatest difference {} bytes; "
                    "{} forks\n",
                    result.account_checks, result.drift_bytes_max, result.forks)
              : fmt::format("the system does not count locked memory by process; {} forks\n",
                            result.forks);
  if (result.locked_mappings_max > 0)
    text += fmt::format("locked memory in at most {} mappings\n", result.locked_mappings_max);
  text += fmt::format("a frame taken and given back while there is room: {:.0f} ns\n",
                      result.frame_cycle.count());
  for (const std::string& violation : result.violation_texts) text += "  " + violation + "\n";
  text +=
      result.violations == 0 ? "pass\n" : fmt::format("FAIL: {} violations\n", result.violations);
  return text;
}

std::string result_as_json(const MemlockResult& result, const MemlockOptions& options) {
  nlohmann::ordered_json json;
  json["pass"] = result.violations == 0;
  json["violations"] = result.violations;
  json["violation_texts"] = result.violation_texts;
  json["seed"] = options.seed;
  json["threads"] = options.threads;
  json["seconds"] = result.taken.count();
  json["cycles"] = result.cycles;
  json["commits"] = result.commits;
  json["lock_failures"] = result.lock_failures;
  json["squeezes"] = result.squeezes;
  json["forks"] = result.forks;
  json["account_checks"] = result.account_checks;
  json["drift_bytes_max"] = result.drift_bytes_max;
  json["locked_bytes_max"] = result.locked_bytes_max;
  json["locked_mappings_max"] = result.locked_mappings_max;
  json["frame_cycle_ns"] = result.frame_cycle.count();
  json["unlocked_plain_bytes_max"] = result.unlocked_plain_bytes_max;
  json["room_bytes"] =
      result.room_bytes ? nlohmann::ordered_json(*result.room_bytes) : nlohmann::ordered_json();
  for (const auto& [name, latency] : result.latencies) {
    json["latency_ns"][name] = {{"count", latency.count()},
                                {"p50", latency.percentile(0.5)},
                                {"p99", latency.percentile(0.99)},
                                {"p999", latency.percentile(0.999)},
                                {"max", latency.max_nanoseconds()}};
  }
  return json.dump(2) + "\n";
}

ExitCode stress_memlock(const GlobalOptions& global, StressRequest& request) {
  const bench::TemporaryDirectory directory(request.directory.empty()
                                                ? std::filesystem::temp_directory_path()
                                                : std::filesystem::path(request.directory));
  settle(request, global, directory.path());
  std::mutex mutex;
  MemlockState state;
  MemlockResult result;
  {
    const Progress progress([&] {
      const std::lock_guard guard(mutex);
      return fmt::format(
          "{:.0f} of {} s: {} taken and given back ({:.0f}/s), {} locked{}, {} locks failed, {} "
          "violations",
          state.since_begin.count(), request.seconds, state.cycles,
          static_cast<double>(state.cycles) / std::max(state.since_begin.count(), 0.001),
          human_size(state.locked_bytes),
          state.left_bytes ? " of " + human_size(*state.left_bytes) : std::string(),
          state.lock_failures, state.violations);
    });
    result =
        run_memlock(platform::native_platform(), request.options, [&](const MemlockState& now) {
          const std::lock_guard guard(mutex);
          state = now;
        });
  }
  print(global.json ? result_as_json(result, request.options)
                    : result_as_text(result, request.options));
  return result.violations == 0 ? ExitCode::done : ExitCode::stress_failed;
}

}  // namespace
}  // namespace stress

void add_stress_command(CLI::App& app, Invocation& invocation) {
  const auto request = std::make_shared<stress::StressRequest>();
  CLI::App* const command =
      app.add_subcommand("stress", "Load the machine on purpose, and see what holds");
  command->require_subcommand(1);
  CLI::App* const memlock = command->add_subcommand(
      "memlock", "Take and give back locked memory in many threads while the room for it changes");
  add_count_option(*memlock, "--threads", request->threads,
                   "Threads that take memory (8); two run transactions");
  add_count_option(*memlock, "--duration", request->seconds, "How long, in seconds (20)");
  stress::add_sizes_option(*memlock, "--sizes", request->options.sizes,
                           "Sizes of regions (4K,16K,64K)");
  stress::add_sizes_option(
      *memlock, "--limits", request->options.limits,
      "What is left to Coffer of the room, step by step, over and over (else by chance)");
  memlock->add_flag("--limits-from-outside", request->options.limits_from_outside,
                    "Squeeze nothing: somebody else changes the limit (prlimit), and gives all of "
                    "it back a second before the end");
  add_count_option(*memlock, "--seed", request->options.seed,
                   "Of everything that is done by chance (1)");
  add_choice_option(*memlock, "--policy", request->options.policy,
                    {{"abort", platform::LockPolicy::abort},
                     {"proceed_unlocked", platform::LockPolicy::proceed_unlocked}},
                    "What a failed lock does (abort)");
  add_choice_option(*memlock, "--plant", request->options.plant,
                    {{"leak", stress::Plant::leak},
                     {"nowipe", stress::Plant::nowipe},
                     {"miscount", stress::Plant::miscount}},
                    "Do something wrong, which the test must find");
  memlock->add_option("--directory", request->directory,
                      "Where the stores are made (the temporary directory)");
  memlock->footer(
      "The room is the hard limit on locked memory, 64 MiB or --locked-max at the most; "
      "CAP_IPC_LOCK is given up.\n"
      "Exit codes: 0 everything held, 1 something did not.");
  memlock->callback([&invocation, request] {
    invocation.action = [&invocation, request] {
      return stress::stress_memlock(invocation.global, *request);
    };
  });
}

}  // namespace coffer::tools
