// The writer's segment files: making them, writing into them, syncing them, using them again.
//
// Invariants
//   G1  A segment that `make_room` has promised is as long as a segment, was written whole with zeros
//       or old ciphertext and synced, and its name was synced in the directory (J5).
//   G2  A segment with a write that no sync has covered since keeps its handle open: an error of the
//       operating system's write-back is reported to the handles that were open then.
//   G3  A segment with records leaves the journal only from below the position given to `retire_below`; those that `shrink`
//       removes lie behind the end, or were retired.
//
// On failure `make_room` takes back what it made: new files are removed (which gives the room back
// on a full disk) and renamed ones renamed back.  After a failed `sync` nothing may be relied on;
// the writer poisons itself.
//
// Locks: layout_mutex_ (files come and go: slow) before mutex_ (the maps: short).  `write` is the
// writer's thread's; the others may be called from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "journal/journal.hpp"

namespace coffer::journal {

class Segments {
 public:
  /// Takes up the segments that exist.  Those up to `end` may hold what was written and never
  /// synced (the process that wrote them may have been killed), so the first sync covers them.
  Segments(const JournalFiles& files, Lsn end);
  Segments(const Segments&) = delete;
  Segments& operator=(const Segments&) = delete;

  /// Makes [from, upto) writable.  NoSpace or IoError: nothing has changed that matters.
  void make_room(Lsn from, Lsn upto);
  /// Gives all spares their next names, with one sync of the directory.  After the first make_room; errors as that.
  void name_spares();
  /// Everything from the first make_room up to here is writable; 0 before that.
  [[nodiscard]] Lsn ready_upto() const { return Lsn{ready_upto_.load(std::memory_order_acquire)}; }
  /// Writes the part of `bytes` that lies in `position`'s segment; returns its length.
  std::size_t write(Lsn position, std::span<const std::byte> bytes);
  /// Makes all finished writes durable.  One caller at a time.
  void sync();
  /// Closes handles that nothing will be written to: of synced segments wholly below `end`.
  void close_below(Lsn end);
  /// So many bytes are to lie ready when an interval ends: retire_below keeps as many more.
  void keep_ahead(std::uint64_t bytes) { keep_ahead_.store(bytes, std::memory_order_relaxed); }
  /// Segments wholly below `position` become spares; keeps as many as the journal, which ends at
  /// `end`, will want if it goes on as in the interval that this call ends, or in the one before.
  void retire_below(Lsn position, Lsn end);
  /// Removes segments behind the one in which the journal ends, and spares; leaves one of either.  The writer must be at
  /// rest.
  void shrink(Lsn end);
  [[nodiscard]] std::uint64_t file_bytes() const;
  [[nodiscard]] const JournalFiles& files() const { return files_; }

 private:
  struct Segment {
    std::shared_ptr<platform::File> file;  ///< null: not opened yet, or closed again
    bool unsynced = false;
  };
  /// A segment that an unfinished make_room has named.
  struct Named {
    std::uint64_t index = 0;
    std::optional<std::uint64_t> spare;  ///< the name that it had before
    std::shared_ptr<platform::File> file;
  };

  [[nodiscard]] std::uint64_t index_of(Lsn position) const {
    return position.value / files_.segment_bytes;
  }
  [[nodiscard]] bool known(std::uint64_t index) const;
  void make_room_locked(Lsn from, Lsn upto);
  void open_known(std::uint64_t index);
  void name_segment(std::uint64_t index, std::vector<Named>& named);
  void create_file(std::uint64_t index);
  void take_back(std::vector<Named>& named) noexcept;
  void fill_with_zeros(platform::File& file, std::uint64_t from);

  JournalFiles files_;
  std::atomic<std::uint64_t> ready_upto_{0};  ///< changed under layout_mutex_
  std::atomic<std::uint64_t> keep_ahead_{0};

  std::mutex layout_mutex_;
  Lsn retired_upto_{};                 ///< under layout_mutex_: what the last interval began with
  std::uint64_t interval_before_ = 0;  ///< under layout_mutex_: the last interval's bytes

  mutable std::mutex mutex_;
  std::map<std::uint64_t, Segment> segments_;
  std::vector<std::uint64_t> spares_;
  std::vector<std::shared_ptr<platform::File>> syncing_;  ///< the syncing thread's
  std::atomic<bool> names_unsynced_{true};  ///< names found at open, perhaps not durable yet
};

}  // namespace coffer::journal
