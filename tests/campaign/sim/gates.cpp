#include "tests/campaign/sim/gates.hpp"

namespace coffer::campaign {

std::vector<Gate> simulated_gates() {
  return {
      {"crash-images", "disks after a power cut", 1'000'000, sim::crash_images, 12},
  };
}

}  // namespace coffer::campaign
