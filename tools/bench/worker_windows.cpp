#include "tools/bench/worker.hpp"

namespace coffer::tools::bench {

// No peer is to be had there: nothing to be kept apart.
std::unique_ptr<Worker> make_worker(const WorkerOptions& options) {
  return make_worker_in_process(options);
}

}  // namespace coffer::tools::bench
