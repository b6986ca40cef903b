// The threads that take locked memory.
#pragma once

#include <memory>

#include "pager/frame_pool.hpp"
#include "tools/stress/run_state.hpp"

namespace coffer::tools::stress {

/// Takes and gives back frames, regions and buffers until the run stops; leaves its times in `latencies`.
void run_taker(RunState& state, pager::FramePool& pool, unsigned index,
               std::map<std::string, Latency>& latencies);

/// Runs transactions on a store of its own until the run stops, then compares the whole store with its model.
class Transactor {
 public:
  /// Makes the store, in a room that nobody squeezes yet.
  Transactor(RunState& state, unsigned index);
  ~Transactor();
  Transactor(const Transactor&) = delete;
  Transactor& operator=(const Transactor&) = delete;
  void run(std::map<std::string, Latency>& latencies);
  /// When nothing is squeezed any more: a commit must work, and everything be there.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One of each kind, when nothing is squeezed: S5 at the end.
void take_one_of_each(RunState& state, pager::FramePool& pool);

}  // namespace coffer::tools::stress
