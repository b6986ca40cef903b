// See record_reader.hpp.
#include "backup/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "backup/held_bytes.hpp"
#include "backup/label.hpp"
#include "crypto/seal_format.hpp"
#include "pager/pager_format.hpp"
#include "platform/contracts.hpp"
#include "tree/node_format.hpp"

namespace coffer::backup {
namespace {

using crypto::seal_format::get_little_endian;
using format::BoundKind;
using format::RecordType;

constexpr std::size_t kIntegerBytes = 8;

/// A record's fixed part: none of it is what users stored.
class FixedRecord {
 public:
  FixedRecord(ChunkedReader& reader, std::size_t bytes) : bytes_(std::span(room_).first(bytes)) {
    reader.read(bytes_);
  }
  FixedRecord(const FixedRecord&) = delete;
  FixedRecord& operator=(const FixedRecord&) = delete;
  template <class Integer = std::uint64_t>
  [[nodiscard]] Integer number(std::size_t at) const {
    return get_little_endian<Integer>(&bytes_[at]);
  }
  template <std::size_t kSize>
  void copy(std::size_t at, std::array<std::byte, kSize>& out) const {
    std::ranges::copy(bytes_.subspan(at, kSize), out.begin());
  }

 private:
  std::array<std::byte, format::kFixedBytesMax> room_{};
  std::span<std::byte> bytes_;
};

RecordType next_type(ChunkedReader& reader) {
  return static_cast<RecordType>(FixedRecord(reader, 1).number<std::uint8_t>(0));
}

int compare_pairs(Bytes key, Bytes value, Bytes other_key, Bytes other_value) {
  const int order = compare(key, other_key);
  return order != 0 ? order : compare(value, other_value);
}

class RecordWalk {
 public:
  RecordWalk(ChunkedReader& reader, platform::LockedHeap& heap, Pace& pace, RecordSink& sink)
      : reader_(reader),
        pace_(pace),
        sink_(sink),
        key_{heap.allocate(format::kKeyBytesMax)},
        value_{heap.allocate(kWholeValueBytesMax)},
        next_key_{heap.allocate(format::kKeyBytesMax)},
        next_value_{heap.allocate(kWholeValueBytesMax)},
        bound_key_{heap.allocate(format::kKeyBytesMax)},
        bound_value_{heap.allocate(kWholeValueBytesMax)} {}

  BackupReport walk() {
    origin();
    for (RecordType type = next_type(reader_); type != RecordType::end; type = next_type(reader_)) {
      if (type != RecordType::tree) reader_.raise_damaged("a record is out of place");
      tree();
    }
    const FixedRecord end(reader_, format::kEndBytes);
    if (end.number(0) != report_.trees || end.number(8) != report_.entries) {
      reader_.raise_damaged("its last record counts other trees and entries than there are");
    }
    reader_.expect_end();
    sink_.end();
    return report_;
  }

 private:
  void origin() {
    const Origin origin = read_origin(reader_);
    const Label& label = reader_.header().label;
    increment_ = is_increment(label.kind);
    report_.kind = kind_of(label.kind);
    report_.link = label.link;
    report_.compressed = label.compressed;
    report_.encrypted = reader_.header().suite != crypto::Suite::none;
    report_.commit = origin.commit;
    report_.taken = origin.taken;
    report_.page_size = origin.page_size;
    // The record says what the store could hold; a restore is free to choose a page size that holds less.
    if (!std::has_single_bit(report_.page_size) ||
        report_.page_size < pager::format::kPageBytesMin ||
        report_.page_size > pager::format::kPageBytesMax) {
      reader_.raise_damaged("it is from a store with an impossible page size");
    }
    key_bytes_max_ = tree::node_key_bytes_max(pager::content_bytes(report_.page_size));
    Ensures(key_bytes_max_ <= format::kKeyBytesMax);
    sink_.begin(report_, increment_);
  }

