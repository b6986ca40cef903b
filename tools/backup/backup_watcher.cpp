#include "tools/backup/backup_watcher.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/report.hpp"
#include "tools/system/interrupts.hpp"

namespace coffer::tools {

std::string progress_as_text(const std::string& doing, const BackupProgress& progress) {
  const double seconds = std::chrono::duration<double>(progress.elapsed).count();
  const double rate = static_cast<double>(progress.bytes_done) / std::max(seconds, 0.001);
  std::string text = fmt::format("{}: {}", doing, human_size(progress.bytes_done));
  if (progress.bytes_total > 0) text += " of " + human_size(progress.bytes_total);
  text += progress.pages > 0 ? fmt::format(", {} pages", progress.pages)
                             : fmt::format(", {} entries", progress.entries);
  text += fmt::format(", {}/s", human_size(static_cast<std::uint64_t>(rate)));
  if (progress.bytes_total > progress.bytes_done && rate >= 1) {
    text += fmt::format(", {:.0f} s left",
                        static_cast<double>(progress.bytes_total - progress.bytes_done) / rate);
  }
  return text;
}

BackupWatcher::BackupWatcher(std::string doing)
    : doing_(std::move(doing)), progress_([this] {
        const std::lock_guard guard(mutex_);
        return progress_as_text(doing_, now_);
      }) {
  catch_interrupts();
}

BackupWatch BackupWatcher::watch() {
  return [this](const BackupProgress& progress) {
    const std::lock_guard guard(mutex_);
    now_ = progress;
    return !interrupted();
  };
}

std::chrono::milliseconds BackupWatcher::elapsed() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               begun_);
}

}  // namespace coffer::tools
