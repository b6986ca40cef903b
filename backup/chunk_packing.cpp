// See chunk_packing.hpp.
#include "backup/chunk_packing.hpp"

// The functions that work in memory they are given.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <cstring>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"

namespace coffer::backup {
namespace {

using format::Packing;

/// The library's own default.
constexpr int kLevel = 3;
/// A heap's own share of what is allocated from it.
constexpr std::size_t kHeapSlackBytes = 1024;

std::size_t packing_workspace_bytes() {
  return ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(kLevel, format::kChunkBytes, 0));
}

template <class Context>
Context* expect_context(Context* context) {
  if (context == nullptr) throw Error("Zstandard needs more memory than it said");
  return context;
}

}  // namespace

std::size_t ChunkPacker::heap_bytes() {
  return packing_workspace_bytes() + format::kPackedBytesMax + kHeapSlackBytes;
}

ChunkPacker::ChunkPacker(platform::LockedHeap& heap)
    : workspace_(heap.allocate(packing_workspace_bytes())),
      packed_(heap.allocate(format::kPackedBytesMax)),
      context_(expect_context(
          ZSTD_initStaticCCtx(workspace_.bytes().data(), workspace_.bytes().size()))) {}

std::span<const std::byte> ChunkPacker::pack(std::span<const std::byte> plain) {
  Expects(plain.size() <= format::kChunkBytes);
  const auto out = packed_.bytes();
  const auto body = out.subspan(1);
  if (plain.size() > 1) {
    // One byte less room than would be needed to store it.
    const std::size_t got = ZSTD_compressCCtx(context_, body.data(), plain.size() - 1, plain.data(),
                                              plain.size(), kLevel);
    if (ZSTD_isError(got) == 0) {
      out[0] = static_cast<std::byte>(Packing::zstandard);
      return out.first(1 + got);
    }
  }
  out[0] = static_cast<std::byte>(Packing::stored);
  if (!plain.empty()) std::memcpy(body.data(), plain.data(), plain.size());
  return out.first(1 + plain.size());
}

std::size_t ChunkUnpacker::heap_bytes() {
  return ZSTD_estimateDCtxSize() + format::kPackedBytesMax + kHeapSlackBytes;
}

ChunkUnpacker::ChunkUnpacker(platform::LockedHeap& heap)
    : workspace_(heap.allocate(ZSTD_estimateDCtxSize())),
      packed_(heap.allocate(format::kPackedBytesMax)),
      context_(expect_context(
          ZSTD_initStaticDCtx(workspace_.bytes().data(), workspace_.bytes().size()))) {}

std::optional<std::size_t> ChunkUnpacker::unpack(std::size_t bytes, std::span<std::byte> plain) {
  Expects(bytes >= 1 && bytes <= packed_.size());
  const auto body = packed_.bytes().subspan(1, bytes - 1);
  switch (static_cast<Packing>(std::to_integer<std::uint8_t>(packed_.bytes()[0]))) {
    case Packing::stored:
      if (body.size() > plain.size()) return std::nullopt;
      if (!body.empty()) std::memcpy(plain.data(), body.data(), body.size());
      return body.size();
    case Packing::zstandard: {
      const std::size_t got =
          ZSTD_decompressDCtx(context_, plain.data(), plain.size(), body.data(), body.size());
      if (ZSTD_isError(got) != 0) return std::nullopt;
      return got;
    }
  }
  return std::nullopt;
}

}  // namespace coffer::backup