  void tree() {
    const FixedRecord record(reader_, format::kTreeBytes);
    const auto bits = record.number<std::uint8_t>(0);
    std::string name(record.number<std::uint8_t>(1), '\0');
    if ((bits & ~(format::kMultiValue | format::kIntegerKeys)) != 0) {
      throw VersionUnsupported(
          "a tree in the backup is of a kind that this version does not know: "
          "restore it with a newer Coffer");
    }
    reader_.read(std::as_writable_bytes(std::span(name)));
    if (name.empty() || (report_.trees > 0 && compare(Bytes(name), Bytes(name_)) <= 0)) {
      reader_.raise_damaged("its trees are not in order");
    }
    name_ = name;
    options_ = {.multi_value = (bits & format::kMultiValue) != 0,
                .integer_keys = (bits & format::kIntegerKeys) != 0};
    ++report_.trees;
    sink_.tree(name_, options_);
    entries_ = 0;
    place_ = Place::beginning;
    const RecordType last = increment_ ? ranges() : entries();
    if (last != RecordType::tree_end) reader_.raise_damaged("a tree in it has no end");
    if (FixedRecord(reader_, format::kTreeEndBytes).number(0) != entries_) {
      reader_.raise_damaged("a tree in it has other entries than it counts");
    }
    report_.entries += entries_;
  }

  /// The type of the record behind them.
  RecordType entries() {
    RecordType type = next_type(reader_);
    for (; type == RecordType::entry; type = next_type(reader_)) {
      entry();
      place_ = Place::entry;
      ++entries_;
      pace_.count_entry();
    }
    return type;
  }

  RecordType ranges() {
    RecordType type = next_type(reader_);
    for (bool first = true; type == RecordType::range; type = next_type(reader_)) {
      low(first);
      if (entries() != RecordType::range_end) reader_.raise_damaged("a range in it has no end");
      high();
      first = false;
    }
    return type;
  }

  BoundKind bound(HeldBytes& key, HeldBytes& value) {
    const FixedRecord record(reader_, format::kBoundBytes);
    const auto kind = record.number<std::uint8_t>(0);
    const auto key_bytes = record.number<std::uint16_t>(1);
    const auto value_bytes = record.number<std::uint16_t>(3);
    const bool open = kind == static_cast<std::uint8_t>(BoundKind::open);
    if (kind > static_cast<std::uint8_t>(BoundKind::behind) || key_bytes > key_bytes_max_ ||
        value_bytes > (options_.multi_value ? key_bytes_max_ : 0) ||
        (options_.integer_keys && key_bytes > kIntegerBytes) ||
        (open && (key_bytes != 0 || value_bytes != 0))) {
      reader_.raise_damaged("a range in it has an impossible bound");
    }
    reader_.read(key.take(key_bytes));
    reader_.read(value.take(value_bytes));
    return static_cast<BoundKind>(kind);
  }

  /// What stands before the range's first entry is then its bound.
  void low(bool first) {
    const BoundKind kind = bound(key_, value_);
    const bool follows = first || (high_ != BoundKind::open && kind != BoundKind::open &&
                                   compare_pairs(key_.bytes(), value_.bytes(), bound_key_.bytes(),
                                                 bound_value_.bytes()) >= 0);
    if (!follows) reader_.raise_damaged("ranges in it are not in order");
    place_ = kind == BoundKind::open ? Place::beginning
             : kind == BoundKind::at ? Place::at_bound
                                     : Place::entry;
    sink_.begin_range({kind, key_.bytes(), value_.bytes()});
  }

  void high() {
    high_ = bound(bound_key_, bound_value_);
    const Bytes key = bound_key_.bytes();
    const Bytes value = bound_value_.bytes();
    const Bytes last_value = options_.multi_value ? value_.bytes() : Bytes();
    const bool behind = place_ == Place::beginning
                            ? !key.empty() || !value.empty()
                            : compare_pairs(key, value, key_.bytes(), last_value) > 0;
    if (high_ != BoundKind::open && (high_ != BoundKind::at || !behind)) {
      reader_.raise_damaged("a range in it ends before what it holds");
    }
    sink_.end_range({high_, key, value});
  }

