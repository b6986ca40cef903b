// The bytes of a tree's pages, written out by hand.
#include <coffer/error.hpp>

#include <optional>
#include <set>

#include <fmt/format.h>

#include "tests/tree/tree_support.hpp"
#include "tree/catalog.hpp"
#include "tree/key_hash.hpp"
#include "tree/node_editor.hpp"
#include "tree/search.hpp"

namespace coffer::tree::test {

namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    text += kDigits[std::to_integer<unsigned>(b) >> 4];
    text += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

// What is stored of a page: from its beginning to the gap, and from the gap to its end.
struct Stored {
  std::string front;
  std::string back;
};

Stored stored(const txn::MutablePage& page) {
  const NodeView view(page);
  return {hex(page.bytes().first(view.gap_begin())), hex(page.bytes().subspan(view.gap_end()))};
}

}  // namespace

TEST_CASE("a leaf's bytes are those of the format") {
  Store store(512);
  txn::MutablePage page = store.pages.allocate();
  NodeEditor editor(page);
  editor.clear(0);
  editor.insert(0, CellDraft::for_leaf("b", "two", false));
  editor.insert(0, CellDraft::for_leaf("", "", false));
  editor.insert(2, CellDraft::for_leaf("cc", "descr", true));
  const Stored bytes = stored(page);
  REQUIRE(bytes.front ==
          "2000"              // gap_begin: 20 + 3 * 4
          "e901"              // gap_end: 489
          "02"                // type: leaf
          "00"                // level
          "0300"              // cells
          "0000000000000000"  // version, the engine's
          "0000"              // fragmented
          "0000"
          "f4010000"    // "" at 500; hashes as in the test of key_hash
          "f801742f"    // "b" at 504
          "e9011767");  // "cc" at 489
  REQUIRE(bytes.back ==
          "02000580"
          "6363"
          "6465736372"  // 2 bytes of key, 5 of a large value's descriptor
          "00000000"    // no key, no value
          "01000300"
          "62"
          "74776f");

  // The middle cell of the page leaves a hole; the lowest one widens the gap.
  editor.erase(0, 1);
  REQUIRE(stored(page).front.substr(32, 4) == "0400");
  editor.erase(1, 2);
  REQUIRE(NodeView(page).gap_end() == 500);
  editor.compact();
  REQUIRE(stored(page).front ==
          "1800f80102000100"
          "0000000000000000"
          "00000000"
          "f801742f");
  REQUIRE(stored(page).back == "010003006274776f");

  // Another key in the same place.
  editor.replace(0, CellDraft::for_leaf("cc", "t", false));
  REQUIRE(stored(page).front.substr(40) == "f8011767");
}

TEST_CASE("a key's hash is that of the format") {
  // Calculated from docs/format.md by another program, in arbitrary precision.
  REQUIRE(key_hash("") == 0);
  REQUIRE(key_hash("b") == 0x2f74);
  REQUIRE(key_hash("cc") == 0x6717);
  REQUIRE(key_hash(Bytes(std::string_view("\0", 1))) == 0x9e37);
  REQUIRE(key_hash("12345678") == 0x4f0a);
  REQUIRE(key_hash("123456789") == 0x1b61);
  REQUIRE(key_hash("0123456789abcdef") == 0x5f1f);
  std::string counting;
  for (char c = 0; c < 24; ++c) counting += c;
  REQUIRE(key_hash(counting) == 0xe839);
}

TEST_CASE("keys of one leaf have hashes of their own") {
  // Among 30 of 65,536 hashes one pair in 150 leaves agrees by chance; keys that are numbered do no worse than
  // thrice that.
  constexpr std::uint64_t kLeaves = 3000;
  constexpr std::uint64_t kInLeaf = 30;
  const auto agreeing = [](auto&& key) {
    std::uint64_t pairs = 0;
    for (std::uint64_t leaf = 0; leaf < kLeaves; ++leaf) {
      std::set<std::uint16_t> hashes;
      for (std::uint64_t i = 0; i < kInLeaf; ++i) hashes.insert(key(leaf * kInLeaf + i));
      pairs += kInLeaf - hashes.size();
    }
    return pairs;
  };
  REQUIRE(agreeing([](std::uint64_t i) { return key_hash(Bytes(integer_key(i))); }) <= 60);
  REQUIRE(agreeing([](std::uint64_t i) { return key_hash(fmt::format("{:012}", i)); }) <= 60);
  REQUIRE(agreeing([](std::uint64_t i) { return key_hash(fmt::format("user:{}:name", i)); }) <= 60);
}

TEST_CASE("a key is found by its hash, and when another has the same") {
  // "k890" and "k1079" have hash 0x9ed9 both, found by counting.
  REQUIRE(key_hash("k890") == key_hash("k1079"));
  Store store(4072);
  txn::MutablePage page = store.pages.allocate();
  NodeEditor editor(page);
  editor.clear(0);
  const auto value_of = [&](const char* key) -> std::optional<std::string> {
    const std::optional<LeafCell> cell = find_key(NodeView(page), key);
    if (!cell) return std::nullopt;
    return std::string(cell->value.text());
  };
  REQUIRE_FALSE(value_of("k890"));
  editor.append(CellDraft::for_leaf("k1079", "one", false));
  REQUIRE(value_of("k1079") == "one");
  REQUIRE_FALSE(value_of("k890"));
  editor.append(CellDraft::for_leaf("k890", "two", false));
  REQUIRE(value_of("k1079") == "one");
  REQUIRE(value_of("k890") == "two");
  for (char c = 'a'; c < 'a' + 15; ++c) {
    editor.append(CellDraft::for_leaf(std::string("l") + c, std::string(1, c), false));
  }
  for (char c = 'a'; c < 'a' + 15; ++c) {
    REQUIRE(value_of((std::string("l") + c).c_str()) == std::string(1, c));
  }
  REQUIRE(value_of("k890") == "two");
  REQUIRE_FALSE(value_of("lz"));
}

