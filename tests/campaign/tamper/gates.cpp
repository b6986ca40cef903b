#include "tests/campaign/gate.hpp"

namespace coffer::campaign {

std::vector<Gate> tamper_gates() {
  return {};
}

}  // namespace coffer::campaign
