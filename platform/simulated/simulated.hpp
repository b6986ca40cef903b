// A machine in memory: files with a write log, whose power can be cut at any point, whose calls can be
// made to fail at the Nth time, with a clock and an entropy source that a seed decides.
//
// Crash model (docs/format.md, "What is assumed of the disk"): what was synced is there.  Each
// 512-byte sector of each unsynced write lands or does not, independently, or is torn at a 4 KiB block
// (the whole block then holds garbage).  Creations, renames and removals reach the disk when their
// directory is synced; before that each of them may or may not have.  A file's length counts as
// metadata: data_sync and sync make it durable.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "platform/platform.hpp"

namespace coffer::platform {

/// What becomes of writes that no sync had made durable when the power went.
enum class CutOutcome {
  nothing_lands,     ///< only what was synced is there
  everything_lands,  ///< as if all had been synced
  random_sectors,    ///< each 512-byte sector of each write lands or not (seeded)
  torn_blocks,    ///< as random_sectors, and some 4 KiB blocks with unsynced sectors hold garbage
  random_writes,  ///< each write lands whole or not at all (reordering)
  prefix_then_torn,  ///< writes land in order up to a point, the last one only in part
};
inline constexpr std::array kCutOutcomes = {
    CutOutcome::nothing_lands, CutOutcome::everything_lands, CutOutcome::random_sectors,
    CutOutcome::torn_blocks,   CutOutcome::random_writes,    CutOutcome::prefix_then_torn};

/// What becomes of each single change (a write, a reservation, a change of length or name) that no sync had made
/// durable, in the order in which they were made.
struct ExactCut {
  std::vector<bool> lands;  ///< those behind its end do not
  std::optional<std::size_t>
      torn;  ///< this one, if it is a write, lands in pieces, not all of them
  std::uint64_t piece_bytes = 512;
};

/// One thing that the machine was asked to do that changes its disk: counted, and a place to cut.
struct SimulatedStep {
  enum class Kind {
    write,
    sync,
    allocate,
    truncate,
    punch,
    create,
    rename,
    remove,
    make_directory,
    sync_directory
  } kind;
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class SimulatedPlatform : public Platform {
 public:
  /// The same wherever it runs.
  [[nodiscard]] unsigned processors() const noexcept override { return 2; }
  /// Everything random in this machine comes from `seed`.
  [[nodiscard]] static std::unique_ptr<SimulatedPlatform> make(std::uint64_t seed);

  /// Steps since the machine was made.  Reading does not count.
  [[nodiscard]] virtual std::uint64_t steps() const = 0;
  /// The log itself, when recording is on (it costs the memory of every byte written).
  virtual void record(bool on) = 0;
  [[nodiscard]] virtual std::vector<SimulatedStep> log() const = 0;

  /// A new machine whose disk is this one's recorded disk after its first `step` steps, with the power
  /// cut there and unsynced writes treated as `outcome` and `seed` say.  Needs record(true) from the start.
  [[nodiscard]] virtual std::unique_ptr<SimulatedPlatform> cut_at(std::uint64_t step,
                                                                  CutOutcome outcome,
                                                                  std::uint64_t seed) const = 0;
  /// How many changes no sync has made durable after the first `step` steps.
  [[nodiscard]] virtual std::size_t unsynced_at(std::uint64_t step) const = 0;
  /// As cut_at, with the fate of each unsynced change given; `seed` decides which pieces of a torn one land.
  [[nodiscard]] virtual std::unique_ptr<SimulatedPlatform> cut_exactly_at(
      std::uint64_t step, const ExactCut& cut, std::uint64_t seed) const = 0;
  /// A new machine with the same disk contents, all of it durable.
  [[nodiscard]] virtual std::unique_ptr<SimulatedPlatform> copy() const = 0;

  /// Called before each step or read, on the calling thread; it may throw IoError or NoSpace to make the
  /// call fail without effect.  Empty: no faults.  Not to be changed while calls are under way.
  using Fault = std::function<void(const char* operation, const Path& path, std::uint64_t offset,
                                   std::uint64_t length)>;
  virtual void set_fault(Fault fault) = 0;
  /// Called before each lock of memory; may throw MemoryLockError.
  virtual void set_lock_fault(std::function<void(std::uint64_t length)> fault) = 0;
  /// A sync that fails drops what was unsynced (as Linux does) and, once retried, reports success.
  virtual void set_failed_sync_drops_writes(bool on) = 0;
  /// Room on the disk; writes that need more raise NoSpace.  Default: unlimited.
  virtual void set_capacity_bytes(std::uint64_t bytes) = 0;
  /// Moves both clocks.
  virtual void advance(std::chrono::nanoseconds by) = 0;

  /// Sets the time of day forward or back; the other clock goes on.
  virtual void set_wall_back(std::chrono::nanoseconds by) = 0;

  /// Where a disk that errs reads or writes instead of at `offset`.  Empty: it does not err.  As set_fault.
  using Misdirection = std::function<std::uint64_t(const char* operation, const Path& path,
                                                   std::uint64_t offset, std::uint64_t length)>;
  virtual void set_misdirection(Misdirection misdirection) = 0;
  /// Bit rot: what lies at `offset` of a file changes by itself, on the disk and in what is read from now on.  No step.
  virtual void rot(const Path& path, std::uint64_t offset, std::byte flipped_bits) = 0;

  /// Raw access for tampering: the live contents of a file, changed in place.
  [[nodiscard]] virtual std::vector<std::byte> contents(const Path& path) const = 0;
  virtual void set_contents(const Path& path, std::span<const std::byte> bytes) = 0;

  /// Files and mappings open now, to find leaks.
  [[nodiscard]] virtual std::uint64_t open_files() const = 0;
  [[nodiscard]] virtual std::uint64_t open_mappings() const = 0;
};

}  // namespace coffer::platform
