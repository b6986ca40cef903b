// What the stress test does to the process from the system's side, and what it asks the system.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "platform/platform.hpp"

namespace coffer::tools::stress {

class SystemSide {
 public:
  virtual ~SystemSide() = default;
  /// Room for locked memory that the process has as a whole; nothing when it is not limited here.
  [[nodiscard]] virtual std::optional<std::uint64_t> room_bytes() const = 0;
  struct Limits {
    std::uint64_t soft_bytes = 0;
    std::uint64_t hard_bytes = 0;
    friend bool operator==(const Limits&, const Limits&) = default;
  };
  /// The limits at this moment, which others may change; nothing where there are none.
  [[nodiscard]] virtual std::optional<Limits> limits() const = 0;
  /// Leaves `left_bytes` of the room to Coffer (at most all of it), by locking the rest as other parts of a
  /// process may: that takes no privilege, and can be taken back.  False where nothing can be squeezed.
  virtual bool squeeze_to(std::uint64_t left_bytes) = 0;
  /// Locked by squeezing.
  [[nodiscard]] virtual std::uint64_t squeezed_bytes() const = 0;
  /// What the system says this process has locked; nothing where it does not say.
  [[nodiscard]] virtual std::optional<std::uint64_t> charged_bytes() const = 0;
  /// Of how many mappings the locked memory consists; nothing where the system does not say.
  [[nodiscard]] virtual std::optional<std::uint64_t> locked_mappings() const = 0;
  /// Locks a page that is in nobody's account (a planted fault).
  virtual void lock_behind_the_account() = 0;
  /// Forks; the child says what is wrong with it: it must have nothing locked and know what it is.  Empty when
  /// nothing is.  Nothing where there is no fork.
  [[nodiscard]] virtual std::optional<std::string> fork_and_look(platform::Platform& platform) = 0;
};

/// Prepares the process: at most `room_bytes_max` may be locked from now on, also where a privilege would lift that.
[[nodiscard]] std::unique_ptr<SystemSide> make_system_side(std::uint64_t room_bytes_max);

}  // namespace coffer::tools::stress
