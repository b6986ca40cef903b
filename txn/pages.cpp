#include "txn/pages.hpp"

namespace coffer::txn {

namespace {

void put(std::span<std::byte> out, std::uint64_t value) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(value >> (8 * i));
}

std::uint64_t take(std::span<const std::byte> in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    value |= static_cast<std::uint64_t>(std::to_integer<unsigned>(in[i])) << (8 * i);
  }
  return value;
}

constexpr std::size_t kSlotBytes = 6;
constexpr std::size_t kLengthAt = kSlotBytes;
constexpr std::size_t kEpochAt = kLengthAt + 4;
constexpr std::size_t kTagAt = kEpochAt + 4;
static_assert(kTagAt + 16 == kChunkRefBytes);

}  // namespace

void encode_chunk_ref(const ChunkRef& ref, std::span<std::byte, kChunkRefBytes> out) {
  Expects(ref.first_slot.value < (1ull << 48));
  put(out.subspan(0, kSlotBytes), ref.first_slot.value);
  put(out.subspan(kLengthAt, 4), ref.sealed_bytes);
  put(out.subspan(kEpochAt, 4), ref.epoch.value);
  std::memcpy(out.data() + kTagAt, ref.tag.data(), ref.tag.size());
}

ChunkRef decode_chunk_ref(std::span<const std::byte, kChunkRefBytes> in) {
  ChunkRef ref;
  ref.first_slot = SlotId{take(in.subspan(0, kSlotBytes))};
  ref.sealed_bytes = static_cast<std::uint32_t>(take(in.subspan(kLengthAt, 4)));
  ref.epoch = Epoch{static_cast<std::uint32_t>(take(in.subspan(kEpochAt, 4)))};
  std::memcpy(ref.tag.data(), in.data() + kTagAt, ref.tag.size());
  return ref;
}

}  // namespace coffer::txn