  void entry() {
    const FixedRecord record(reader_, format::kEntryBytes);
    const auto key_bytes = record.number<std::uint16_t>(0);
    const std::uint64_t value_bytes = record.number(2);
    if (key_bytes > key_bytes_max_ || (options_.integer_keys && key_bytes != kIntegerBytes) ||
        (options_.multi_value && value_bytes > key_bytes_max_)) {
      reader_.raise_damaged("an entry in it has an impossible length");
    }
    const bool large = value_bytes > kWholeValueBytesMax;
    const std::size_t value_here = large ? 0 : static_cast<std::size_t>(value_bytes);
    Bytes key;
    Bytes value;
    if (const auto both = reader_.in_one_piece(key_bytes + value_here)) {
      key = both->first(key_bytes);
      value = both->subspan(key_bytes);
    } else {
      reader_.read(next_key_.take(key_bytes));
      reader_.read(next_value_.take(value_here));
      key = next_key_.bytes();
      value = next_value_.bytes();
    }
    expect_behind(key, value);
    key_.copy(key);
    if (large) return large_value(value_bytes);
    if (options_.multi_value) value_.copy(value);
    sink_.entry(key, value);
  }

  /// Raises unless the entry follows what stands before it.
  void expect_behind(Bytes key, Bytes value) {
    if (place_ == Place::beginning) return;
    int order = compare(key, key_.bytes());
    if (order == 0 && options_.multi_value) order = compare(value, value_.bytes());
    // Only the place of a bound may be that of the entry behind it.
    if (order < 0 || (order == 0 && place_ != Place::at_bound)) {
      reader_.raise_damaged("entries in it are not in order");
    }
  }

  void large_value(std::uint64_t size) {
    sink_.begin_value(key_.bytes(), size);
    for (std::uint64_t left = size; left > 0;) {
      const auto piece = reader_.some(left);
      sink_.value_piece(piece);
      left -= piece.size();
    }
    sink_.end_value();
  }

  /// What stands before the next entry: nothing; a bound, in key_ and value_; an entry there, or the place behind
  /// it.
  enum class Place { beginning, at_bound, entry };

  ChunkedReader& reader_;
  Pace& pace_;
  RecordSink& sink_;
  BackupReport report_;
  bool increment_ = false;
  std::string name_;
  TreeOptions options_;
  std::uint64_t entries_ = 0;  ///< in the tree
  Place place_ = Place::beginning;
  BoundKind high_ =
      BoundKind::open;  ///< of the range before; its place in bound_key_ and bound_value_
  std::size_t key_bytes_max_ = 0;
  HeldBytes key_;    ///< of the place before the next entry
  HeldBytes value_;  ///< likewise, in a multi-value tree
  HeldBytes next_key_;
  HeldBytes next_value_;
  HeldBytes bound_key_;
  HeldBytes bound_value_;
};

}  // namespace

Origin read_origin(ChunkedReader& reader) {
  if (next_type(reader) != RecordType::origin) {
    reader.raise_damaged("it does not say where it is from");
  }
  const FixedRecord record(reader, format::kOriginBytes);
  constexpr std::size_t kNumbersAt = 2 * format::kIdBytes;
  Origin origin;
  record.copy(0, origin.store);
  record.copy(format::kIdBytes, origin.instance);
  origin.commit = record.number(kNumbersAt);
  origin.taken = std::chrono::nanoseconds(record.number<std::int64_t>(kNumbersAt + 8));
  origin.page_size = record.number<std::uint32_t>(kNumbersAt + 16);
  origin.mark.checkpoint = record.number(kNumbersAt + 20);
  record.copy(kNumbersAt + 28, origin.mark.identity);
  if (is_increment(reader.header().label.kind)) {
    if (next_type(reader) != RecordType::parent) {
      reader.raise_damaged("it does not say what it is an increment of");
    }
    FixedRecord(reader, format::kParentBytes).copy(0, origin.parent_header);
  }
  return origin;
}

BackupReport read_records(ChunkedReader& reader, platform::LockedHeap& heap, Pace& pace,
                          RecordSink& sink) {
  return RecordWalk(reader, heap, pace, sink).walk();
}

}  // namespace coffer::backup
