// The gates of this folder.
#pragma once

#include "tests/campaign/gate.hpp"

namespace coffer::campaign::sim {

void crash_images(GateRun& run);

}  // namespace coffer::campaign::sim
