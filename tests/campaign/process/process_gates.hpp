// The gates of this folder; what each of them does stands in its source.
#pragma once

#include "tests/campaign/gate.hpp"

namespace coffer::campaign::process {

void kill_at_system_calls(GateRun& run);
void cut_the_power(GateRun& run);
void run_out_of_thin_image(GateRun& run);
void answer_for_the_kernel(GateRun& run);
void record_histories(GateRun& run);
void collect_nonces(GateRun& run);

inline constexpr std::string_view kKills = "kills";
inline constexpr std::string_view kPowerCuts = "power-cuts";
inline constexpr std::string_view kThinImage = "thin-image";
inline constexpr std::string_view kKernelAnswers = "kernel-answers";
inline constexpr std::string_view kHistories = "histories";
inline constexpr std::string_view kNonces = "nonces";

}  // namespace coffer::campaign::process
