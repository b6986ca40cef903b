// What trees cost: how full pages are, how many blocks a change dirties, how many pages it pins, and
// that nothing is left behind.
#include <coffer/error.hpp>

#include <map>

#include "tests/tree/tree_support.hpp"

namespace coffer::tree::test {

namespace {

constexpr std::size_t kValueBytes = 100;

std::string random_key(Random& random) {
  return random_bytes(random, 16);
}

double leaf_fill(const CheckCounts& counts, std::size_t content_bytes) {
  return static_cast<double>(counts.leaf_used_bytes) /
         static_cast<double>(counts.leaves * node_capacity(content_bytes));
}

testing::FakePagesOptions quiet(std::size_t content_bytes) {
  testing::FakePagesOptions options;
  options.content_bytes = content_bytes;
  options.scribble = false;
  return options;
}

}  // namespace

TEST_CASE(
    "random insertions fill leaves to two thirds and leave branches the size that is wanted") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  Random random(seed);
  Store store(quiet(4072));
  Tree tree = store.create("t");
  const std::string value(kValueBytes, 'v');
  constexpr std::uint64_t kEntries = 100'000;
  for (std::uint64_t i = 0; i < kEntries; ++i) tree.put(random_key(random), value);
  const CheckCounts counts = check_store(store);
  REQUIRE(counts.entries == kEntries);
  // ln 2 is what evenly split pages converge to.
  REQUIRE(leaf_fill(counts, 4072) > 0.65);
  REQUIRE(leaf_fill(counts, 4072) < 0.75);
  const double children =
      static_cast<double>(counts.leaves) / static_cast<double>(counts.branches - 1);
  INFO("children of a branch: " << children);
  // A separator of random keys has two to three bytes, so a child takes 8 + 2 + (2 or 3) bytes: 2,048 bytes
  // hold 157 to 170 of them, and a branch that was just divided half as many.
  REQUIRE(children > 78);
  REQUIRE(children < 170);
}

TEST_CASE("insertions in order leave full pages") {
  Store store(quiet(4072));
  const std::string value(kValueBytes, 'v');
  constexpr std::uint64_t kEntries = 50'000;
  // 8 bytes of key, 100 of value, 4 of cell header and 4 of slot: 34 cells in 4052 bytes.
  const double best = 34.0 * 116 / 4052;
  SECTION("ascending, by put") {
    Tree tree = store.create("t", {.integer_keys = true});
    for (std::uint64_t i = 0; i < kEntries; ++i) tree.put(Bytes(integer_key(i)), value);
    REQUIRE(leaf_fill(check_store(store), 4072) > best * 0.999);
  }
  SECTION("ascending, by append") {
    Tree tree = store.create("t", {.integer_keys = true});
    for (std::uint64_t i = 0; i < kEntries; ++i) tree.append(Bytes(integer_key(i)), value);
    const CheckCounts counts = check_store(store);
    REQUIRE(leaf_fill(counts, 4072) > best * 0.999);
    REQUIRE_THROWS_AS(tree.append(Bytes(integer_key(kEntries - 1)), value), InvalidArgument);
    REQUIRE_THROWS_AS(tree.append(Bytes(integer_key(5)), value), InvalidArgument);
    REQUIRE(tree.count() == kEntries);
  }
  SECTION("descending") {
    Tree tree = store.create("t", {.integer_keys = true});
    for (std::uint64_t i = kEntries; i > 0; --i) tree.put(Bytes(integer_key(i)), value);
    REQUIRE(leaf_fill(check_store(store), 4072) > best * 0.99);
  }
}

