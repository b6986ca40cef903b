// Mapped views of one open file, shared between the file and the windows that its users hold.
//
// V1  A view shows bytes that were inside the file when it was made; what was added since is read by position
//     until there is enough for another view.
// V2  Bytes written and not yet synced are read by position: Windows documents no coherence between mapped
//     views and WriteFile.
// V3  A file with views cannot be cut (ERROR_USER_MAPPED_FILE), so cutting it closes them; they are made again
//     when somebody reads.
// V4  A view never moves while somebody copies from it: copies hold the lock shared.
#pragma once

#include "platform/windows/winapi.hpp"
// Behind windows.h.
#include <boost/interprocess/mapped_region.hpp>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "platform/platform.hpp"
#include "platform/shared_mutex.hpp"
#include "platform/windows/handle.hpp"
#include "platform/windows/memory_calls.hpp"

namespace coffer::platform::windows_os {

/// What has been written and may not show in views yet.  It grows when a write has ended, and is empty again
/// after a sync that began later and succeeded.  One range: a sync comes often enough that a finer account is not worth it.
class Unsynced {
 public:
  void add(std::uint64_t begin, std::uint64_t end);
  void sync_begins();
  void sync_ended(bool succeeded);
  [[nodiscard]] bool overlaps(std::uint64_t begin, std::uint64_t end) const;

 private:
  struct Range {
    std::uint64_t begin = UINT64_MAX;
    std::uint64_t end = 0;
    void add(const Range& other);
    [[nodiscard]] bool overlaps(const Range& other) const {
      return other.begin < end && begin < other.end;
    }
  };
  mutable std::mutex mutex_;
  Range written_;  ///< since the last sync began
  Range syncing_;  ///< before it, until one succeeds
};

class WindowsMapping;

/// An open file and what looks into it.  It lives as long as the file object or one of its windows.
class OpenFile {
 public:
  OpenFile(Handle handle, Path path) : handle_(std::move(handle)), path_(std::move(path)) {}

  [[nodiscard]] HANDLE handle() const { return handle_.get(); }
  [[nodiscard]] const Path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const;
  /// How many bytes there were before the end of the file.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const;
  /// Closes all views for as long as `change` takes.
  template <class Change>
  void without_views(const Change& change);

  Unsynced unsynced;

 private:
  friend class WindowsMapping;
  const Handle handle_;
  const Path path_;
  SharedMutex views_;                     ///< shared: copying; exclusive: making and closing views
  std::vector<WindowsMapping*> windows_;  ///< under it
};

/// A window of fixed place and length.
class WindowsMapping final : public Mapping {
 public:
  WindowsMapping(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::uint64_t length);
  ~WindowsMapping() override;
  WindowsMapping(const WindowsMapping&) = delete;
  WindowsMapping& operator=(const WindowsMapping&) = delete;

  std::uint64_t size() const override { return length_; }
  void copy_out(std::uint64_t offset, std::span<std::byte> out) const override;

 private:
  friend class OpenFile;
  struct View {
    std::uint64_t begin;  ///< in the window
    boost::interprocess::mapped_region region;
    [[nodiscard]] std::uint64_t end() const { return begin + region.get_size(); }
  };
  enum class Outcome { copied, not_mapped, failed };

  Outcome copy_from_view(std::uint64_t offset, std::span<std::byte> out) const;
  bool map_up_to(std::uint64_t end) const;
  [[noreturn]] void fail(std::uint64_t offset, std::size_t length, const char* why,
                         ErrorCode code) const;

  const std::shared_ptr<OpenFile> file_;
  const std::uint64_t file_offset_;
  const std::uint64_t length_;
  mutable std::vector<View> views_;  ///< in order, each beginning no later than the last one ends
};

template <class Change>
void OpenFile::without_views(const Change& change) {
  const std::lock_guard guard(views_);
  for (auto* window : windows_) window->views_.clear();
  change();
}

}  // namespace coffer::platform::windows_os
