// What goes on beside a backup: telling the caller how far it is, asking whether to go on, and not being faster
// than allowed.
#pragma once

#include <chrono>
#include <cstdint>

#include <coffer/backup.hpp>

#include "platform/platform.hpp"

namespace coffer::backup {

class Pace {
 public:
  /// `bytes_total` 0: not known.
  Pace(platform::Clock& clock, const BackupWatch& watch, std::uint64_t bytes_total,
       std::uint64_t bytes_per_second_max)
      : clock_(clock),
        watch_(watch),
        bytes_total_(bytes_total),
        bytes_per_second_max_(bytes_per_second_max),
        begin_(clock.monotonic()) {}

  void count_entry() { ++entries_; }
  void count_pages(std::uint64_t pages) { pages_ += pages; }
  /// After each chunk.  Cancelled when the caller wants no more.
  void advance(std::uint64_t bytes);
  /// The last time that the caller hears of it.
  void finish() { tell(); }
  [[nodiscard]] std::uint64_t entries() const { return entries_; }

 private:
  void tell();

  platform::Clock& clock_;
  const BackupWatch& watch_;
  const std::uint64_t bytes_total_;
  const std::uint64_t bytes_per_second_max_;
  const std::chrono::nanoseconds begin_;
  std::chrono::nanoseconds told_{};
  std::uint64_t bytes_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t pages_ = 0;
};

}  // namespace coffer::backup
