// See record_writer.hpp.
#include "backup/record_writer.hpp"

#include <algorithm>
#include <array>

#include <coffer/error.hpp>

#include "crypto/seal_format.hpp"
#include "platform/contracts.hpp"

namespace coffer::backup {
namespace {

using crypto::seal_format::put_little_endian;
using format::RecordType;

/// A record's type and its numbers, put together on the stack: none of it is what users stored.
template <std::size_t kBytes>
class FixedPart {
 public:
  explicit FixedPart(RecordType type) { put(static_cast<std::uint8_t>(type)); }
  template <class Integer>
  FixedPart& put(Integer number) {
    Expects(size_ + sizeof number <= bytes_.size());
    put_little_endian(&bytes_[size_], number);
    size_ += sizeof number;
    return *this;
  }
  FixedPart& put_bytes(std::span<const std::byte> bytes) {
    Expects(size_ + bytes.size() <= bytes_.size());
    std::ranges::copy(bytes, &bytes_[size_]);
    size_ += bytes.size();
    return *this;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    Expects(size_ == bytes_.size());
    return bytes_;
  }

 private:
  std::array<std::byte, 1 + kBytes> bytes_;
  std::size_t size_ = 0;
};

}  // namespace

void RecordWriter::origin(const Origin& origin, bool increment) {
  writer_.write(FixedPart<format::kOriginBytes>(RecordType::origin)
                    .put_bytes(origin.store)
                    .put_bytes(origin.instance)
                    .put(origin.commit)
                    .put(static_cast<std::uint64_t>(origin.taken.count()))
                    .put(origin.page_size)
                    .put(origin.mark.checkpoint)
                    .put_bytes(origin.mark.identity)
                    .bytes());
  if (!increment) return;
  writer_.write(
      FixedPart<format::kParentBytes>(RecordType::parent).put_bytes(origin.parent_header).bytes());
}

void RecordWriter::begin_tree(std::string_view name, const TreeOptions& options) {
  Expects(name.size() <= format::kNameBytesMax);
  const auto bits = static_cast<std::uint8_t>((options.multi_value ? format::kMultiValue : 0) |
                                              (options.integer_keys ? format::kIntegerKeys : 0));
  writer_.write(FixedPart<format::kTreeBytes>(RecordType::tree)
                    .put(bits)
                    .put(static_cast<std::uint8_t>(name.size()))
                    .bytes());
  writer_.write(Bytes(name));
  entries_in_tree_ = 0;
  ++trees_;
}

void RecordWriter::end_tree() {
  writer_.write(
      FixedPart<format::kTreeEndBytes>(RecordType::tree_end).put(entries_in_tree_).bytes());
  entries_ += entries_in_tree_;
}

void RecordWriter::end() {
  writer_.write(FixedPart<format::kEndBytes>(RecordType::end).put(trees_).put(entries_).bytes());
}

void RecordWriter::bound(RecordType type, const RangeBound& bound) {
  writer_.write(FixedPart<format::kBoundBytes>(type)
                    .put(static_cast<std::uint8_t>(bound.kind))
                    .put(gsl::narrow<std::uint16_t>(bound.key.size()))
                    .put(gsl::narrow<std::uint16_t>(bound.value.size()))
                    .bytes());
  writer_.write(bound.key);
  writer_.write(bound.value);
}

void RecordWriter::begin_entry(Bytes key, std::uint64_t value_bytes) {
  writer_.write(FixedPart<format::kEntryBytes>(RecordType::entry)
                    .put(gsl::narrow<std::uint16_t>(key.size()))
                    .put(value_bytes)
                    .bytes());
  writer_.write(key);
  ++entries_in_tree_;
  pace_.count_entry();
}

void RecordWriter::leaf(const tree::BTree& tree, const tree::NodeView& view) {
  for (std::size_t i = 0; i < view.count(); ++i) {
    const tree::LeafCell cell = view.leaf_cell(i);
    if (cell.large) {
      const tree::LargeValueDescriptor value = tree.descriptor(cell, view.id());
      begin_entry(cell.key, value.length);
      large_value(tree, value);
    } else {
      entry(cell.key, cell.value);
    }
  }
}

/// One whose value is in the leaf.  Nearly all are such, and have room in the chunk: they are put together there.
void RecordWriter::entry(Bytes key, Bytes value) {
  constexpr std::size_t kFrontBytes = 1 + format::kEntryBytes;
  const auto into = writer_.room_for(kFrontBytes + key.size() + value.size());
  if (into.empty()) {
    begin_entry(key, value.size());
    writer_.write(value);
    return;
  }
  into[0] = static_cast<std::byte>(RecordType::entry);
  put_little_endian(&into[1], gsl::narrow<std::uint16_t>(key.size()));
  put_little_endian(&into[3], std::uint64_t{value.size()});
  std::ranges::copy(key, into.subspan(kFrontBytes).begin());
  std::ranges::copy(value, into.subspan(kFrontBytes + key.size()).begin());
  writer_.wrote(into.size());
  ++entries_in_tree_;
  pace_.count_entry();
}

void RecordWriter::large_value(const tree::BTree& tree, const tree::LargeValueDescriptor& value) {
  tree::LargeValueReader reader(tree.source(), value, nullptr);
  for (std::uint64_t at = 0; at < value.length;) {
    const auto room = writer_.room();
    const std::size_t got =
        reader.read_at(at, room.first(std::min<std::uint64_t>(room.size(), value.length - at)));
    if (got == 0) throw Corrupted("a large value is shorter than its size says; run coffer check");
    writer_.wrote(got);
    at += got;
  }
}

}  // namespace coffer::backup
