// Reading the journal by position, across its segment files, into a private copy.
//
// What is missing (a segment that does not exist, a file that was cut) shortens what is read; what
// the operating system refuses to read raises IoError: a failing disk is not the end of a journal.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "journal/journal.hpp"

namespace coffer::journal {

class JournalReader {
 public:
  explicit JournalReader(const JournalFiles& files);

  /// Up to `bytes` (at most kFragmentBytesMax) from `position` on: fewer where the journal's files
  /// end. Valid until the next call.
  [[nodiscard]] std::span<const std::byte> at(Lsn position, std::size_t bytes);
  /// Whether the segment that holds `position` exists.
  [[nodiscard]] bool exists(Lsn position) const;
  /// Segments in order.
  [[nodiscard]] const std::vector<std::uint64_t>& segments() const { return indices_; }
  [[nodiscard]] const JournalFiles& files() const { return files_; }

 private:
  void fill(Lsn position);
  [[nodiscard]] std::size_t read_piece(Lsn position, std::span<std::byte> out);

  JournalFiles files_;
  std::vector<std::uint64_t> indices_;
  std::unique_ptr<platform::File> file_;  ///< the segment read last
  std::uint64_t file_index_ = 0;
  std::unique_ptr<std::byte[]> window_;  ///< not cleared: only what was read into it is looked at
  Lsn window_at_{};
  std::size_t window_bytes_ = 0;
  bool window_cut_ = false;  ///< the files end where the window does
};

}  // namespace coffer::journal
