// The campaign: attacks the engine by gates, and says what each of them showed.
//
// Exit status: 0 no violation; 1 violations; 2 the call was wrong; 128 and the signal's number when one ended it early.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>

#include "tests/campaign/runner.hpp"
#include "tests/campaign/summary.hpp"

namespace {

using namespace coffer::campaign;

std::vector<Gate> all_gates() {
  std::vector<Gate> gates;
  for (const auto& of_kind : {simulated_gates(), tamper_gates(), process_gates()}) {
    gates.insert(gates.end(), of_kind.begin(), of_kind.end());
  }
  return gates;
}

void list(const std::vector<Gate>& gates) {
  for (const Gate& gate : gates) {
    fmt::print("{:<22} {:>12} {}\n", gate.name, gate.full, gate.cases);
  }
}

/// In the order in which they were named; all of them when none was.
std::vector<Gate> chosen(const std::vector<Gate>& gates, const std::vector<std::string>& names) {
  if (names.empty()) return gates;
  std::vector<Gate> wanted;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(gates, name, &Gate::name);
    if (found == gates.end()) {
      throw CLI::ValidationError("GATE",
                                 fmt::format("there is no gate '{}'; --list shows them", name));
    }
    wanted.push_back(*found);
  }
  return wanted;
}

volatile std::sig_atomic_t interrupting_signal = 0;

/// The first signal ends the campaign in order; a second one at once, and then directories of its own stay behind.
void interrupt(int signal) {
  interrupting_signal = signal;
  interrupted = true;
  for (const int again : {SIGINT, SIGTERM, SIGHUP}) std::signal(again, SIG_DFL);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Attacks the storage engine: simulated power cuts and faults, altered files, killed "
      "processes."};
  app.name("campaign");
  std::vector<std::string> names;
  RunOptions options;
  bool listing = false;
  bool json = false;
  app.add_option("GATE", names, "gates to run, by name (default: all)");
  app.add_flag("--list", listing, "show the gates with the cases of a full run");
  app.add_option("--share", options.share, "of each gate's full count (default: 1.0)")
      ->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "time for all gates together, shared out among them")
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", options.seed, "from which everything random follows (default: 1)");
  app.add_option("--replay", options.replay, "one case of one gate, as a violation names it");
  app.add_option("--violations", options.violations_max,
                 "end a gate when it has found so many (default: 20)")
      ->check(CLI::PositiveNumber);
  app.add_flag("--json", json, "print JSON instead of the table");
  std::vector<Gate> gates;
  try {
    app.parse(argc, argv);
    gates = chosen(all_gates(), names);
    if (!options.replay.empty() && names.size() != 1) {
      throw CLI::ValidationError("--replay", "name the one gate whose case it is");
    }
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (listing) {
    list(gates);
    return 0;
  }
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, interrupt);
  const std::vector<Outcome> outcomes = run_gates(gates, options);
  const std::string text = json ? json_of(outcomes, options) : table_of(outcomes);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!std::ranges::all_of(outcomes, &Outcome::passed)) return 1;
  return interrupted ? 128 + interrupting_signal : 0;
}
