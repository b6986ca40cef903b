#include <algorithm>
#include <coffer/error.hpp>
#include <cstring>

#include "tree/large_value.hpp"

namespace coffer::tree {

LargeValueReader::LargeValueReader(txn::PageSource& source, const LargeValueDescriptor& value,
                                   std::shared_ptr<StreamRegistry> registry)
    : OpenStream(std::move(registry)), source_(&source), geometry_(source), value_(value) {}

void LargeValueReader::require_open() const {
  switch (phase_) {
    case Phase::open:
      return;
    case Phase::freed:
      throw InvalidArgument("the value being read was replaced or removed: read it again");
    case Phase::undone:
      throw InvalidArgument(
          "the value was opened after the savepoint rolled back to: read it again");
    case Phase::ended:
      throw InvalidArgument("the transaction of this value reader has ended");
  }
}

std::span<const std::byte> LargeValueReader::chunk(std::uint64_t index) {
  const std::size_t length = geometry_.chunk_length(value_.length, index);
  if (cached_ != index) {
    const txn::ChunkRef ref = find_chunk(*source_, geometry_, value_, index);
    if (!buffer_) buffer_ = source_->chunk_buffer();
    cached_.reset();
    source_->read_chunk(value_.value_id, index, ref, buffer_.bytes().first(length));
    cached_ = index;
  }
  return buffer_.bytes().first(length);
}

std::size_t LargeValueReader::read_at(std::uint64_t offset, std::span<std::byte> out) {
  require_open();
  if (offset >= value_.length) return 0;
  const std::size_t wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), value_.length - offset));
  std::size_t done = 0;
  while (done < wanted) {
    const std::uint64_t at = offset + done;
    const std::span<const std::byte> bytes = chunk(at / geometry_.chunk_bytes());
    const auto from = static_cast<std::size_t>(at % geometry_.chunk_bytes());
    const std::size_t piece = std::min(wanted - done, bytes.size() - from);
    std::memcpy(out.data() + done, bytes.data() + from, piece);
    done += piece;
  }
  return done;
}

void LargeValueReader::let_go(Phase phase) noexcept {
  if (phase_ == Phase::ended) return;
  phase_ = phase;
  cached_.reset();
  buffer_.reset();
}

void LargeValueReader::rolled_back_to(txn::SavepointId id) noexcept {
  if (younger_than(id)) let_go(Phase::undone);
}

void LargeValueReader::value_freed(std::uint64_t value_id) noexcept {
  if (value_id == value_.value_id) let_go(Phase::freed);
}

void LargeValueReader::transaction_ended(Ending) noexcept {
  let_go(Phase::ended);
}

}  // namespace coffer::tree
