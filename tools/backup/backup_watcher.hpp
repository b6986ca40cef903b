// What a backup, a verification or a restore does besides its work: show on a terminal how far it is, and end when
// the command is interrupted.
#pragma once

#include <coffer/backup.hpp>

#include <chrono>
#include <mutex>
#include <string>

#include "tools/progress.hpp"

namespace coffer::tools {

/// "backing up: 3.0 MiB, 1200 entries, 1.5 MiB/s"; with a total also how much of it, and the time left.
[[nodiscard]] std::string progress_as_text(const std::string& doing,
                                           const BackupProgress& progress);

/// Interrupts are caught from its making on, so the keys come first.
class BackupWatcher {
 public:
  explicit BackupWatcher(std::string doing);

  /// For the library's options; not to be called after this object has ended.
  [[nodiscard]] BackupWatch watch();
  [[nodiscard]] std::chrono::milliseconds elapsed() const;

 private:
  const std::string doing_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  BackupProgress now_;
  // Last: its thread reads the others.
  Progress progress_;
};

}  // namespace coffer::tools
