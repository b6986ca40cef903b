// A file that is there whole, or not at all: written under a name of its own beside its place, synced, renamed.
#pragma once

#include <memory>

#include "platform/platform.hpp"

namespace coffer::backup {

/// `place` as a name beside it that nobody else has: `.NAME-<16 hexadecimal digits>.in-progress`.
[[nodiscard]] platform::Path in_progress_beside(platform::Platform& platform,
                                                const platform::Path& place);
/// `path` without a separator at its end.  InvalidArgument when something is there, or no directory to put it in.
[[nodiscard]] platform::Path free_place(platform::Platform& platform, const platform::Path& path,
                                        const char* what);
[[nodiscard]] platform::Path directory_of(const platform::Path& place);

class NewFile {
 public:
  /// `place` is from free_place.
  NewFile(platform::Platform& platform, platform::Path place);
  /// Removes what was not published.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  [[nodiscard]] platform::File& file() { return *file_; }
  /// Syncs and renames; durable when it returns.  InvalidArgument when somebody else took the place meanwhile.
  void publish();

 private:
  platform::FileSystem& files_;
  platform::Path place_;
  platform::Path beside_;
  std::unique_ptr<platform::File> file_;
  bool published_ = false;
};

/// The directory of a store that is being made; removed, with what is in it, unless it was published.
class NewDirectory {
 public:
  /// `place` is from free_place.  Nothing is made yet.
  NewDirectory(platform::Platform& platform, platform::Path place);
  ~NewDirectory();
  NewDirectory(const NewDirectory&) = delete;
  NewDirectory& operator=(const NewDirectory&) = delete;
  /// Where to make it.
  [[nodiscard]] const platform::Path& beside() const { return beside_; }
  /// Renames it, which is durable when this returns; what is in it is durable already.
  void publish();

 private:
  platform::FileSystem& files_;
  platform::Path place_;
  platform::Path beside_;
  bool published_ = false;
};

}  // namespace coffer::backup
