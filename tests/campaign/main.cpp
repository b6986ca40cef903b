#include "tests/campaign/gate.hpp"

int main() {
  return coffer::campaign::simulated_gates().empty() ? 0 : 1;
}
