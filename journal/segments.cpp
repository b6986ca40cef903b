// The writer's segment files (invariants G1 to G3 in segments.hpp).
#include "journal/segments.hpp"

#include <algorithm>
#include <coffer/error.hpp>
#include <utility>

#include "journal/segment_names.hpp"
#include "platform/contracts.hpp"
#include "platform/mutation.hpp"

namespace coffer::journal {
namespace {

/// Zeros are written in pieces of this size.  Not larger: the pieces become the units of the page cache on
/// ext4, and writing one block later costs something for every block of its unit.
constexpr std::uint64_t kZeroBytes = 64 * 1024;
/// A segment has this name until it is whole, so that none is ever found half made.
constexpr const char* kUnfinishedName = "journal-new";

}  // namespace

Segments::Segments(const JournalFiles& files, Lsn end) : files_(files), retired_upto_(end) {
  check_journal_files(files);
  for (const std::uint64_t index : list_segments(files_)) {
    Segment segment;
    if (index <= index_of(end)) {
      segment.file =
          files_.files->open(segment_path(files_, index), platform::OpenMode::read_write);
      segment.unsynced = true;
    }
    segments_.emplace(index, std::move(segment));
  }
}

bool Segments::known(std::uint64_t index) const {
  const std::lock_guard lock(mutex_);
  return segments_.contains(index);
}

void Segments::fill_with_zeros(platform::File& file, std::uint64_t from) {
  const std::vector<std::byte> zeros(std::min(kZeroBytes, files_.segment_bytes - from));
  for (std::uint64_t at = from; at < files_.segment_bytes;) {
    const std::uint64_t bytes = std::min<std::uint64_t>(zeros.size(), files_.segment_bytes - at);
    file.write_at(at, std::span(zeros).first(bytes));
    at += bytes;
  }
  file.sync();
}

/// Opens a segment that exists for writing; one that is too short is made whole first.
void Segments::open_known(std::uint64_t index) {
  std::shared_ptr<platform::File> file;
  {
    const std::lock_guard lock(mutex_);
    file = segments_.at(index).file;
  }
  if (!file) file = files_.files->open(segment_path(files_, index), platform::OpenMode::read_write);
  if (const std::uint64_t size = file->size(); size < files_.segment_bytes) {
    fill_with_zeros(*file, size);
  }
  const std::lock_guard lock(mutex_);
  segments_.at(index).file = std::move(file);
}

void Segments::create_file(std::uint64_t index) {
  platform::FileSystem& system = *files_.files;
  const platform::Path unfinished = files_.directory / kUnfinishedName;
  if (system.exists(unfinished)) system.remove(unfinished);
  auto file = system.create(unfinished);
  try {
    fill_with_zeros(*file, 0);
    file.reset();
    system.rename(unfinished, segment_path(files_, index));
  } catch (...) {
    file.reset();
    try {
      system.remove(unfinished);
    } catch (...) {
      // Removed by the next call, which finds it in its way.
    }
    throw;
  }
}

/// Gives a spare segment or a new one the name of `index`.
void Segments::name_segment(std::uint64_t index, std::vector<Named>& named) {
  platform::FileSystem& system = *files_.files;
  const platform::Path path = segment_path(files_, index);
  // Ours, from a call that failed and could not take it back: nobody relies on it.
  if (system.exists(path)) system.remove(path);

  named.reserve(named.size() + 1);
  std::optional<std::uint64_t> spare;
  {
    const std::lock_guard lock(mutex_);
    if (!spares_.empty()) spare = spares_.back();
  }
  if (spare) {
    system.rename(segment_path(files_, *spare), path);
    const std::lock_guard lock(mutex_);
    spares_.pop_back();
  } else {
    create_file(index);
  }
  named.push_back({.index = index, .spare = spare, .file = nullptr});
  auto file = system.open(path, platform::OpenMode::read_write);
  if (const std::uint64_t size = file->size(); size < files_.segment_bytes) {
    fill_with_zeros(*file, size);
  }
  named.back().file = std::move(file);
}

void Segments::take_back(std::vector<Named>& named) noexcept {
  for (Named& segment : named) {
    segment.file.reset();
    try {
      const platform::Path path = segment_path(files_, segment.index);
      if (segment.spare) {
        // Reserved when the spare was taken out: this does not allocate.
        files_.files->rename(path, segment_path(files_, *segment.spare));
        const std::lock_guard lock(mutex_);
        spares_.push_back(*segment.spare);
      } else {
        files_.files->remove(path);
      }
    } catch (...) {
      // It stays under a name that the next call removes before it uses it.
    }
  }
}

void Segments::make_room(Lsn from, Lsn upto) {
  if (upto <= ready_upto()) return;
  Expects(from < upto);
  const std::lock_guard layout(layout_mutex_);
  make_room_locked(from, upto);
}

void Segments::name_spares() {
  const std::lock_guard layout(layout_mutex_);
  std::size_t spares = 0;
  {
    const std::lock_guard lock(mutex_);
    spares = spares_.size();
  }
  if (spares == 0) return;
  const Lsn ready = ready_upto();
  make_room_locked(ready, ready.next(spares * files_.segment_bytes));
}

void Segments::make_room_locked(Lsn from, Lsn upto) {
  const Lsn promised = ready_upto();
  if (upto <= promised) return;  // made by another thread meanwhile
  const std::uint64_t last = index_of(Lsn{upto.value - 1});
  const std::uint64_t first = index_of(std::max(from, promised));

  std::vector<Named> named;
  try {
    for (std::uint64_t index = first; index <= last; ++index) {
      if (known(index)) {
        open_known(index);
      } else {
        name_segment(index, named);
      }
    }
    if (!named.empty() || names_unsynced_) {
      if (!planted(Mutation::skip_directory_sync)) files_.files->sync_directory(files_.directory);
      names_unsynced_ = false;
    }
    std::map<std::uint64_t, Segment> ready;
    for (const Named& segment : named) {
      ready.emplace(segment.index, Segment{.file = segment.file, .unsynced = false});
    }
    const std::lock_guard lock(mutex_);
    segments_.merge(ready);
  } catch (...) {
    take_back(named);
    throw;
  }
  ready_upto_.store((last + 1) * files_.segment_bytes, std::memory_order_release);
}

std::size_t Segments::write(Lsn position, std::span<const std::byte> bytes) {
  const std::uint64_t index = index_of(position);
  const std::uint64_t offset = position.value % files_.segment_bytes;
  const auto piece = bytes.first(static_cast<std::size_t>(
      std::min<std::uint64_t>(bytes.size(), files_.segment_bytes - offset)));
  std::shared_ptr<platform::File> file;
  {
    const std::lock_guard lock(mutex_);
    file = segments_.at(index).file;
  }
  Ensures(file != nullptr);
  file->write_at(offset, piece);
  // Noted after the write: a sync that began before it promises nothing about it.
  const std::lock_guard lock(mutex_);
  segments_.at(index).unsynced = true;
  return piece.size();
}

void Segments::sync() {
  if (names_unsynced_) {
    files_.files->sync_directory(files_.directory);
    names_unsynced_ = false;
  }
  {
    const std::lock_guard lock(mutex_);
    syncing_.clear();
    syncing_.reserve(segments_.size());
    for (auto& [index, segment] : segments_) {
      if (std::exchange(segment.unsynced, false)) syncing_.push_back(segment.file);
    }
  }
  for (const auto& file : syncing_) file->data_sync();
  syncing_.clear();
}

void Segments::close_below(Lsn end) {
  const std::lock_guard lock(mutex_);
  for (auto& [index, segment] : segments_) {
    if (index >= index_of(end)) break;
    if (!segment.unsynced) segment.file.reset();
  }
}

void Segments::retire_below(Lsn position, Lsn end) {
  const std::lock_guard layout(layout_mutex_);
  const std::uint64_t below = index_of(position);
  std::vector<std::uint64_t> surplus;
  {
    const std::lock_guard lock(mutex_);
    const auto first_kept = segments_.lower_bound(below);
    spares_.reserve(spares_.size() + segments_.size());
    surplus.reserve(spares_.size() + segments_.size());
    for (auto it = segments_.begin(); it != first_kept; ++it) spares_.push_back(it->first);
    segments_.erase(segments_.begin(), first_kept);

    // As much as the longer of the last two intervals took, and what is to lie ahead when the next one ends, less what
    // does now; at least one.
    // Checkpoints that somebody asks for come at odd times: after one short interval alone all segments would be made
    // anew in the next.
    const std::uint64_t interval =
        position > retired_upto_ ? position.value - retired_upto_.value : 0;
    const std::uint64_t longer = std::max(interval, std::exchange(interval_before_, interval));
    const std::uint64_t bytes = longer + keep_ahead_.load(std::memory_order_relaxed);
    const std::uint64_t wanted =
        std::max<std::uint64_t>(1, (bytes + files_.segment_bytes - 1) / files_.segment_bytes);
    const auto ahead = static_cast<std::uint64_t>(
        std::distance(segments_.upper_bound(index_of(end)), segments_.end()));
    const std::uint64_t keep = wanted > ahead ? wanted - ahead : 0;
    while (spares_.size() > keep) {
      surplus.push_back(spares_.back());
      spares_.pop_back();
    }
  }
  retired_upto_ = std::max(retired_upto_, position);
  for (const std::uint64_t index : surplus) {
    try {
      files_.files->remove(segment_path(files_, index));
    } catch (const Error&) {
      // Nothing depends on its removal: it stays a spare, and the next call tries again.
      const std::lock_guard lock(mutex_);
      spares_.push_back(index);
    }
  }
}

void Segments::shrink(Lsn end) {
  const std::lock_guard layout(layout_mutex_);
  std::vector<std::uint64_t> surplus;
  {
    const std::lock_guard lock(mutex_);
    surplus.reserve(spares_.size() + segments_.size());
    auto first = segments_.upper_bound(index_of(end));
    if (spares_.empty() && first != segments_.end()) ++first;
    // The last one first, so that what is left has no gaps.
    for (auto it = segments_.end(); it != first;) surplus.push_back((--it)->first);
    segments_.erase(first, segments_.end());
    for (; spares_.size() > 1; spares_.pop_back()) surplus.push_back(spares_.back());
    const Lsn ready{(segments_.empty() ? 0 : segments_.rbegin()->first + 1) * files_.segment_bytes};
    ready_upto_.store(std::min(ready_upto(), ready).value, std::memory_order_release);
  }
  for (const std::uint64_t index : surplus) {
    try {
      files_.files->remove(segment_path(files_, index));
    } catch (const Error&) {
      // It takes room until a writer comes to its name.
    }
  }
}

std::uint64_t Segments::file_bytes() const {
  const std::lock_guard lock(mutex_);
  return (segments_.size() + spares_.size()) * files_.segment_bytes;
}

}  // namespace coffer::journal
