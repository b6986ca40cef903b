// The simulated machine: one disk, one mutex, a log of what was done to the disk.
//
// Every change takes the same way: the fault hook (outside the mutex, because it may ask the
// machine something), then the checks, then Disk::apply and the log.  A call that fails has changed
// nothing and is no step, with one exception: a failed sync that loses what was unsynced is a step
// of its own.
//
// Lock order: the machine's mutex is the only lock.  Nothing foreign is called under it.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <random>

#include "platform/simulated/disk.hpp"

namespace coffer::platform::simulated {

/// The simulated machine's page of memory, and its mapping granularity.
inline constexpr std::uint64_t kPageBytes = 4096;

class Machine;

[[nodiscard]] std::unique_ptr<FileSystem> make_file_system(Machine& machine);
[[nodiscard]] std::unique_ptr<Memory> make_memory(Machine& machine);

class SimulatedClock final : public Clock {
 public:
  std::chrono::nanoseconds monotonic() const override {
    return std::chrono::nanoseconds(since_start_.load());
  }
  std::chrono::nanoseconds wall() const override {
    return kStart + monotonic() - std::chrono::nanoseconds(wall_set_back_.load());
  }
  void advance(std::chrono::nanoseconds by) { since_start_.fetch_add(by.count()); }
  void set_wall_back(std::chrono::nanoseconds by) { wall_set_back_.fetch_add(by.count()); }

 private:
  // 2024-01-01 00:00:00 UTC, so that formatted times look like times.
  static constexpr std::chrono::nanoseconds kStart = std::chrono::seconds(1704067200);
  std::atomic<std::chrono::nanoseconds::rep> since_start_{0};
  std::atomic<std::chrono::nanoseconds::rep> wall_set_back_{0};
};

class SimulatedEntropy final : public Entropy {
 public:
  explicit SimulatedEntropy(std::uint64_t seed) : random_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::mutex mutex_;
  std::mt19937_64 random_;
};

/// A place in the log: the disk after its first `events` entries.
struct Replay {
  Disk disk;
  std::size_t events = 0;
  std::uint64_t steps = 0;
};

class Machine final : public SimulatedPlatform {
 public:
  Machine(std::uint64_t seed, Disk disk);

  FileSystem& files() override { return *files_; }
  Memory& memory() override { return *memory_; }
  Clock& clock() override { return clock_; }
  Entropy& entropy() override { return entropy_; }
  bool forked() const noexcept override;

  std::uint64_t steps() const override;
  void record(bool on) override;
  std::vector<SimulatedStep> log() const override;
  std::unique_ptr<SimulatedPlatform> cut_at(std::uint64_t step, CutOutcome outcome,
                                            std::uint64_t seed) const override;
  std::size_t unsynced_at(std::uint64_t step) const override;
  std::unique_ptr<SimulatedPlatform> cut_exactly_at(std::uint64_t step, const ExactCut& cut,
                                                    std::uint64_t seed) const override;
  std::unique_ptr<SimulatedPlatform> copy() const override;
  void set_fault(Fault fault) override { fault_ = std::move(fault); }
  void set_lock_fault(std::function<void(std::uint64_t length)> fault) override {
    lock_fault_ = std::move(fault);
  }
  void set_failed_sync_drops_writes(bool on) override { failed_sync_drops_writes_ = on; }
  void set_capacity_bytes(std::uint64_t bytes) override { capacity_bytes_ = bytes; }
  void advance(std::chrono::nanoseconds by) override { clock_.advance(by); }
  void set_wall_back(std::chrono::nanoseconds by) override { clock_.set_wall_back(by); }
  void set_misdirection(Misdirection misdirection) override {
    misdirection_ = std::move(misdirection);
  }
  void rot(const Path& path, std::uint64_t offset, std::byte flipped_bits) override;
  std::vector<std::byte> contents(const Path& path) const override;
  void set_contents(const Path& path, std::span<const std::byte> bytes) override;
  std::uint64_t open_files() const override { return open_files_; }
  std::uint64_t open_mappings() const override { return open_mappings_; }

  // For the machine's own files and memory.

  /// A place in the tree of names.
  struct Place {
    NodeId directory = kNoNode;  ///< the parent
    std::string name;            ///< empty for the root
    NodeId node = kNoNode;       ///< what the name leads to; kNoNode when nothing
  };

  void fault(const char* operation, const Path& path, std::uint64_t offset = 0,
             std::uint64_t length = 0) const;
  /// Where it really reads or writes.
  [[nodiscard]] std::uint64_t directed(const char* operation, const Path& path,
                                       std::uint64_t offset, std::uint64_t length) const {
    return misdirection_ ? misdirection_(operation, path, offset, length) : offset;
  }
  void lock_fault(std::uint64_t length) const {
    if (lock_fault_) lock_fault_(length);
  }
  [[nodiscard]] bool failed_sync_drops_writes() const { return failed_sync_drops_writes_; }
  [[nodiscard]] std::mutex& mutex() const { return mutex_; }

  // With the mutex held:
  [[nodiscard]] Disk& disk() { return disk_; }
  [[nodiscard]] const Disk& disk() const { return disk_; }
  void apply(Change change);
  /// IoError when a directory on the way is missing.
  [[nodiscard]] Place find(const char* operation, const Path& path) const;
  /// As find, and IoError when nothing, or a directory, is there.
  [[nodiscard]] Place find_file(const char* operation, const Path& path) const;
  /// NoSpace when `blocks` more would not fit.
  void require_space(const char* operation, const Path& path, std::uint64_t blocks) const;
  [[nodiscard]] std::uint64_t free_bytes() const;

  struct LockState {
    bool exclusive = false;
    std::uint32_t shared = 0;
  };
  std::map<NodeId, LockState> locks;

  std::atomic<std::uint64_t> open_files_{0};
  std::atomic<std::uint64_t> open_mappings_{0};
  /// Tells this machine's files from those of every other.
  const std::uint64_t device;

 private:
  const Disk& disk_at(std::uint64_t step) const;
  void move_replay_to(std::uint64_t step) const;
  [[nodiscard]] std::uint64_t seed_of_descendant(std::uint64_t a, std::uint64_t b) const;

  const std::uint64_t seed_;
  const std::uint64_t born_in_generation_;
  mutable std::mutex mutex_;
  Disk disk_;
  std::uint64_t steps_ = 0;
  std::uint64_t capacity_bytes_;
  std::atomic<bool> failed_sync_drops_writes_{false};
  Fault fault_;
  Misdirection misdirection_;
  std::function<void(std::uint64_t)> lock_fault_;

  bool recording_ = false;
  std::vector<Change> log_;
  std::optional<Replay> base_;  ///< where the log begins
  // Tests ask for cuts in rising order: the last place asked for is kept, and some on the way for
  // those that go back.
  mutable std::optional<Replay> replay_;
  mutable std::map<std::uint64_t, Replay> replays_on_the_way_;
  mutable std::uint64_t copies_made_ = 0;

  SimulatedClock clock_;
  SimulatedEntropy entropy_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<FileSystem> files_;
};

}  // namespace coffer::platform::simulated
