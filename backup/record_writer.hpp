// The records of a logical backup, or of an increment of one, as they are written.  Their order is the caller's.
#pragma once

#include <cstdint>
#include <string_view>

#include <coffer/backup.hpp>
#include <coffer/tree.hpp>

#include "backup/chunked_file.hpp"
#include "backup/pace.hpp"
#include "backup/records.hpp"
#include "tree/btree.hpp"

namespace coffer::backup {

class RecordWriter {
 public:
  RecordWriter(ChunkedWriter& writer, Pace& pace) : writer_(writer), pace_(pace) {}

  /// With the parent's record behind it in an increment.
  void origin(const Origin& origin, bool increment);
  void begin_tree(std::string_view name, const TreeOptions& options);
  void begin_range(const RangeBound& low) { bound(format::RecordType::range, low); }
  void end_range(const RangeBound& high) { bound(format::RecordType::range_end, high); }
  /// All entries of a leaf of `tree`.
  void leaf(const tree::BTree& tree, const tree::NodeView& view);
  void end_tree();
  void end();

  [[nodiscard]] std::uint64_t trees() const { return trees_; }
  [[nodiscard]] std::uint64_t entries() const { return entries_; }

 private:
  void bound(format::RecordType type, const RangeBound& bound);
  void entry(Bytes key, Bytes value);
  void begin_entry(Bytes key, std::uint64_t value_bytes);
  void large_value(const tree::BTree& tree, const tree::LargeValueDescriptor& value);

  ChunkedWriter& writer_;
  Pace& pace_;
  std::uint64_t trees_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t entries_in_tree_ = 0;
};

}  // namespace coffer::backup
