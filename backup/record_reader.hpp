// The records of a backup, read and checked: what reaches the sink can be put into a store.
//
// Invariants
//   R1  Everything that a store would refuse or take differently is refused here, so that verifying checks what
//       restoring needs: trees by name, entries in order and each once, integer keys of 8 bytes, lengths, counts.
//   R2  Keys and values are in locked memory while they are looked at.
#pragma once

#include <cstdint>
#include <string>

#include <coffer/backup.hpp>
#include <coffer/tree.hpp>

#include "backup/chunked_file.hpp"
#include "backup/record_format.hpp"

namespace coffer::backup {

/// Longest value that is handed over in one piece.
inline constexpr std::size_t kWholeValueBytesMax = format::kKeyBytesMax;

/// What becomes of the records.  The bytes are good during the call.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void origin(const BackupReport& report) = 0;
  virtual void tree(const std::string& name, const TreeOptions& options) = 0;
  virtual void entry(Bytes key, Bytes value) = 0;
  /// A value of more than kWholeValueBytesMax, in pieces.
  virtual void begin_value(Bytes key, std::uint64_t size) = 0;
  virtual void value_piece(Bytes bytes) = 0;
  virtual void end_value() = 0;
};

/// Locked memory for the reader: two keys and two values.
inline constexpr std::uint64_t kRecordHeapBytes =
    2 * format::kKeyBytesMax + 2 * kWholeValueBytesMax + 4096;

/// Reads all records to the authenticated end.
[[nodiscard]] BackupReport read_records(ChunkedReader& reader, platform::LockedHeap& heap,
                                        Pace& pace, RecordSink& sink);

}  // namespace coffer::backup
