// The records of a backup, read and checked: what reaches the sink can be put into a store.
//
// Invariants
//   R1  Everything that a store would refuse or take differently is refused here, so that verifying checks what
//       restoring needs: trees by name, entries in order and each once, integer keys of 8 bytes, lengths, counts; in
//       an increment ranges in order, none empty, none overlapping another, each entry inside of its own.
//   R2  Keys and values are in locked memory while they are looked at.
//   R3  A full backup has no ranges, and an increment no entry outside of one.
#pragma once

#include <cstdint>
#include <string>

#include <coffer/backup.hpp>
#include <coffer/tree.hpp>

#include "backup/chunked_file.hpp"
#include "backup/pace.hpp"
#include "backup/records.hpp"

namespace coffer::backup {

/// Longest value that is handed over in one piece.
inline constexpr std::size_t kWholeValueBytesMax = format::kKeyBytesMax;

/// What becomes of the records.  The bytes are good during the call.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  /// What follows is a full backup's, or changes to what the sink has already.
  virtual void begin(const BackupReport& report, bool increment) = 0;
  virtual void tree(const std::string& name, const TreeOptions& options) = 0;
  virtual void begin_range(const RangeBound& low) = 0;
  virtual void end_range(const RangeBound& high) = 0;
  virtual void entry(Bytes key, Bytes value) = 0;
  /// A value of more than kWholeValueBytesMax, in pieces.
  virtual void begin_value(Bytes key, std::uint64_t size) = 0;
  virtual void value_piece(Bytes bytes) = 0;
  virtual void end_value() = 0;
  /// The records have ended, and that was authentic.
  virtual void end() = 0;
};

/// Locked memory for the reader: three keys and three values.
inline constexpr std::uint64_t kRecordHeapBytes =
    3 * format::kKeyBytesMax + 3 * kWholeValueBytesMax + 4096;

/// Reads what stands in front of the trees.
[[nodiscard]] Origin read_origin(ChunkedReader& reader);

/// Reads all records, from the first one to the authenticated end.
[[nodiscard]] BackupReport read_records(ChunkedReader& reader, platform::LockedHeap& heap,
                                        Pace& pace, RecordSink& sink);

}  // namespace coffer::backup
