// The gates of this folder.
#pragma once

#include "tests/campaign/gate.hpp"

namespace coffer::campaign::sim {

void crash_images(GateRun& run);
void nested_crashes(GateRun& run);
void faults_by_index(GateRun& run);
void seeds_twice(GateRun& run);
void model_operations(GateRun& run);

}  // namespace coffer::campaign::sim
