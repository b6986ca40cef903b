// See life.hpp.
#include "tests/campaign/sim/life.hpp"

#include "tests/campaign/sim/judge.hpp"
#include "tests/campaign/sim/scheduler.hpp"

namespace coffer::campaign::sim {

namespace {

Expected expected_of(const Life& life) {
  Expected expected = Expected::nothing;
  if (life.kill_at_call != UINT64_MAX || !life.faults.empty()) expected = Expected::faults;
  for (const Fault& fault : life.faults) {
    if (is_media_fault(fault.kind)) expected = Expected::media_faults;
  }
  return expected;
}

void hash_directory(platform::SimulatedPlatform& machine, const platform::Path& directory,
                    Trace& trace) {
  for (const std::string& name : machine.files().list(directory)) {
    const platform::Path path = directory / name;
    trace.add(path.string());
    if (machine.files().is_directory(path)) {
      hash_directory(machine, path, trace);
      continue;
    }
    const auto bytes = machine.contents(path);
    trace.add(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
}

}  // namespace

std::uint64_t hash_of_files(platform::SimulatedPlatform& machine) {
  Trace trace;
  hash_directory(machine, "/", trace);
  return trace.hash();
}

Lived live(platform::SimulatedPlatform& machine, History& history, const Life& life) {
  Lived lived;
  Scheduler scheduler({.seed = life.plan.seed,
                       .switch_one_in = life.plan.switch_one_in,
                       .time_moved = [&](std::chrono::nanoseconds by) { machine.advance(by); }});
  Trace calls;
  Injector injector(machine, life.faults,
                    [&](std::string_view operation, const platform::Path& path,
                        std::uint64_t offset, std::uint64_t length) {
                      calls.add(operation);
                      calls.add(path.native());
                      calls.add(mixed(offset, length));
                      if (Scheduler::current() != nullptr) scheduler.point();
                    });
  injector.kill_at(life.kill_at_call);
  World world(Scene(machine), history, life.plan, expected_of(life));
  const auto run = [&] { life.create ? world.create_and_run() : world.open_and_run(); };
  try {
    if (life.threads && Scheduler::available()) {
      scheduler.run(run);
    } else {
      run();
    }
  } catch (const Violated& e) {
    lived.violation = e.what();
  } catch (const Deadlock& e) {
    lived.violation = e.what();
  }
  calls.add(scheduler.trace().hash());
  calls.add(scheduler.points());
  calls.add(history.last());
  calls.add(history.at(History::kNever - 1).must);
  calls.add(world.errors());
  lived.trace = calls.hash();
  lived.switches = scheduler.switches();
  lived.injected = injector.injected();
  lived.killed = injector.killed();
  for (const FaultKind kind : kFaultKinds) {
    lived.calls[static_cast<std::size_t>(kind)] = injector.calls(kind);
  }
  if (!lived.violation) lived.violation = left_over(machine);
  return lived;
}

}  // namespace coffer::campaign::sim
