// Records (keys with values) as text, for export and import.
//
// tsv    One record a line: key, TAB, value.  In both, these bytes are written as escapes: TAB \t,
//        newline \n, carriage return \r, backslash \\, and as \xHH (two hexadecimal digits) all
//        other control characters and every byte that is no part of well-formed UTF-8; so the file
//        is text. A reader takes other bytes as they stand, skips empty lines, and drops one
//        carriage return at the end of a line.
// jsonl  One JSON object a line: {"key":"...","value":"..."}, and "key_base64" or "value_base64" in
//        place of either that is not well-formed UTF-8.  A reader takes "key_hex" and "value_hex"
//        too, and ignores other members.
// dump   What LMDB's mdb_dump and Berkeley DB's db_dump write and their load programs read: for each
//        tree a header of NAME=VALUE lines from VERSION=3 to HEADER=END, then lines that begin with
//        a space, a key's and a value's in turn, in hexadecimal (format=bytevalue) or as text with
//        \HH escapes (format=print), then DATA=END.  A reader ignores header fields that it does
//        not know, and notices when DATA=END is missing.  Keys of an integer-keyed tree stand there
//        as LMDB keeps them (little-endian); they are turned around on the way, and 4-byte ones
//        widened. mdb_dump -p writes backslashes as they are, so that its text is not always what
//        was stored: prefer dumps without -p.
//
// tsv and jsonl hold one tree and say nothing of its name and kind.
//
// Errors: InvalidArgument "FILE:LINE: what is wrong", without what the line holds.  Keys and values
// pass through ordinary memory that is wiped afterwards.
#pragma once

#include <coffer/bytes.hpp>
#include <coffer/tree.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace coffer::tools {

enum class RecordFormat : std::uint8_t {
  tsv,
  jsonl,
  dump,        ///< read: either form; written: hexadecimal
  dump_print,  ///< the same, written as text
};

/// What a format can say of a tree.
struct RecordHeader {
  std::optional<std::string> tree_name;
  TreeOptions options;
  /// The size of the map that mdb_load needs for the data; 0 says nothing.  db_load does not take
  /// it.
  std::uint64_t map_bytes = 0;
};

/// Fills the front of the span and returns how much; 0 at the end.
using ByteSource = std::function<std::size_t(std::span<std::byte>)>;
/// Takes all of the bytes, which are gone afterwards.
using ByteSink = std::function<void(Bytes)>;

class RecordReader {
 public:
  virtual ~RecordReader() = default;
  /// Goes to the first record of the next tree (skipping what is left of this one); false when
  /// there is no further tree.
  [[nodiscard]] virtual bool begin(RecordHeader& header) = 0;
  /// The next record of this tree; false after its last.  The bytes last until the next call.
  [[nodiscard]] virtual bool next(std::span<const std::byte>& key,
                                  std::span<const std::byte>& value) = 0;
  /// The number of the line last read, from 1.
  [[nodiscard]] virtual std::uint64_t line_number() const = 0;
};

class RecordWriter {
 public:
  virtual ~RecordWriter() = default;
  /// Begins a tree.  InvalidArgument when the format cannot hold it.
  virtual void begin(const RecordHeader& header) = 0;
  virtual void record(std::span<const std::byte> key, std::span<const std::byte> value) = 0;
  /// Ends the tree: without it a dump counts as cut off.
  virtual void end() = 0;
};

/// The format of that name: tsv, jsonl, dump, dump-print.
[[nodiscard]] std::optional<RecordFormat> record_format(std::string_view name);

/// `file_name` is for messages.
[[nodiscard]] std::unique_ptr<RecordReader> make_record_reader(RecordFormat format,
                                                               ByteSource source,
                                                               std::string file_name);
[[nodiscard]] std::unique_ptr<RecordWriter> make_record_writer(RecordFormat format, ByteSink sink);

}  // namespace coffer::tools
