// See metadata.hpp: reading.  checkpoint.cpp has the making of checkpoints.
#include "pager/metadata.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <coffer/error.hpp>

#include "pager/checkpoint_walk.hpp"
#include "pager/metadata_state.hpp"

namespace coffer::pager {

namespace {

[[noreturn]] void raise_inconsistent(const std::string& what) {
  throw Corrupted(what + "; restore the store from a backup");
}

NodePlace table_place(unsigned level, std::uint64_t index) {
  return {crypto::Role::table_node, level, index};
}

}  // namespace

// --- Nodes
// ------------------------------------------------------------------------------------------

NodePointer Metadata::State::read_counted(const NodePlace& place, const Child& child) const {
  return pager::read_counted(file, keys, place, child);
}

/// Climbs to the nearest node that is cached, and comes back down.
NodePointer Metadata::State::table_node(unsigned level, std::uint64_t index) const {
  if (level >= table.levels) return nullptr;
  const unsigned above = (table.levels - 1 - level) * table_shape.inner_bits;
  if (above < 64 ? (index >> above) != 0 : false) return nullptr;
  if (NodePointer cached = cache.find(level, index)) return cached;
  Child child = table.root;
  if (level + 1 < table.levels) {
    const NodePointer parent = table_node(level + 1, index >> table_shape.inner_bits);
    if (parent == nullptr) return nullptr;
    child = parent->child(index & (table_shape.entries(level + 1) - 1));
  }
  if (!child.exists()) return nullptr;
  NodePointer node = read_counted(table_place(level, index), child);
  cache.put(level, index, node);
  return node;
}

void Metadata::State::raise_reused(PageId page, SlotId slot) const {
  raise_damaged(
      keys.suite(),
      fmt::format("the journal says that page {} was written again to slot {} of '{}', where it "
                  "lies: the superblock and the journal are of different times",
                  page.value, slot.value, file.path().string()));
}

// --- Opening
// ----------------------------------------------------------------------------------------

namespace {

/// Reads the free map, level by level from the root, into the ledger.
class FreeMapLoader {
 public:
  FreeMapLoader(const Metadata::State& state, const Superblock& superblock)
      : state_(state), superblock_(superblock), shape_(state.free_shape) {}

  FreeMap load() {
    FreeMap map;
    map.levels.resize(superblock_.free_levels);
    if (map.levels.empty()) return map;
    NodePlace root{crypto::Role::free_node, superblock_.free_levels - 1u, 0};
    const NodePointer node = read_node(state_.file, state_.keys, root, superblock_.free_root);
    map.levels.back().push_back({superblock_.free_root, node->count()});
    for (unsigned level = map.level_count(); level-- > 0;) {
      for (std::uint64_t index = 0; index < map.levels[level].size(); ++index) {
        const Child child = map.levels[level][index];
        if (child.exists()) read(map, level, index, child);
      }
    }
    return map;
  }

 private:
  void read(FreeMap& map, unsigned level, std::uint64_t index, const Child& child) {
    const NodePlace place{crypto::Role::free_node, level, index};
    if (child.ref.slot.value >= superblock_.slot_count) {
      raise_inconsistent(fmt::format("{} lies beyond the slots in use", describe(place)));
    }
    const NodePointer node = state_.read_counted(place, child);
    if (level == 0) {
      load_leaf(place, *node);
      return;
    }
    auto& below = map.levels[level - 1];
    const std::uint64_t first = index << shape_.inner_bits;
    for (std::uint64_t i = 0; i < node->stored(); ++i) {
      const Child next = node->child(i);
      if (!next.exists()) continue;
      if (first + i >= shape_.nodes_for(superblock_.slot_count, level - 1)) {
        raise_inconsistent(fmt::format("{} reaches beyond the slots in use", describe(place)));
      }
      below.resize(std::max<std::size_t>(below.size(), first + i + 1));
      below[first + i] = next;
    }
  }

  void load_leaf(const NodePlace& place, const Node& node) {
    const std::uint64_t first = place.index << shape_.leaf_bits;
    std::vector<std::uint64_t> words(node.stored());
    for (std::uint32_t w = 0; w < node.stored(); ++w) {
      words[w] = node.word(w);
      const std::uint64_t end =
          first + std::uint64_t{w} * 64 + static_cast<unsigned>(std::bit_width(words[w]));
      if (words[w] != 0 && end > superblock_.slot_count) {
        raise_inconsistent(fmt::format("{} marks slot {} but only {} are in use", describe(place),
                                       end - 1, superblock_.slot_count));
      }
    }
    state_.ledger.load_used(SlotId(first), words);
  }

