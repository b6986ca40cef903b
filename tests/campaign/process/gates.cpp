#include "tests/campaign/gate.hpp"

#include "tests/campaign/process/process_gates.hpp"

namespace coffer::campaign {

std::vector<Gate> process_gates() {
  using namespace process;
  return {
      {kKills, "SIGKILLs at random system calls", 10'000, kill_at_system_calls, 4},
      {kPowerCuts, "kernel power cuts on ext4 and XFS", 2'000, cut_the_power, 4},
      {kThinImage, "thin images that ran out of space", 200, run_out_of_thin_image, 2},
      {kKernelAnswers, "answers in the kernel's place", 6'000, answer_for_the_kernel, 3},
      {kHistories, "histories checked", 10'000, record_histories, 2},
      {kNonces, "nonces", 50'000'000, collect_nonces, 1},
  };
}

}  // namespace coffer::campaign
