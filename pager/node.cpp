// See node.hpp; pager_format.hpp has the bytes.
#include "pager/node.hpp"

#include <fmt/format.h>

#include <bit>
#include <coffer/error.hpp>

#include "platform/contracts.hpp"

namespace coffer::pager {

namespace {

[[noreturn]] void raise_nonsense(const NodePlace& place, const char* what) {
  throw Corrupted(fmt::format("{} verifies but its {} cannot be; restore the store from a backup",
                              describe(place), what));
}

std::vector<std::byte> with_header(const NodePlace& place, std::uint64_t stored,
                                   std::uint64_t count) {
  std::vector<std::byte> out(format::kNodeHeaderBytes +
                             stored * format::entry_bytes(place.role, place.level));
  out[format::kNodeKindAt] = static_cast<std::byte>(place.role);
  out[format::kNodeLayoutAt] = std::byte{format::kNodeLayout};
  out[format::kNodeLevelAt] = static_cast<std::byte>(place.level);
  format::put_little_endian(&out[format::kNodeStoredAt], static_cast<std::uint32_t>(stored));
  format::put_little_endian(&out[format::kNodeCountAt], count);
  return out;
}

}  // namespace

std::string describe(const NodePlace& place) {
  return fmt::format("{} node {} at level {}",
                     place.role == crypto::Role::table_node ? "page-table" : "free-map",
                     place.index, place.level);
}

Node::Node(const NodePlace& place, std::uint32_t page_bytes, std::vector<std::byte> bytes)
    : bytes_(std::move(bytes)),
      entry_bytes_(format::entry_bytes(place.role, place.level)),
      counts_(place.level != 0) {
  if (bytes_.size() < format::kNodeHeaderBytes ||
      bytes_[format::kNodeKindAt] != static_cast<std::byte>(place.role) ||
      bytes_[format::kNodeLayoutAt] != std::byte{format::kNodeLayout} ||
      bytes_[format::kNodeLevelAt] != static_cast<std::byte>(place.level) ||
      bytes_[format::kNodeZeroAt] != std::byte{0}) {
    raise_nonsense(place, "header");
  }
  stored_ = format::get_little_endian<std::uint32_t>(&bytes_[format::kNodeStoredAt]);
  count_ = format::get_little_endian<std::uint64_t>(&bytes_[format::kNodeCountAt]);
  check(place, page_bytes);
}

void Node::check(const NodePlace& place, std::uint32_t page_bytes) const {
  const bool table = place.role == crypto::Role::table_node;
  const format::Shape shape =
      table ? format::table_shape(page_bytes) : format::free_map_shape(page_bytes);
  const bool words = !table && place.level == 0;
  const std::uint64_t entries = shape.entries(place.level) / (words ? 64 : 1);
  if (stored_ > entries ||
      bytes_.size() != format::kNodeHeaderBytes + std::size_t{stored_} * entry_bytes_) {
    raise_nonsense(place, "size");
  }
  const std::uint64_t below_max =
      place.level == 0 ? 1 : std::uint64_t{1} << shape.span_bits(place.level - 1);
  std::uint64_t sum = 0;
  for (std::uint32_t i = 0; i < stored_; ++i) {
    if (words) {
      sum += static_cast<unsigned>(std::popcount(word(i)));
      continue;
    }
    const Child c = child(i);
    if (c.exists() ? c.count == 0 : c != Child{} || c.ref.birth != 0)
      raise_nonsense(place, "empty entry");
    if (c.ref.sealed_bytes > content_bytes(page_bytes) || c.count > below_max) {
      raise_nonsense(place, "entry");
    }
    sum += c.count;
  }
  if (sum != count_) raise_nonsense(place, "count");
  // Page 0 is no page.
  if (table && place.level == 0 && place.index == 0 && child(0).exists()) {
    raise_nonsense(place, "first entry");
  }
}

Child Node::child(std::uint64_t i) const {
  if (i >= stored_) return {};
  Child c;
  c.ref = format::get_ref(entry(i));
  c.count = counts_ ? format::get_little_endian<std::uint64_t>(entry(i) + format::kChildCountAt)
                    : (c.exists() ? 1 : 0);
  return c;
}

std::uint64_t Node::word(std::uint32_t w) const {
  return w >= stored_ ? 0 : format::get_little_endian<std::uint64_t>(entry(w));
}

std::vector<std::byte> encode_node(const NodePlace& place, std::span<const Child> children) {
  std::uint64_t count = 0;
  std::size_t stored = 0;
  for (std::size_t i = 0; i < children.size(); ++i) {
    count += children[i].count;
    if (children[i].exists()) stored = i + 1;
  }
  std::vector<std::byte> out = with_header(place, stored, count);
  const std::size_t size = format::entry_bytes(place.role, place.level);
  for (std::size_t i = 0; i < stored; ++i) {
    std::byte* const at = out.data() + format::kNodeHeaderBytes + i * size;
    format::put_ref(at + format::kChildRefAt, children[i].ref);
    if (place.level != 0) {
      format::put_little_endian(at + format::kChildCountAt, children[i].count);
    }
  }
  return out;
}

std::vector<std::byte> encode_free_leaf(std::span<const std::uint64_t> words) {
  std::uint64_t count = 0;
  std::size_t stored = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    count += static_cast<unsigned>(std::popcount(words[i]));
    if (words[i] != 0) stored = i + 1;
  }
  std::vector<std::byte> out = with_header({crypto::Role::free_node, 0, 0}, stored, count);
  for (std::size_t i = 0; i < stored; ++i) {
    format::put_little_endian(out.data() + format::kNodeHeaderBytes + i * format::kWordBytes,
                              words[i]);
  }
  return out;
}

std::vector<Child> children_of(const Node* node, std::uint64_t entries) {
  std::vector<Child> children(entries);
  if (node != nullptr) {
    for (std::uint32_t i = 0; i < node->stored(); ++i) children[i] = node->child(i);
  }
  return children;
}

}  // namespace coffer::pager
