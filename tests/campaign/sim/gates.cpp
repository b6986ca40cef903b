#include "tests/campaign/gate.hpp"

namespace coffer::campaign {

std::vector<Gate> simulated_gates() {
  return {};
}

}  // namespace coffer::campaign