TEST_CASE("a branch's bytes are those of the format") {
  Store store(512);
  txn::MutablePage page = store.pages.allocate();
  NodeEditor editor(page);
  editor.clear(2);
  editor.append(CellDraft::for_branch(PageId(7), {}, {}));
  editor.append(CellDraft::for_branch(PageId(0x123456789abc), "k", {}));
  editor.append(CellDraft::for_branch(PageId(9), "kk", "v"));
  const Stored bytes = stored(page);
  REQUIRE(bytes.front ==
          "1a00"
          "e201"
          "01"  // type: branch
          "02"  // level
          "0300"
          "0000000000000000"
          "00000000"
          "f801"
          "ef01"
          "e201");
  REQUIRE(bytes.back ==
          "0900000000000280"  // child 9, 2 bytes of key, with a value part
          "0100"
          "6b6b"
          "76"
          "bc9a785634120100"  // 1 byte of key
          "6b"
          "0700000000000000");  // lowest child

  editor.set_child(2, PageId(10));
  REQUIRE(stored(page).back.substr(0, 20) == "0a000000000002800100");
}

TEST_CASE("a catalog entry's bytes are those of the format") {
  const auto plain = encode_catalog_entry({PageId(0x1122334455), {}});
  REQUIRE(hex(plain) == "55443322110000000000000000000000");
  const auto both = encode_catalog_entry({PageId(3), {.multi_value = true, .integer_keys = true}});
  REQUIRE(hex(both) == "03000000000000000300000000000000");
  const CatalogEntry entry = decode_catalog_entry(Bytes(both), PageId(1));
  REQUIRE(entry.root == PageId(3));
  REQUIRE(entry.options == TreeOptions{.multi_value = true, .integer_keys = true});

  auto unknown = both;
  unknown[8] = std::byte{4};
  REQUIRE_THROWS_AS(decode_catalog_entry(Bytes(unknown), PageId(1)), VersionUnsupported);
  REQUIRE_THROWS_AS(decode_catalog_entry(Bytes(both).first(15), PageId(1)), Corrupted);
}

TEST_CASE("an integer key is its number's bytes, the highest first") {
  const auto key = integer_key(0x0102030405060708);
  REQUIRE(hex(key) == "0102030405060708");
  REQUIRE(key_integer(Bytes(key)) == 0x0102030405060708);
  REQUIRE(compare(Bytes(integer_key(255)), Bytes(integer_key(256))) < 0);
  REQUIRE_THROWS_AS(key_integer("seven b"), InvalidArgument);
}

TEST_CASE("a separator is as short as its neighbours allow") {
  const auto between = [](const char* left, const char* right) {
    return std::string(separate({left, {}, false}, {right, {}, false}, false).key.text());
  };
  REQUIRE(between("apple", "banana") == "b");
  REQUIRE(between("banana", "bandit") == "band");
  REQUIRE(between("ban", "banana") == "bana");
  REQUIRE(between("", "x") == "x");
  const Separator pair = separate({"k", "alpha", false}, {"k", "alto", false}, true);
  REQUIRE(pair.key.text() == "k");
  REQUIRE(pair.value.text() == "alt");
}

TEST_CASE("changing a node in the middle leaves its other cells as they were") {
  // Expected content is kept beside it in a vector.
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  Random random(seed);
  Store store(512);
  txn::MutablePage page = store.pages.allocate();
  NodeEditor editor(page);
  editor.clear(0);
  std::vector<std::string> keys;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = random_bytes(random, below(random, 40));
    const CellDraft draft = CellDraft::for_leaf(key, key, false);
    const NodeView node(page);
    const std::size_t at = below(random, keys.size() + 1);
    if (draft.bytes() + 4 <= node.free_bytes() && below(random, 2) == 0) {
      editor.insert(at, draft);
      keys.insert(keys.begin() + static_cast<std::ptrdiff_t>(at), key);
    } else if (at < keys.size() && draft.bytes() <= node.free_bytes() + node.cell(at).size() &&
               below(random, 2) == 0) {
      editor.replace(at, draft);
      keys[at] = key;
    } else if (at < keys.size()) {
      const std::size_t last = at + 1 + below(random, keys.size() - at);
      editor.erase(at, last);
      keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(at),
                 keys.begin() + static_cast<std::ptrdiff_t>(last));
    }
    const NodeView now(page);
    REQUIRE(now.count() == keys.size());
    std::size_t used = 0;
    for (std::size_t k = 0; k < keys.size(); ++k) {
      REQUIRE(now.leaf_cell(k).key.text() == keys[k]);
      REQUIRE(now.leaf_cell(k).value.text() == keys[k]);
      REQUIRE(now.hash(k) == key_hash(keys[k]));
      used += 4 + 2 * keys[k].size() + 4;
    }
    REQUIRE(now.used_bytes() == used);
  }
}

}  // namespace coffer::tree::test
