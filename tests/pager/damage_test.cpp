// What was changed on the disk is found when it is read, whatever it is and however cleverly it was
// changed.
#include <bit>
#include <catch2/catch.hpp>

#include "pager/node_store.hpp"
#include "pager_support.hpp"

namespace coffer::test {
namespace {

using pager::CheckpointChanges;
using pager::SlotRef;

struct FoundNode {
  crypto::Role role;
  SlotId slot;
};

std::vector<FoundNode> nodes_of(const PagerWorld& world) {
  std::vector<FoundNode> nodes;
  world.open->metadata.walk({{},
                             [&](const pager::NodePlace& place, const SlotRef& ref, auto) {
                               nodes.push_back({place.role, ref.slot});
                             },
                             {}});
  return nodes;
}

/// A table of four levels and a free map of one.
PagerWorld make_world(crypto::Suite suite = crypto::Suite::xchacha20poly1305) {
  PagerWorld world(42, 4096, suite);
  CheckpointChanges changes;
  for (const std::uint64_t page : {1ull, 2ull, 130ull, 9000ull, 9001ull, 600000ull}) {
    changes.pages.emplace_back(PageId(page), world.new_page());
  }
  world.checkpoint(changes);
  return world;
}

std::vector<std::byte> slot_bytes(const PagerWorld& world, SlotId slot) {
  std::vector<std::byte> bytes(world.page_bytes);
  world.disk->read(slot.value * world.page_bytes, bytes);
  return bytes;
}
void put_slot(const PagerWorld& world, SlotId slot, const std::vector<std::byte>& bytes) {
  world.disk->write(slot.value * world.page_bytes, bytes);
}

/// Opens and reads everything.
void read_all(PagerWorld& world) {
  world.reopen();
  walk(world.open->metadata);
}

bool notices(PagerWorld& world, std::uint64_t at, unsigned bit) {
  world.disk->flip(at, bit);
  bool noticed = false;
  try {
    read_all(world);
  } catch (const Tampered&) {
    noticed = true;
  }
  world.disk->flip(at, bit);
  return noticed;
}

/// How much of the node's slot is sealed: what lies behind may change unnoticed.
std::uint64_t sealed_end(PagerWorld& world, SlotId slot) {
  std::uint64_t low = 0;
  std::uint64_t high = world.page_bytes;
  while (low < high) {
    const std::uint64_t middle = (low + high) / 2;
    if (notices(world, slot.value * world.page_bytes + middle, 0)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

TEST_CASE("every byte of every node is covered") {
  PagerWorld world = make_world();
  const auto nodes = nodes_of(world);
  REQUIRE(nodes.size() > 8);
  for (const FoundNode& node : nodes) {
    INFO("slot " << node.slot.value);
    const std::uint64_t end = sealed_end(world, node.slot);
    // A nonce and a node's header at the least; at the most the slot.
    REQUIRE(end > crypto::kNonceBytes + pager::format::kNodeHeaderBytes);
    for (std::uint64_t at = 0; at < end; ++at) {
      const auto bit = static_cast<unsigned>(below(world.random, 8));
      if (!notices(world, node.slot.value * world.page_bytes + at, bit)) FAIL("byte " << at);
    }
  }
  REQUIRE_NOTHROW(read_all(world));
}

TEST_CASE("a lookup names the node, the slot and the file that does not verify") {
  PagerWorld world = make_world();
  // The leaf of pages 8,960 to 9,087: number 70.
  for (const FoundNode& node : nodes_of(world)) {
    if (node.role != crypto::Role::table_node) continue;
    world.disk->flip(node.slot.value * world.page_bytes + 30, 3);
    std::string said;
    try {
      world.reopen();
      static_cast<void>(world.open->metadata.lookup(PageId(9000)));
    } catch (const Tampered& tampered) {
      said = tampered.what();
    }
    world.disk->flip(node.slot.value * world.page_bytes + 30, 3);
    if (said.find("node 70 at level 0") == std::string::npos) continue;
    REQUIRE_THAT(said, Catch::Contains("slot " + std::to_string(node.slot.value)));
    REQUIRE_THAT(said, Catch::Contains("'pages'"));
    REQUIRE_THAT(said, Catch::Contains("restore"));
    return;
  }
  FAIL("the leaf was not found");
}

TEST_CASE("a node in the place of its sibling, of its parent or of its former self is found") {
  PagerWorld world = make_world();
  const auto before = nodes_of(world);
  std::vector<std::vector<std::byte>> old_bytes;
  for (const FoundNode& node : before) old_bytes.push_back(slot_bytes(world, node.slot));
  // Everything in the place of everything else, also of the same role and level.
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (std::size_t j = 0; j < before.size(); ++j) {
      if (i == j) continue;
      put_slot(world, before[i].slot, old_bytes[j]);
      REQUIRE_THROWS_AS(read_all(world), Tampered);
      put_slot(world, before[i].slot, old_bytes[i]);
    }
  }
  // Every node that the next checkpoint writes, replaced by each that it had been: same role, same
  // place.
  world.checkpoint({{{PageId(1), world.new_page()}}, {}, {}});
  for (const FoundNode& node : nodes_of(world)) {
    const auto now = slot_bytes(world, node.slot);
    for (const auto& old : old_bytes) {
      if (old == now) continue;
      put_slot(world, node.slot, old);
      REQUIRE_THROWS_AS(read_all(world), Tampered);
      put_slot(world, node.slot, now);
    }
    put_slot(world, node.slot, std::vector<std::byte>(world.page_bytes));
    REQUIRE_THROWS_AS(read_all(world), Tampered);
    put_slot(world, node.slot, now);
  }
  REQUIRE_NOTHROW(read_all(world));
}

TEST_CASE("in an unencrypted store the same is Corrupted") {
  PagerWorld world = make_world(crypto::Suite::none);
  for (const FoundNode& node : nodes_of(world)) {
    world.disk->flip(node.slot.value * world.page_bytes + 26, 1);
    REQUIRE_THROWS_AS(read_all(world), Corrupted);
    world.disk->flip(node.slot.value * world.page_bytes + 26, 1);
  }
}

TEST_CASE("a page file that was cut is found at open") {
  PagerWorld world = make_world();
  const auto all = world.superblock.slot_count;
  world.disk->size = (all - 1) * world.page_bytes;
  REQUIRE_THROWS_AS(world.reopen(), Tampered);
  world.disk->size = 0;
  REQUIRE_THROWS_AS(world.reopen(), Tampered);
}

TEST_CASE("roots of another checkpoint than the superblock's do not pass") {
  PagerWorld world = make_world();
  const auto former = world.superblock;
  world.checkpoint({{{PageId(1), world.new_page()}, {PageId(3), world.new_page()}}, {}, {}});
  const auto now = world.superblock;
  // The bytes of the former roots are still in their slots; what does not fit is the rest.
  world.superblock.page_count = former.page_count;
  REQUIRE_THROWS_AS(world.reopen(), Corrupted);
  world.superblock = now;
  world.superblock.free_root = former.free_root;
  REQUIRE_THROWS_AS(world.reopen(), Error);
  world.superblock = now;
  world.superblock.slot_count = 1;
  REQUIRE_THROWS_AS(world.reopen(), Corrupted);
  world.superblock = now;
  world.superblock.table_root.epoch = Epoch(3);
  REQUIRE_THROWS_AS(world.reopen(), Tampered);
  world.superblock = now;
  REQUIRE_NOTHROW(read_all(world));
}

TEST_CASE("counts that do not add up between nodes that verify are Corrupted") {
  PagerWorld world(43);
  crypto::NonceRun nonces(world.entropy);
  world.open->file.grow(16);
  pager::NodeWriter writer(world.open->file, world.keys, nonces, world.entropy, 1);
  const pager::NodePlace leaf{crypto::Role::table_node, 0, 0};
  const pager::NodePlace root{crypto::Role::table_node, 1, 0};
  const SlotRef page{SlotId(9), 100, Epoch(1), {}};
  const auto leaf_bytes =
      pager::encode_node(leaf, std::vector<pager::Child>{{}, {page, 1}, {page, 1}});
  const SlotRef leaf_ref = writer.add(leaf, SlotId(3), leaf_bytes);
  const auto root_bytes = pager::encode_node(root, std::vector<pager::Child>{{leaf_ref, 1}});
  const SlotRef root_ref = writer.add(root, SlotId(4), root_bytes);
  writer.flush();
  world.superblock.table_root = root_ref;
  world.superblock.table_levels = 2;
  world.superblock.page_count = 1;
  world.superblock.slot_count = 10;
  // The free map knows of none of it.
  REQUIRE_THROWS_AS(world.reopen(), Corrupted);
  REQUIRE_NOTHROW(pager::read_node(world.open->file, world.keys, leaf, leaf_ref));
}

/// A free map of somebody who has the key: leaves in slots 3, 4, ..., with words of somebody's own, and with two of them
/// a root in slot 8.  What opening says of it, where ten slots are in use.
std::string said_of_free_map(const std::vector<std::vector<std::uint64_t>>& leaves,
                             const std::vector<std::uint64_t>& indices) {
  PagerWorld world(44);
  crypto::NonceRun nonces(world.entropy);
  world.open->file.grow(16);
  pager::NodeWriter writer(world.open->file, world.keys, nonces, world.entropy, 1);
  std::vector<pager::Child> children;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    std::uint64_t count = 0;
    for (const std::uint64_t word : leaves[i]) count += static_cast<unsigned>(std::popcount(word));
    const SlotRef ref = writer.add({crypto::Role::free_node, 0, indices[i]}, SlotId(3 + i),
                                   pager::encode_free_leaf(leaves[i]));
    children.resize(indices[i] + 1);
    children[indices[i]] = {ref, count};
  }
  SlotRef root = children[0].ref;
  if (children.size() > 1) {
    const pager::NodePlace place{crypto::Role::free_node, 1, 0};
    root = writer.add(place, SlotId(8), pager::encode_node(place, children));
  }
  writer.flush();
  world.superblock.free_root = root;
  world.superblock.free_levels = children.size() > 1 ? 2 : 1;
  world.superblock.slot_count = 10;
  try {
    world.reopen();
  } catch (const Corrupted& corrupted) {
    return corrupted.what();
  }
  return "opened";
}

TEST_CASE("a free map that verifies and cannot be is Corrupted, and the error says why") {
  using Catch::Contains;
  REQUIRE(said_of_free_map({{1 << 3 | 1 << 9}}, {0}) == "opened");
  REQUIRE_THAT(said_of_free_map({{1 << 3 | 1 << 10}}, {0}), Contains("marks slot 10 but only 10"));
  REQUIRE_THAT(said_of_free_map({{1 << 3, 1}}, {0}), Contains("marks slot 64 but only 10"));
  REQUIRE_THAT(said_of_free_map({{1 << 9}}, {0}), Contains("does not cover its own nodes"));
  REQUIRE_THAT(said_of_free_map({{1 << 3 | 1 << 8}, {1}}, {0, 1}),
               Contains("reaches beyond the slots in use"));
}

TEST_CASE("a superblock with another page size than the key header's is Corrupted") {
  PagerWorld world = make_world();
  world.superblock.page_bytes = 8192;
  REQUIRE_THROWS_AS(world.reopen(), Corrupted);
  REQUIRE_THROWS_WITH(world.reopen(), Catch::Contains("pages of 8192 bytes, the key header 4096"));
}

TEST_CASE("a reference to a node of a length that cannot be is Corrupted before anything is read") {
  PagerWorld world = make_world();
  SlotRef root = world.superblock.table_root;
  const pager::NodePlace place{crypto::Role::table_node, world.superblock.table_levels - 1u, 0};
  REQUIRE_NOTHROW(pager::read_node(world.open->file, world.keys, place, root));
  for (const std::uint32_t length : {0u, 15u, 4096u - 23u, 65535u}) {
    root.sealed_bytes = length;
    REQUIRE_THROWS_AS(pager::read_node(world.open->file, world.keys, place, root), Corrupted);
  }
}

TEST_CASE("giving up a checkpoint that was not begun changes nothing") {
  PagerWorld world = make_world();
  const auto before = walk(world.open->metadata).used;
  const std::uint64_t free = world.open->ledger.free_slots();
  world.open->metadata.abandon();
  REQUIRE(walk(world.open->metadata).used == before);
  REQUIRE(world.open->ledger.free_slots() == free);
}

TEST_CASE("what a slot holds behind its node cannot be told from random bytes") {
  PagerWorld world = make_world();
  std::array<std::uint64_t, 256> histogram{};
  std::uint64_t total = 0;
  std::set<std::vector<std::byte>> tails;
  for (const FoundNode& node : nodes_of(world)) {
    const auto bytes = slot_bytes(world, node.slot);
    for (const std::byte b : bytes) ++histogram[std::to_integer<unsigned>(b)];
    total += bytes.size();
    REQUIRE(tails.insert({bytes.end() - 64, bytes.end()}).second);
  }
  // Chi-square with 255 degrees of freedom: beyond 400 once in 10^8.
  double chi = 0;
  const double expected = static_cast<double>(total) / 256;
  for (const std::uint64_t n : histogram) {
    const double off = static_cast<double>(n) - expected;
    chi += off * off / expected;
  }
  REQUIRE(chi < 400);
}

}  // namespace
}  // namespace coffer::test
