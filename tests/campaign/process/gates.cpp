#include "tests/campaign/gate.hpp"

#include "tests/campaign/process/process_gates.hpp"

namespace coffer::campaign {

std::vector<Gate> process_gates() {
  using namespace process;
  return {
      {kKills, "SIGKILLs at random system calls", 10'000, kill_at_system_calls, 265},
      {kPowerCuts, "kernel power cuts on ext4 and XFS", 2'000, cut_the_power, 110},
      {kThinImage, "thin images that ran out of space", 200, run_out_of_thin_image, 17},
      {kKernelAnswers, "answers in the kernel's place", 6'000, answer_for_the_kernel, 160},
      {kHistories, "histories checked", 10'000, record_histories, 10},
      {kNonces, "nonces", 50'000'000, collect_nonces, 28},
  };
}

}  // namespace coffer::campaign
