// The faults of the gate `faults` that a simulated machine does not know: EINTR and short transfers, on the real
// system.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tests/campaign/sim/transfers.hpp"

namespace coffer::campaign::sim {

/// A program on the real system, with one disturbed call, index by index.  There is no error to be seen: the store
/// works, and is whole afterwards.
class TransferFaults {
 public:
  TransferFaults();
  ~TransferFaults();
  TransferFaults(const TransferFaults&) = delete;
  TransferFaults& operator=(const TransferFaults&) = delete;

  /// How many calls the program has that can be disturbed so.
  [[nodiscard]] std::uint64_t count(std::uint64_t seed, Disturb how);
  struct Result {
    std::optional<std::string> violation;
    std::uint64_t disturbed = 0;
  };
  [[nodiscard]] Result try_fault(std::uint64_t seed, Disturb how, std::uint64_t index, bool sticky);

 private:
  struct Folder;
  Result run(std::uint64_t seed, Disturb how, std::uint64_t index, bool sticky,
             std::uint64_t* calls);

  std::unique_ptr<Folder> folder_;
  std::uint64_t runs_ = 0;
};

}  // namespace coffer::campaign::sim
