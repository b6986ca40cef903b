// Checkpoints: what the journal holds moves into the page file.
//
//   freeze      (publish lock) N = latest commit, the journal's end, what changed since the last checkpoint
//   harden      the journal is synced up to N: a checkpoint never contains what is not durable
//   write       sealed pages go to slots in runs; table and free-map nodes follow; the page file is synced
//   seal        superblock copy A, sync, copy B, sync (the pager's G4)
//   take force  (publish lock) lookups see the new table; slots, runs and journal before N are let go
//
// A failure before `seal` leaves the former checkpoint in force and everything in memory as it was; one in
// `seal` or in a sync poisons the store.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <optional>
#include <thread>

#include "txn/core.hpp"

namespace coffer::txn {

/// Why a checkpoint is made also when there is nothing to do.
struct CheckpointWish {
  bool new_generation = false;  ///< it names a fresh journal generation (recovery, first write)
  bool mark = false;            ///< it lists itself: a backup is going to be made of it
  bool move_tail =
      false;  ///< so that the file's end can be cut off (tail_moves.hpp); not when anything is new
};

/// Makes a checkpoint of everything committed; returns false when there was nothing to do.
bool make_checkpoint(Core& core, const CheckpointWish& wish = {});
/// The same for whoever has checkpoint_mutex.
bool make_checkpoint_locked(Core& core, const CheckpointWish& wish);

/// True when size, memory or held slots ask for a checkpoint.
[[nodiscard]] bool checkpoint_due(const Core& core);

/// The thread that makes checkpoints when they are due, and journal segments before they are.
class BackgroundCheckpointer {
 public:
  explicit BackgroundCheckpointer(Core& core);
  ~BackgroundCheckpointer();
  BackgroundCheckpointer(const BackgroundCheckpointer&) = delete;
  BackgroundCheckpointer& operator=(const BackgroundCheckpointer&) = delete;
  void stop() noexcept;

 private:
  void run();
  [[nodiscard]] std::uint64_t room_for_checkpoint() const;
  void make_room(std::optional<std::uint64_t> for_checkpoint) noexcept;
  Core& core_;
  std::chrono::steady_clock::duration last_took_{};  ///< the last checkpoint that commits asked for
  std::chrono::steady_clock::time_point last_ended_{};  ///< whichever was the last
  std::thread thread_;
};

}  // namespace coffer::txn
