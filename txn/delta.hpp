// A page's changed blocks, gathered for the journal and put back by recovery.  A block is 1/64 of a page
// (DirtyBlocks); the last one may be shorter.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include "pager/page.hpp"

namespace coffer::txn {

[[nodiscard]] constexpr std::size_t block_bytes(std::size_t content_bytes) {
  return (content_bytes + 63) / 64;
}

/// Calls visit(offset, length) for each block in `mask`.
template <class Visit>
void for_each_block(std::uint64_t mask, std::size_t content_bytes, Visit&& visit) {
  const std::size_t block = block_bytes(content_bytes);
  while (mask != 0) {
    const auto i = static_cast<std::size_t>(std::countr_zero(mask));
    mask &= mask - 1;
    const std::size_t begin = i * block;
    if (begin >= content_bytes) return;
    visit(begin, begin + block > content_bytes ? content_bytes - begin : block);
  }
}

/// Bytes that the blocks in `mask` take.
[[nodiscard]] inline std::size_t delta_bytes(std::uint64_t mask, std::size_t content_bytes) {
  std::size_t total = 0;
  for_each_block(mask, content_bytes, [&](std::size_t, std::size_t length) { total += length; });
  return total;
}

/// `mask` without the blocks that lie wholly in the page's gap: nobody reads them.
[[nodiscard]] inline std::uint64_t without_gap(std::uint64_t mask, const pager::PageHeader& header,
                                               std::size_t content_bytes) {
  const std::size_t block = block_bytes(content_bytes);
  for_each_block(mask, content_bytes, [&](std::size_t begin, std::size_t length) {
    if (begin >= header.gap_begin && begin + length <= header.gap_end) {
      mask &= ~(1ull << (begin / block));
    }
  });
  return mask;
}

inline std::size_t gather(std::uint64_t mask, std::span<const std::byte> page,
                          std::span<std::byte> out) {
  std::size_t at = 0;
  for_each_block(mask, page.size(), [&](std::size_t begin, std::size_t length) {
    std::memcpy(out.data() + at, page.data() + begin, length);
    at += length;
  });
  return at;
}

inline void scatter(std::uint64_t mask, std::span<const std::byte> blocks,
                    std::span<std::byte> page) {
  std::size_t at = 0;
  for_each_block(mask, page.size(), [&](std::size_t begin, std::size_t length) {
    std::memcpy(page.data() + begin, blocks.data() + at, length);
    at += length;
  });
}

}  // namespace coffer::txn
