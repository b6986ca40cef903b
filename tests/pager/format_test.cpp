// The bytes on disk, against bytes laid out by another program from the tables in the headers.
#include <catch2/catch.hpp>

#include <string>
#include <string_view>

#include "pager/node.hpp"
#include "pager/pager_format.hpp"
#include "pager/superblock_format.hpp"
#include "pager_support.hpp"

namespace coffer::test {
namespace {

using pager::Child;
using pager::SlotRef;

std::string hex(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte b : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += kDigits[std::to_integer<unsigned>(b) >> 4];
    out += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return out;
}

template <std::size_t N>
std::array<std::byte, N> counting(unsigned first) {
  std::array<std::byte, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = static_cast<std::byte>(first + i);
  return out;
}

const std::string kRef = "f6e5d4c3b2a1e80f04030908070605101112131415161718191a1b1c1d1e1f";

SlotRef golden_ref() {
  return {SlotId(0xA1B2C3D4E5F6), 0x0FE8, Epoch(0x0304), counting<16>(0x10), 0x0506070809};
}

TEST_CASE("a reference has its documented bytes") {
  std::array<std::byte, pager::format::kRefBytes> out{};
  pager::format::put_ref(out.data(), golden_ref());
  REQUIRE(hex(out) == kRef);
  REQUIRE(pager::format::get_ref(out.data()) == golden_ref());
  REQUIRE(pager::format::get_ref(out.data()).birth == golden_ref().birth);
  SlotRef other = golden_ref();
  other.epoch = Epoch(0x0305);
  REQUIRE_FALSE(other == golden_ref());
}

TEST_CASE("nodes have their documented bytes") {
  const std::vector<Child> leaf = {{}, {golden_ref(), 1}, {}, {}};
  REQUIRE(hex(encode_node({crypto::Role::table_node, 0, 0}, leaf)) ==
          "0201000002000000"
          "0100000000000000" +
              std::string(62, '0') + kRef);
  const std::vector<Child> inner = {{golden_ref(), 7}, {}};
  REQUIRE(hex(encode_node({crypto::Role::table_node, 1, 0}, inner)) ==
          "0201010001000000"
          "0700000000000000" +
              kRef + "0700000000000000");
  const std::vector<std::uint64_t> words = {0x8000000000000001, 2, 0};
  REQUIRE(hex(pager::encode_free_leaf(words)) ==
          "0301000002000000"
          "0300000000000000"
          "0100000000000080"
          "0200000000000000");
}

TEST_CASE("the trees have their documented shapes") {
  using pager::format::free_map_shape;
  using pager::format::table_shape;
  // Content 4,072 and 65,512 bytes, less 16, over 31, 39 and 1/8 bytes, down to a power of two.
  REQUIRE(table_shape(4096).entries(0) == 128);
  REQUIRE(table_shape(4096).entries(1) == 64);
  REQUIRE(table_shape(65536).entries(0) == 2048);
  REQUIRE(table_shape(65536).entries(1) == 1024);
  REQUIRE(free_map_shape(4096).entries(0) == 16384);
  REQUIRE(free_map_shape(65536).entries(0) == 262144);
  REQUIRE(table_shape(4096).levels_for(0) == 0);
  REQUIRE(table_shape(4096).levels_for(1) == 1);
  REQUIRE(table_shape(4096).levels_for(128) == 1);
  REQUIRE(table_shape(4096).levels_for(129) == 2);
  REQUIRE(table_shape(4096).levels_for(8192) == 2);
  REQUIRE(table_shape(4096).levels_for(8193) == 3);
  // No items need no nodes; a tree that is kept at two levels all the same has one on each.
  const pager::format::Shape shape = table_shape(4096);
  REQUIRE(shape.nodes_for(0, 0) == 0);
  REQUIRE(shape.all_nodes_for(0, 2) == 2);
  // 100 GiB at 4 KiB a slot: 1,600 leaves, 25 and 1 above them.
  REQUIRE(pager::format::free_map_nodes(4096, 26214400) == 1626);
}

TEST_CASE("the superblock has its documented bytes") {
  pager::Superblock s;
  s.page_bytes = 4096;
  s.segment_bytes = 0x100000;
  s.instance = counting<16>(0x20);
  s.checkpoint = 0x0304050607;
  s.commit = CommitNumber(0x1112131415161718);
  s.table_root = {SlotId(0x21), 0x64, Epoch(1), counting<16>(0x30), 0x0102030405};
  s.free_root = {SlotId(0x22), 0x65, Epoch(2), counting<16>(0x40), 0x0203040506};
  s.table_levels = 2;
  s.free_levels = 1;
  s.slot_count = 0x1000;
  s.page_count = 0x200;
  s.next_page = PageId(0x300);
  s.catalog_root = PageId(0x15);
  s.next_value_id = 0x99;
  s.journal_position = Lsn(0x7000);
  s.journal_generation = counting<16>(0x50);
  s.journal_previous_tag = counting<16>(0x60);
  s.journal_durable_upto = Lsn(0x8000);
  s.key_header_hash = counting<32>(0x70);
  s.openings_before = counting<32>(0x90);
  s.openings_before_end = CommitNumber(0x55);
  s.openings = {{counting<16>(0xc0), CommitNumber(0x41)}, {counting<16>(0xd0), CommitNumber(0x42)}};
  s.marks = {{5, counting<32>(0xe0)}, {0x0607, counting<32>(0x10)}};
  pager::superblock_format::Plain plain;
  plain.fill(std::byte{0xee});
  pager::superblock_format::encode(s, plain);
  REQUIRE(hex(std::span(plain).first(360)) ==
          "434f46464552533101000000001000000000100000000000202122232425262728292a2b2c2d2e2f07060504"
          "030000001817161514131211210000000000640001000504030201303132333435363738393a3b3c3d3e3f22"
          "0000000000650002000605040302404142434445464748494a4b4c4d4e4f0201001000000000000000020000"
          "0000000000000000000000000000000000000000000000000000000000030000000000001500000000000000"
          "99000000000000000070000000000000505152535455565758595a5b5c5d5e5f606162636465666768696a6b"
          "6c6d6e6f0080000000000000707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f"
          "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf550000000000000002000000"
          "00000000c0c1c2c3c4c5c6c7c8c9cacbcccdcecf4100000000000000d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
          "4200000000000000");
  const auto zero = [](std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  };
  REQUIRE(zero(std::span(plain).subspan(360, 12600 - 360)));
  REQUIRE(
      hex(std::span(plain).subspan(12600, 88)) ==
      "02000000000000000500000000000000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafb"
      "fcfdfeff0706000000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
  REQUIRE(zero(std::span(plain).subspan(12688)));
  REQUIRE(pager::superblock_format::decode(plain).table_root.birth == s.table_root.birth);
  REQUIRE(pager::superblock_format::decode(plain) == s);
  // Python: hashlib.blake2b(<the first 304 of these bytes>, digest_size=32).
  REQUIRE(hex(pager::identity_of(s)) ==
          "fac8ee7b3f68645dd9b07be223582948cbd0bddcd6182d65d53977c4404bf91c");
}

/// A node's bytes with some of them changed.
std::vector<std::byte> with(std::vector<std::byte> bytes, std::size_t at, unsigned value) {
  bytes.at(at) = static_cast<std::byte>(value);
  return bytes;
}

TEST_CASE("a node that verifies but makes no sense is Corrupted") {
  const pager::NodePlace leaf{crypto::Role::table_node, 0, 5};
  const pager::NodePlace inner{crypto::Role::table_node, 1, 0};
  const pager::NodePlace words{crypto::Role::free_node, 0, 0};
  const SlotRef ref = golden_ref();
  const auto good_leaf = encode_node(leaf, std::vector<Child>{{ref, 1}});
  const auto good_inner = encode_node(inner, std::vector<Child>{{ref, 128}});
  const auto good_words = pager::encode_free_leaf(std::vector<std::uint64_t>{5});
  const auto make = [](const pager::NodePlace& place, std::vector<std::byte> bytes) {
    return pager::Node(place, 4096, std::move(bytes));
  };
  REQUIRE(make(leaf, good_leaf).count() == 1);
  REQUIRE(make(inner, good_inner).count() == 128);
  REQUIRE(make(words, good_words).count() == 2);
  REQUIRE(make(words, good_words).word(0) == 5);
  REQUIRE(make(words, good_words).word(1) == 0);  // not stored, and zero

  REQUIRE_THROWS_AS(make(leaf, {}), Corrupted);
  REQUIRE_THROWS_AS(make(leaf, with(good_leaf, 0, 3)), Corrupted);  // another kind
  REQUIRE_THROWS_AS(make(leaf, with(good_leaf, 1, 2)), Corrupted);  // another layout
  REQUIRE_THROWS_AS(make(leaf, with(good_leaf, 2, 1)), Corrupted);  // another level
  REQUIRE_THROWS_AS(make(leaf, with(good_leaf, 3, 1)), Corrupted);  // not zero
  REQUIRE_THROWS_AS(make(leaf, with(good_leaf, 4, 2)), Corrupted);  // more entries than bytes
  REQUIRE_THROWS_AS(make(leaf, with(good_leaf, 8, 2)), Corrupted);  // a wrong count
  REQUIRE_THROWS_AS(make(leaf, with(good_leaf, 16 + 7, 0xff)), Corrupted);  // longer than a slot
  REQUIRE_THROWS_AS(make(inner, encode_node(inner, std::vector<Child>{{ref, 129}})), Corrupted);
  REQUIRE_THROWS_AS(make(inner, encode_node(inner, std::vector<Child>{{ref, 0}})), Corrupted);
  REQUIRE_THROWS_AS(make(words, with(good_words, 16, 7)), Corrupted);  // three bits, counted as two
  // An entry that is empty but carries something.
  auto ghost = encode_node(leaf, std::vector<Child>{{}, {ref, 1}});
  REQUIRE_THROWS_AS(make(leaf, with(ghost, 16, 1)), Corrupted);
  REQUIRE_THROWS_AS(make(leaf, with(ghost, 16 + 10, 1)), Corrupted);  // born, and not there
  const auto inner_ghost = encode_node(inner, std::vector<Child>{{}, {ref, 128}});
  REQUIRE_THROWS_AS(make(inner, with(inner_ghost, 16 + 31, 1)), Corrupted);  // with a count
  // More entries than a node has, each of them good.
  REQUIRE_NOTHROW(make(leaf, encode_node(leaf, std::vector<Child>(128, {ref, 1}))));
  REQUIRE_THROWS_AS(make(leaf, encode_node(leaf, std::vector<Child>(129, {ref, 1}))), Corrupted);
  REQUIRE_THROWS_AS(make(words, pager::encode_free_leaf(std::vector<std::uint64_t>(257, 1))),
                    Corrupted);
  // Page 0.
  const pager::NodePlace first{crypto::Role::table_node, 0, 0};
  REQUIRE_THROWS_AS(make(first, encode_node(first, std::vector<Child>{{ref, 1}})), Corrupted);
  REQUIRE_NOTHROW(make(first, encode_node(first, std::vector<Child>{{}, {ref, 1}})));
}

}  // namespace
}  // namespace coffer::test
