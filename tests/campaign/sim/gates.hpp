// The gates of this folder.
#pragma once

#include "tests/campaign/gate.hpp"

namespace coffer::campaign::sim {

void crash_images(GateRun& run);
void nested_crashes(GateRun& run);
void faults_by_index(GateRun& run);
void seeds_twice(GateRun& run);
void backup_crashes(GateRun& run);
void model_operations(GateRun& run);
void kept_cases(GateRun& run);
[[nodiscard]] std::uint64_t kept_cases_count();

}  // namespace coffer::campaign::sim
