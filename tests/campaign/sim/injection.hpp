// Faults of a simulated machine, by index: the Nth call that can fail so does, once or from then on.
//
// An Injector counts what could fail, also when nothing is to fail: that says how many indexes there are.  It also
// kills: from a step or call on, nothing that is asked of the machine is done.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "platform/simulated/simulated.hpp"
#include "tests/campaign/sim/random.hpp"

namespace coffer::campaign::sim {

enum class FaultKind : std::uint8_t {
  io_error,     ///< EIO: any call
  again,        ///< EAGAIN: any call
  no_space,     ///< ENOSPC: what needs room
  failed_sync,  ///< a sync; what was unsynced is lost, and the next sync reports success
  lock,         ///< of memory
  allocation,   ///< of ordinary memory; not the Injector's (tests/support/fail_allocations.hpp)
  misdirected_read,  ///< from another place of the file
  misdirected_write,
  bit_rot,  ///< a bit of the file at the place that is read
};
inline constexpr std::array kFaultKinds = {FaultKind::io_error,
                                           FaultKind::again,
                                           FaultKind::no_space,
                                           FaultKind::failed_sync,
                                           FaultKind::lock,
                                           FaultKind::allocation,
                                           FaultKind::misdirected_read,
                                           FaultKind::misdirected_write,
                                           FaultKind::bit_rot};
[[nodiscard]] const char* name_of(FaultKind kind);
/// The disk itself errs: what is read may be refused as tampered with.
[[nodiscard]] bool is_media_fault(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::io_error;
  std::uint64_t index = 0;  ///< which call of those that could fail so, from 0
  bool sticky = false;      ///< and all later ones
};

class Injector {
 public:
  using EachCall = std::function<void(std::string_view operation, const platform::Path& path,
                                      std::uint64_t offset, std::uint64_t length)>;
  /// The machine must outlive it.  `each_call` is asked first at each call.
  Injector(platform::SimulatedPlatform& machine, std::vector<Fault> faults,
           EachCall each_call = {});
  ~Injector();
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;

  /// From this call on (of those of io_error) nothing is done any more.
  void kill_at(std::uint64_t call) { kill_at_ = call; }
  void kill_now() { kill_at_ = 0; }
  [[nodiscard]] bool killed() const { return calls(FaultKind::io_error) > kill_at_; }
  /// No more faults.
  void stop() { faults_.clear(); }

  [[nodiscard]] std::uint64_t calls(FaultKind kind) const {
    return counts_[static_cast<std::size_t>(kind)];
  }
  /// How often something was made to fail.
  [[nodiscard]] std::uint64_t injected() const { return injected_; }

 private:
  /// Counts a call; true when it is to fail.
  [[nodiscard]] bool fails(FaultKind kind);
  void at_call(const char* operation, const platform::Path& path, std::uint64_t offset,
               std::uint64_t length);
  [[nodiscard]] std::uint64_t directed(const char* operation, std::uint64_t offset,
                                       std::uint64_t length);

  platform::SimulatedPlatform& machine_;
  std::vector<Fault> faults_;
  EachCall each_call_;
  std::array<std::uint64_t, kFaultKinds.size()> counts_{};
  std::uint64_t kill_at_ = UINT64_MAX;
  std::uint64_t injected_ = 0;
};

}  // namespace coffer::campaign::sim
