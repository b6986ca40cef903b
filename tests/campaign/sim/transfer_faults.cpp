// See transfer_faults.hpp.
#include "tests/campaign/sim/transfer_faults.hpp"

#include <fmt/format.h>

#include "platform/linux/native.hpp"
#include "tests/campaign/sim/judge.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::campaign::sim {

namespace {

/// In memory where there is such a place: what is tried is the calls, not the disk.
std::filesystem::path fast_place() {
  std::error_code ignored;
  const std::filesystem::path memory = "/dev/shm";
  return std::filesystem::is_directory(memory, ignored) ? memory
                                                        : std::filesystem::temp_directory_path();
}

}  // namespace

struct TransferFaults::Folder {
  test::TempDirectory directory{fast_place()};
  std::unique_ptr<platform::Platform> platform = platform::make_linux_platform();
};

TransferFaults::TransferFaults() : folder_(std::make_unique<Folder>()) {}
TransferFaults::~TransferFaults() = default;

TransferFaults::Result TransferFaults::run(std::uint64_t seed, Disturb how, std::uint64_t index,
                                           bool sticky, std::uint64_t* calls) {
  Result result;
  const std::string path = folder_->directory / fmt::format("store-{}", runs_++);
  Plan plan = make_plan(seed, {.writers = 1, .others = 1, .actions_each = 4, .snapshots = false});
  plan.background_checkpoints = false;
  const Scene scene(*folder_->platform, path);
  History history;
  try {
    const Disturbance disturbance(how, index, sticky);
    World world(scene, history, plan, Expected::nothing);
    world.create_and_run();
    result.disturbed = disturbance.disturbed();
    if (calls != nullptr) *calls = disturbance.calls();
  } catch (const Violated& e) {
    result.violation = e.what();
  }
  if (!result.violation) result.violation = judge_store(scene, history, 0, {}).violation;
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
  return result;
}

std::uint64_t TransferFaults::count(std::uint64_t seed, Disturb how) {
  std::uint64_t calls = 0;
  static_cast<void>(run(seed, how, UINT64_MAX, false, &calls));
  return calls;
}

TransferFaults::Result TransferFaults::try_fault(std::uint64_t seed, Disturb how,
                                                 std::uint64_t index, bool sticky) {
  return run(seed, how, index, sticky, nullptr);
}

}  // namespace coffer::campaign::sim
