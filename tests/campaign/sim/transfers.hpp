// The system's own file calls, interrupted or cut short: what Linux may do to any of them, and the platform promises
// to hide.
//
// The program's pread, pwrite, pwritev, fsync, fdatasync, ftruncate and fallocate come here first.  Outside of a
// Disturbance, and on other threads, they are the system's.
#pragma once

#include <cstdint>

namespace coffer::campaign::sim {

enum class Disturb : std::uint8_t {
  interrupt,  ///< the call ends with EINTR and has done nothing
  shorten,    ///< a transfer ends after a part of it
};

/// While it lives, on this thread.
class Disturbance {
 public:
  /// The call of that index, from 0 and of those that can be disturbed so; `sticky`: and later ones, every
  /// second one if they are interrupted (who repeats a call gets through).
  Disturbance(Disturb how, std::uint64_t index, bool sticky);
  ~Disturbance();
  Disturbance(const Disturbance&) = delete;
  Disturbance& operator=(const Disturbance&) = delete;

  [[nodiscard]] std::uint64_t calls() const;
  [[nodiscard]] std::uint64_t disturbed() const;
};

}  // namespace coffer::campaign::sim
