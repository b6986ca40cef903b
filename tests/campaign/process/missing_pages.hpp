// Takes a page file's pages away from a process that has them mapped: the file is cut short, so that a load from them
// raises SIGBUS, and later is as long as before with what was in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace coffer::campaign::process {

class MissingPages {
 public:
  /// `file` need not be there before `take`.
  explicit MissingPages(std::filesystem::path file) : file_(std::move(file)) {}

  /// All from slot `first` on.  Nothing when they are gone already.
  void take(std::uint64_t first);
  /// Slots that were written meanwhile stay as they are; the file is not made shorter than it has become.
  void give_back();
  [[nodiscard]] bool taken() const { return taken_; }

 private:
  const std::filesystem::path file_;
  bool taken_ = false;
  std::uint64_t from_ = 0;
  std::string tail_;
};

}  // namespace coffer::campaign::process