TEST_CASE("a small change dirties a few blocks of its page") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  Random random(seed);
  // One leaf, as a page of its own: what NodeEditor does to it is all that a put does which does not
  // split.
  Store store(4072);
  constexpr int kRounds = 300;
  std::uint64_t blocks = 0;
  std::uint64_t inserts = 0;
  for (int round = 0; round < kRounds; ++round) {
    PageId id;
    std::vector<std::string> keys;
    {
      txn::MutablePage page = store.pages.allocate();
      id = page.id();
      NodeEditor(page).clear(0);
    }
    for (int i = 0; i < 32; ++i) {
      txn::MutablePage page = store.pages.modify(id);
      txn::DirtyBlocks dirty;
      // The same page, with a record of its own.
      txn::MutablePage watched(txn::PagePin(page.id() == id ? store.pages.pin(id) : txn::PagePin()),
                               {const_cast<std::byte*>(page.data()), page.bytes().size()}, &dirty);
      const std::string key = random_key(random);
      const auto at = std::lower_bound(keys.begin(), keys.end(), key);
      NodeEditor(watched).insert(static_cast<std::size_t>(at - keys.begin()),
                                 CellDraft::for_leaf(key, std::string(kValueBytes, 'v'), false));
      keys.insert(at, key);
      blocks += static_cast<std::uint64_t>(std::popcount(dirty.mask));
      ++inserts;
    }
  }
  const double average = static_cast<double>(blocks) / static_cast<double>(inserts);
  INFO("blocks dirtied by an insertion, on average: " << average);
  REQUIRE(average < 5);

  // A value that is replaced by one of its size: the cell, and nothing else.
  txn::MutablePage page = store.pages.allocate();
  NodeEditor(page).clear(0);
  NodeEditor(page).append(CellDraft::for_leaf("a", std::string(50, 'x'), false));
  txn::DirtyBlocks dirty;
  txn::MutablePage watched(store.pages.pin(page.id()),
                           {const_cast<std::byte*>(page.data()), page.bytes().size()}, &dirty);
  NodeEditor(watched).replace(0, CellDraft::for_leaf("a", std::string(50, 'y'), false));
  REQUIRE(std::popcount(dirty.mask) <= 2);
}

TEST_CASE("no operation pins more than its path and a few pages") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  Random random(seed);
  Store store(512);
  Tree tree = store.create("t");
  std::vector<std::string> keys;
  const auto watch = [&](const char* what, std::size_t limit, auto&& operation) {
    store.pages.reset_peak();
    operation();
    INFO(what << " pinned " << store.pages.pins_peak());
    REQUIRE(store.pages.pins_peak() <= limit);
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = random_bytes(random, below(random, 90));
    // A split of every level holds three pages on each.
    watch("put", 12, [&] { tree.put(key, "0123456789"); });
    keys.push_back(key);
  }
  watch("get", 2, [&] {
    for (const std::string& key : keys) REQUIRE(tree.get(key).has_value());
  });
  watch("scan", 3, [&] {
    Cursor cursor = tree.cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
    }
  });
  watch("erase", 5, [&] {
    for (std::size_t i = 0; i < keys.size(); i += 2) tree.erase(keys[i]);
  });
  watch("erase_range", 5, [&] { tree.erase_range({}); });
  REQUIRE(store.pages.pins() == 0);
}

TEST_CASE("deleting everything leaves the roots and nothing else") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  Random random(seed);
  Store store(1024);
  Tree tree = store.create("t");
  std::map<std::string, bool> keys;
  for (int i = 0; i < 5000; ++i) {
    const std::string key = random_key(random);
    tree.put(key, std::string(below(random, 20) == 0 ? 5000 : 40, 'v'));
    keys[key] = true;
  }
  SECTION("one after the other, from the front") {
    for (const auto& [key, unused] : keys) REQUIRE(tree.erase(key));
  }
  SECTION("one after the other, from the back") {
    for (auto at = keys.rbegin(); at != keys.rend(); ++at) REQUIRE(tree.erase(at->first));
  }
  SECTION("by a cursor") {
    Cursor cursor = tree.cursor();
    cursor.first();
    for (std::size_t left = keys.size(); left > 0; --left) {
      REQUIRE(cursor.valid());
      REQUIRE(cursor.erase() == (left > 1));
    }
  }
  SECTION("by erase_range") {
    REQUIRE(tree.erase_range({}) == keys.size());
  }
  REQUIRE(check_store(store).entries == 0);
  REQUIRE(store.pages.page_count() == 2);
  REQUIRE(store.pages.chunk_count() == 0);
  store.pages.commit();
}

TEST_CASE("a tree that shrinks at random gives its pages back") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  Random random(seed);
  Store store(quiet(4072));
  Tree tree = store.create("t");
  std::vector<std::string> keys;
  for (int i = 0; i < 30'000; ++i) {
    keys.push_back(random_key(random));
    tree.put(keys.back(), std::string(kValueBytes, 'v'));
  }
  std::shuffle(keys.begin(), keys.end(), random);
  while (keys.size() > 3000) {
    REQUIRE(tree.erase(keys.back()));
    keys.pop_back();
  }
  // Neighbours that fit one page are merged when one of them is below a third.
  REQUIRE(leaf_fill(check_store(store), 4072) > 0.4);
}

}  // namespace coffer::tree::test