  const Metadata::State& state_;
  const Superblock& superblock_;
  const format::Shape shape_;
};

}  // namespace

Metadata::Metadata(PageFile& file, SlotLedger& ledger, const crypto::KeyRing& keys,
                   platform::Entropy& entropy, std::uint64_t cache_bytes_max)
    : state_(std::make_unique<State>(file, ledger, keys, entropy, cache_bytes_max)) {
  file.set_suite(keys.suite());
}

Metadata::~Metadata() = default;

void Metadata::load(const Superblock& superblock) {
  State& s = *state_;
  Expects(s.table.levels == 0 && s.free_map.levels.empty() && !s.prepared);
  if (superblock.page_bytes != s.file.page_bytes()) {
    raise_inconsistent(fmt::format("the superblock names pages of {} bytes, the key header {}",
                                   superblock.page_bytes, s.file.page_bytes()));
  }
  if (superblock.slot_count > s.file.slot_count()) {
    raise_damaged(s.keys.suite(),
                  fmt::format("'{}' was cut: it has {} slots of {} bytes and must have {}",
                              s.file.path().string(), s.file.slot_count(), s.file.page_bytes(),
                              superblock.slot_count));
  }
  TableRoot table{{superblock.table_root, superblock.page_count}, superblock.table_levels};
  if (table.levels != 0) {
    // A damaged root shows now, not at the first read.
    const NodePlace root = table_place(table.levels - 1u, 0);
    s.cache.put(root.level, 0, s.read_counted(root, table.root));
  }
  FreeMap map = FreeMapLoader(s, superblock).load();
  const auto in_use = [&](const SlotRef& ref) { return s.ledger.in_checkpoint(ref.slot); };
  bool all_used = table.levels == 0 || in_use(table.root.ref);
  for (const auto& level : map.levels) {
    for (const Child& child : level) all_used = all_used && (!child.exists() || in_use(child.ref));
  }
  if (!all_used) raise_inconsistent("the free map does not cover its own nodes");
  s.table = table;
  s.free_map = std::move(map);
}

// --- Reading
// ----------------------------------------------------------------------------------------

std::optional<SlotRef> Metadata::lookup(PageId page) const {
  const State& s = *state_;
  const std::uint64_t index = s.table_shape.node_of(page.value, 0);
  const std::uint64_t entry = page.value & (s.table_shape.entries(0) - 1);
  SlotRef ref;
  const bool cached =
      page.value < format::kNumbersEnd &&
      s.cache.peek(0, index, [&](const NodePointer& leaf) { ref = leaf->child(entry).ref; });
  if (!cached) {
    const auto guard = s.gate.shared();
    if (const NodePointer leaf = s.table_node(0, index)) ref = leaf->child(entry).ref;
  }
  if (ref.sealed_bytes == 0) return std::nullopt;
  return ref;
}

namespace {

/// The first empty entry in [from, limit) below the node, which covers items [first, first + span).
class EmptyFinder {
 public:
  EmptyFinder(const Metadata::State& state, std::uint64_t from, std::uint64_t limit)
      : state_(state), from_(from), limit_(limit) {}

  std::optional<std::uint64_t> find(unsigned level, std::uint64_t index) const {
    const unsigned span_bits = state_.table_shape.span_bits(level);
    const std::uint64_t first = index << span_bits;
    const std::uint64_t last = first + ((std::uint64_t{1} << span_bits) - 1);
    if (first >= limit_ || last < from_) return std::nullopt;
    const NodePointer node = state_.table_node(level, index);
    const unsigned below_bits = level == 0 ? 0 : state_.table_shape.span_bits(level - 1);
    const std::uint64_t begin = from_ > first ? (from_ - first) >> below_bits : 0;
    for (std::uint64_t i = begin; i < state_.table_shape.entries(level); ++i) {
      const std::uint64_t item = std::max(from_, first + (i << below_bits));
      if (item >= limit_) return std::nullopt;
      const Child child = node == nullptr ? Child{} : node->child(i);
      if (!child.exists()) return item;
      // Full subtrees are passed over.  One that is not may have its empty entries before `from`.
      if (level == 0 || child.count == std::uint64_t{1} << below_bits) continue;
      if (const auto found = find(level - 1, (index << state_.table_shape.inner_bits) + i)) {
        return found;
      }
    }
    return std::nullopt;
  }

 private:
  const Metadata::State& state_;
  std::uint64_t from_;
  std::uint64_t limit_;
};

}  // namespace

std::optional<PageId> Metadata::find_empty(PageId from, PageId limit) const {
  const State& s = *state_;
  const std::uint64_t begin = std::max<std::uint64_t>(from.value, 1);
  const std::uint64_t end = std::min(limit.value, format::kNumbersEnd);
  if (begin >= end) return std::nullopt;
  const auto guard = s.gate.shared();
  const std::uint64_t capacity =
      s.table.levels == 0 ? 0 : std::uint64_t{1} << s.table_shape.span_bits(s.table.levels - 1);
  if (begin < capacity) {
    if (const auto found = EmptyFinder(s, begin, end).find(s.table.levels - 1, 0)) {
      return PageId(*found);
    }
  }
  const std::uint64_t beyond = std::max(begin, capacity);
  return beyond < end ? std::optional(PageId(beyond)) : std::nullopt;
}

std::uint64_t Metadata::cache_bytes() const {
  return state_->cache.bytes();
}

// --- Checking
// ---------------------------------------------------------------------------------------

void Metadata::walk(const CheckpointWalk& walk) const {
  const State& s = *state_;
  const auto guard = s.gate.shared();
  const CheckpointWalker walker(s.file, s.keys, walk);
  walker.table(s.table.levels, s.table.root);
  walker.free_map(s.free_map.level_count(), s.free_map.root());
}

}  // namespace coffer::pager
