#include "tests/campaign/gate.hpp"

namespace coffer::campaign {

std::vector<Gate> process_gates() {
  return {};
}

}  // namespace coffer::campaign
