// What the superblock's tag leads to, in memory: nodes of the page table and the free map of every level and page size,
// and the superblock's own plaintext.  Node headers are made to fit what follows them, or not.
//
// What is accepted makes sense: written again and read again it is the same.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include <coffer/error.hpp>

#include "pager/node.hpp"
#include "pager/superblock_format.hpp"

namespace coffer::fuzz {
namespace {

using pager::Child;
using pager::Node;
using pager::NodePlace;
using PlainBytes = std::vector<std::byte>;
namespace node_format = pager::format;
namespace superblock_format = pager::superblock_format;

std::optional<Node> read_node(const NodePlace& place, std::uint32_t page_bytes, PlainBytes bytes) {
  try {
    return Node(place, page_bytes, std::move(bytes));
  } catch (const Corrupted&) {
    return std::nullopt;
  }
}

/// Makes the header say what its entries are, as far as there is room for it.
void fit_header(PlainBytes& bytes, const NodePlace& place) {
  if (bytes.size() < node_format::kNodeHeaderBytes) return;
  const std::size_t size = node_format::entry_bytes(place.role, place.level);
  const std::size_t stored = (bytes.size() - node_format::kNodeHeaderBytes) / size;
  bytes.resize(node_format::kNodeHeaderBytes + stored * size);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < stored; ++i) {
    const std::byte* const entry = &bytes[node_format::kNodeHeaderBytes + i * size];
    if (place.level != 0) {
      count += node_format::get_little_endian<std::uint64_t>(entry + node_format::kChildCountAt);
    } else if (place.role == crypto::Role::free_node) {
      const auto word = node_format::get_little_endian<std::uint64_t>(entry);
      count += static_cast<unsigned>(std::popcount(word));
    } else {
      count += node_format::get_ref(entry).sealed_bytes != 0 ? 1 : 0;
    }
  }
  bytes[node_format::kNodeKindAt] = static_cast<std::byte>(place.role);
  bytes[node_format::kNodeLayoutAt] = std::byte{node_format::kNodeLayout};
  bytes[node_format::kNodeLevelAt] = static_cast<std::byte>(place.level);
  bytes[node_format::kNodeZeroAt] = std::byte{0};
  node_format::put_little_endian(&bytes[node_format::kNodeStoredAt],
                                 static_cast<std::uint32_t>(stored));
  node_format::put_little_endian(&bytes[node_format::kNodeCountAt], count);
}

void same_when_written_again(const Node& node, const NodePlace& place, std::uint32_t page_bytes) {
  const bool table = place.role == crypto::Role::table_node;
  const node_format::Shape shape =
      table ? node_format::table_shape(page_bytes) : node_format::free_map_shape(page_bytes);
  if (!table && place.level == 0) {
    std::vector<std::uint64_t> words(shape.entries(0) / 64);
    for (std::uint32_t w = 0; w < words.size(); ++w) words[w] = node.word(w);
    const auto again = read_node(place, page_bytes, pager::encode_free_leaf(words));
    if (!again || again->count() != node.count()) std::abort();
    for (std::uint32_t w = 0; w < words.size(); ++w) {
      if (again->word(w) != words[w]) std::abort();
    }
    return;
  }
  const std::vector<Child> children = pager::children_of(&node, shape.entries(place.level));
  const auto again = read_node(place, page_bytes, pager::encode_node(place, children));
  if (!again || again->count() != node.count() ||
      pager::children_of(&*again, shape.entries(place.level)) != children) {
    std::abort();
  }
}

void look_at_node(FuzzedDataProvider& input) {
  const auto how = input.ConsumeIntegral<std::uint8_t>();
  NodePlace place{.role = (how & 1) != 0 ? crypto::Role::table_node : crypto::Role::free_node,
                  .level = (how >> 1) % 4u,
                  .index = input.ConsumeIntegral<std::uint8_t>() % 4u};
  const std::uint32_t page_bytes = node_format::kPageBytesMin << (how >> 3) % 5u;
  PlainBytes bytes = input.ConsumeRemainingBytes<std::byte>();
  if ((how & 64) != 0) fit_header(bytes, place);
  const auto node = read_node(place, page_bytes, std::move(bytes));
  if (!node) return;
  same_when_written_again(*node, place, page_bytes);
  // What lies behind the stored entries is empty.
  if (node->child(node->stored()).exists() || node->word(node->stored()) != 0) std::abort();
}

// ---- The superblock

pager::Superblock some_superblock() {
  pager::Superblock s;
  s.page_bytes = 4096;
  s.segment_bytes = 65536;
  s.checkpoint = 7;
  s.commit = CommitNumber{40};
  s.table_root = {.slot = SlotId{3}, .sealed_bytes = 256, .epoch = Epoch{1}, .tag = {}, .birth = 7};
  s.table_levels = 1;
  s.free_root = {.slot = SlotId{4}, .sealed_bytes = 256, .epoch = Epoch{1}, .tag = {}, .birth = 7};
  s.free_levels = 1;
  s.slot_count = 100;
  s.page_count = 20;
  s.next_page = PageId{30};
  s.catalog_root = PageId{1};
  s.journal_position = Lsn{8192};
  s.openings.resize(3);
  s.marks.resize(2);
  return s;
}

std::optional<pager::Superblock> read_superblock(const superblock_format::Plain& plain) {
  try {
    return superblock_format::decode(plain);
  } catch (const Corrupted&) {
    return std::nullopt;
  } catch (const VersionUnsupported&) {
    return std::nullopt;
  }
}

/// A field of it, or a few bytes anywhere, as the input has them.
void change_superblock(superblock_format::Plain& plain, FuzzedDataProvider& input) {
  for (int i = 0; i < 16 && input.remaining_bytes() > 2; ++i) {
    const auto at = input.ConsumeIntegral<std::uint16_t>();
    // Most of it is lists; what stands in front of them decides.
    const std::size_t place =
        (at & 0x8000) != 0 ? at % plain.size() : at % superblock_format::kOpeningsAt;
    const PlainBytes bytes =
        input.ConsumeBytes<std::byte>(1 + (input.ConsumeIntegral<std::uint8_t>() & 7u));
    std::copy_n(bytes.begin(), std::min(bytes.size(), plain.size() - place),
                plain.begin() + static_cast<std::ptrdiff_t>(place));
  }
}

void look_at_superblock(FuzzedDataProvider& input) {
  static const auto genuine = [] {
    auto plain = std::make_unique<superblock_format::Plain>();
    superblock_format::encode(some_superblock(), *plain);
    return plain;
  }();
  const auto plain = std::make_unique<superblock_format::Plain>(*genuine);
  change_superblock(*plain, input);
  const auto found = read_superblock(*plain);
  if (!found) return;
  const auto again = std::make_unique<superblock_format::Plain>();
  superblock_format::encode(*found, *again);
  const auto found_again = read_superblock(*again);
  if (!found_again || *found_again != *found ||
      pager::identity_of(*found_again) != pager::identity_of(*found)) {
    std::abort();
  }
}

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::fuzz;
  if (size == 0) return 0;
  FuzzedDataProvider input(data, size);
  if (input.ConsumeIntegral<std::uint8_t>() % 4 == 0) {
    look_at_superblock(input);
  } else {
    look_at_node(input);
  }
  return 0;
}
