// What the diagnostics look at on Linux.
#include <array>

#include "tools/doctor/probes.hpp"

namespace coffer::tools::doctor {

std::span<const Probe> probes() {
  static constexpr std::array kProbes = {
      Probe{probe_locking},        Probe{probe_lock_limits},   Probe{probe_other_lockers},
      Probe{probe_lock_privilege}, Probe{probe_policy},        Probe{probe_cgroup_memory},
      Probe{probe_map_count},      Probe{probe_huge_pages},    Probe{probe_page_size},
      Probe{probe_swap},           Probe{probe_hibernation},   Probe{probe_core_dumps},
      Probe{probe_ptrace},         Probe{probe_file_system},   Probe{probe_sync},
      Probe{probe_free_space},     Probe{probe_direct_io},     Probe{probe_entropy},
      Probe{probe_cipher},         Probe{probe_virtualisation}};
  return kProbes;
}

}  // namespace coffer::tools::doctor
