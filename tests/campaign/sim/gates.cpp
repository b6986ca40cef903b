#include "tests/campaign/sim/gates.hpp"

namespace coffer::campaign {

std::vector<Gate> simulated_gates() {
  return {
      {"kept-cases", "cases that failed once", sim::kept_cases_count(), sim::kept_cases, 1},
      {"crash-images", "disks after a power cut", 1'000'000, sim::crash_images, 160},
      {"nested-crashes", "crashes inside recovery", 100'000, sim::nested_crashes, 14},
      {"faults", "faults by index", 250'000, sim::faults_by_index, 210},
      {"seeds", "seeds run twice", 10'000, sim::seeds_twice, 76},
      {"backup-crashes", "backups and restores that failed", 20'000, sim::backup_crashes, 60},
      {"model-operations", "operations compared", 50'000'000, sim::model_operations, 17},
  };
}

}  // namespace coffer::campaign
