// See record_reader.hpp.
#include "backup/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "crypto/seal_format.hpp"
#include "pager/pager_format.hpp"
#include "platform/contracts.hpp"
#include "tree/node_format.hpp"

namespace coffer::backup {
namespace {

using crypto::seal_format::get_little_endian;
using format::RecordType;

constexpr std::size_t kIntegerBytes = 8;

/// Bytes of locked memory of which a part is in use.
struct Held {
  platform::LockedBuffer buffer;
  std::size_t size = 0;
  [[nodiscard]] std::span<std::byte> take(std::size_t bytes) {
    size = bytes;
    return buffer.bytes().first(bytes);
  }
  [[nodiscard]] Bytes bytes() const {
    return std::span<const std::byte>(buffer.bytes()).first(size);
  }
};

class RecordWalk {
 public:
  RecordWalk(ChunkedReader& reader, platform::LockedHeap& heap, Pace& pace, RecordSink& sink)
      : reader_(reader),
        pace_(pace),
        sink_(sink),
        key_{heap.allocate(format::kKeyBytesMax)},
        value_{heap.allocate(kWholeValueBytesMax)},
        key_before_{heap.allocate(format::kKeyBytesMax)},
        value_before_{heap.allocate(kWholeValueBytesMax)} {}

  BackupReport walk() {
    origin();
    for (RecordType type = next_type(); type != RecordType::end; type = next_type()) {
      if (type != RecordType::tree) reader_.raise_damaged("a record is out of place");
      tree();
    }
    const auto end = fixed(format::kEndBytes);
    if (number(end, 0) != report_.trees || number(end, 8) != report_.entries) {
      reader_.raise_damaged("its last record counts other trees and entries than there are");
    }
    reader_.expect_end();
    return report_;
  }

 private:
  std::span<const std::byte> fixed(std::size_t bytes) {
    const auto into = std::span(fixed_).first(bytes);
    reader_.read(into);
    return into;
  }
  static std::uint64_t number(std::span<const std::byte> bytes, std::size_t at) {
    return get_little_endian<std::uint64_t>(&bytes[at]);
  }
  RecordType next_type() { return static_cast<RecordType>(fixed(1)[0]); }

  void origin() {
    if (next_type() != RecordType::origin)
      reader_.raise_damaged("it does not say where it is from");
    const auto bytes = fixed(format::kOriginBytes);
    constexpr std::size_t kNumbersAt = 2 * format::kIdBytes;
    report_.encrypted = reader_.suite() != crypto::Suite::none;
    report_.commit = number(bytes, kNumbersAt);
    report_.taken = std::chrono::nanoseconds(number(bytes, kNumbersAt + 8));
    report_.page_size = get_little_endian<std::uint32_t>(&bytes[kNumbersAt + 16]);
    // The record says what the store could hold; a restore is free to choose a page size that holds less.
    if (!std::has_single_bit(report_.page_size) ||
        report_.page_size < pager::format::kPageBytesMin ||
        report_.page_size > pager::format::kPageBytesMax) {
      reader_.raise_damaged("it is from a store with an impossible page size");
    }
    key_bytes_max_ = tree::node_key_bytes_max(pager::content_bytes(report_.page_size));
    Ensures(key_bytes_max_ <= format::kKeyBytesMax);
    sink_.origin(report_);
  }

  void tree() {
    const auto bytes = fixed(format::kTreeBytes);
    const auto bits = static_cast<std::uint8_t>(bytes[0]);
    std::string name(static_cast<std::size_t>(bytes[1]), '\0');
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
    std::uint64_t entries = 0;
    RecordType type = next_type();
    for (; type == RecordType::entry; type = next_type()) {
      entry(entries == 0);
      ++entries;
      pace_.count_entry();
    }
    if (type != RecordType::tree_end) reader_.raise_damaged("a tree in it has no end");
    if (number(fixed(format::kTreeEndBytes), 0) != entries) {
      reader_.raise_damaged("a tree in it has other entries than it counts");
    }
    report_.entries += entries;
  }

  void entry(bool first) {
    const auto bytes = fixed(format::kEntryBytes);
    const auto key_bytes = get_little_endian<std::uint16_t>(&bytes[0]);
    const std::uint64_t value_bytes = number(bytes, 2);
    if (key_bytes > key_bytes_max_ || (options_.integer_keys && key_bytes != kIntegerBytes) ||
        (options_.multi_value && value_bytes > key_bytes_max_)) {
      reader_.raise_damaged("an entry in it has an impossible length");
    }
    std::swap(key_, key_before_);
    reader_.read(key_.take(key_bytes));
    const int order = first ? 1 : compare(key_.bytes(), key_before_.bytes());
    if (order < 0 || (order == 0 && !options_.multi_value)) raise_out_of_order();
    if (value_bytes > kWholeValueBytesMax) return large_value(value_bytes);
    std::swap(value_, value_before_);
    reader_.read(value_.take(static_cast<std::size_t>(value_bytes)));
    if (order == 0 && compare(value_.bytes(), value_before_.bytes()) <= 0) raise_out_of_order();
    sink_.entry(key_.bytes(), value_.bytes());
  }

  [[noreturn]] void raise_out_of_order() {
    reader_.raise_damaged("entries in it are not in order");
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

  ChunkedReader& reader_;
  Pace& pace_;
  RecordSink& sink_;
  BackupReport report_;
  std::array<std::byte, format::kFixedBytesMax> fixed_{};
  std::string name_;
  TreeOptions options_;
  std::size_t key_bytes_max_ = 0;
  Held key_;
  Held value_;
  Held key_before_;
  Held value_before_;
};

}  // namespace

BackupReport read_records(ChunkedReader& reader, platform::LockedHeap& heap, Pace& pace,
                          RecordSink& sink) {
  return RecordWalk(reader, heap, pace, sink).walk();
}

}  // namespace coffer::backup
