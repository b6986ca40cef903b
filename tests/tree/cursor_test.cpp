// Cursors while their tree changes under them.
#include <coffer/error.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "tests/tree/tree_support.hpp"
#include "tree/btree_cursor.hpp"
#include "tree/catalog.hpp"

namespace coffer::tree::test {

TEST_CASE("a cursor that was never placed, or ran off an end, is not valid") {
  Store store(512);
  Tree tree = store.create("t");
  Cursor cursor = tree.cursor();
  REQUIRE_FALSE(cursor.valid());
  REQUIRE_FALSE(cursor.next());
  REQUIRE_FALSE(cursor.previous());
  REQUIRE_FALSE(cursor.first());
  REQUIRE_FALSE(cursor.last());
  REQUIRE_FALSE(cursor.seek("a"));
  REQUIRE_THROWS_AS(cursor.key(), InvalidArgument);
  REQUIRE_THROWS_AS(cursor.erase(), InvalidArgument);
  tree.put("a", "1");
  REQUIRE(cursor.first());
  REQUIRE_FALSE(cursor.next());
  REQUIRE_FALSE(cursor.valid());
  REQUIRE_FALSE(cursor.previous());
  REQUIRE(cursor.last());
  REQUIRE_FALSE(cursor.previous());
  REQUIRE_FALSE(cursor.valid());
}

TEST_CASE("a cursor stays on its entry while others come and go") {
  Store store(512);
  Tree tree = store.create("t");
  for (int i = 0; i < 1000; i += 10) tree.put(number(i), "before");
  Cursor cursor = tree.cursor();
  REQUIRE(cursor.seek(number(500)));
  for (int i = 0; i < 1000; ++i) {
    if (i != 500) tree.put(number(i), "during");
  }
  REQUIRE(cursor.key().text() == number(500));
  REQUIRE(cursor.value().text() == "before");
  tree.put(number(500), "after");
  REQUIRE(cursor.value().text() == "after");
  REQUIRE(cursor.next());
  REQUIRE(cursor.key().text() == number(501));
  for (int i = 0; i < 1000; ++i) {
    if (i % 7 != 0) tree.erase(number(i));
  }
  // 501 is gone; the next that is left is 504.
  REQUIRE(cursor.valid());
  REQUIRE(cursor.key().text() == number(504));
  REQUIRE(cursor.previous());
  REQUIRE(cursor.key().text() == number(497));
  tree.erase_range({.from = Bytes("000400")});
  REQUIRE_FALSE(cursor.valid());
}

TEST_CASE("a scan lets go of each leaf that it has left") {
  Store store(512);
  Tree tree = store.create("t");
  for (int i = 0; i < 1000; ++i) tree.put(number(i), "value");
  const auto& let_go = store.pages.times_let_go();
  REQUIRE(let_go.empty());
  Cursor cursor = tree.cursor();
  REQUIRE(cursor.first());
  while (cursor.next()) {
  }
  // All of them, also the one that the cursor ran off at the end.
  const std::size_t leaves = let_go.size();
  REQUIRE(leaves > 20);
  const auto times = [&](std::uint64_t expected) {
    return std::ranges::all_of(let_go, [&](const auto& page) { return page.second == expected; });
  };
  REQUIRE(times(1));
  REQUIRE(cursor.last());
  while (cursor.previous()) {
  }
  REQUIRE(let_go.size() == leaves);
  REQUIRE(times(2));
  REQUIRE(tree.count() == 1000);
  REQUIRE(let_go.size() == leaves);
  REQUIRE(times(3));
  // Looking for places is no scan.
  for (int i = 0; i < 1000; i += 10) REQUIRE(cursor.seek(number(i)));
  REQUIRE(times(3));
}

TEST_CASE("a scan names the leaves that it comes to next, once it has gone on for a while") {
  Store store(1024);
  const auto wanted = static_cast<std::size_t>(BTree::kStepsOfScan);
  {
    Tree tree = store.create("t");
    for (int i = 0; i < 20'000; ++i) tree.put(number(i), "value");
  }
  BTreeCursor cursor(*find_in_catalog(store.reader(), "t"));
  const bool forward = GENERATE(true, false);
  const auto start = [&] { return forward ? cursor.first() : cursor.last(); };
  const auto step = [&] { return forward ? cursor.next() : cursor.previous(); };
  std::vector<PageId> leaves;
  for (bool more = start(); more; more = step()) {
    if (leaves.empty() || leaves.back() != cursor.leaf_id()) leaves.push_back(cursor.leaf_id());
  }
  REQUIRE(leaves.size() > 200);
  static_cast<void>(store.pages.take_named_ahead());

  std::set<PageId> named;
  std::size_t at = 0;
  std::size_t unnamed = 0;
  for (bool more = start(); more; more = step()) {
    if (cursor.leaf_id() != leaves[at]) {
      ++at;
      REQUIRE(cursor.leaf_id() == leaves[at]);
      if (at > wanted && !named.contains(leaves[at])) ++unnamed;
    }
    const std::vector<PageId> next = store.pages.take_named_ahead();
    REQUIRE((at >= wanted || next.empty()));
    for (std::size_t i = 0; i < next.size(); ++i) REQUIRE(next[i] == leaves.at(at + 1 + i));
    named.insert(next.begin(), next.end());
  }
  // Every one but the first below each branch.
  REQUIRE(unnamed < leaves.size() / 10);
  REQUIRE(named.size() > leaves.size() / 10 * 8);

  // Turning round begins anew, and so does looking for a place.
  start();
  while (at > wanted + 1 && step()) {
    if (cursor.leaf_id() == leaves[wanted + 1]) break;
  }
  static_cast<void>(store.pages.take_named_ahead());
  for (std::size_t steps = 0; steps < 20; ++steps) {
    forward ? cursor.previous() : cursor.next();
  }
  REQUIRE(store.pages.take_named_ahead().empty());
  for (int i = 0; i < 10'000; i += 10) {
    REQUIRE(cursor.seek({Bytes(number(i))}));
    cursor.next();
  }
  REQUIRE(store.pages.take_named_ahead().empty());
}

TEST_CASE("keys and values of a cursor can be handed back to its tree") {
  Store store(512);
  Tree tree = store.create("t");
  for (int i = 0; i < 300; ++i)
    tree.put(number(i), std::string(20, static_cast<char>('a' + i % 26)));
  {
    Cursor cursor = tree.cursor();
    REQUIRE(cursor.first());
    for (int i = 0; i < 300; ++i) {
      const std::string expected(cursor.value().text());
      tree.put(cursor.key(), std::string(30, expected[0]));
      REQUIRE(cursor.value().text() == std::string(30, expected[0]));
      REQUIRE(cursor.seek_exact(cursor.key()));
      // The key and the value may come out of the page that they go back to.
      tree.put("x", cursor.value());
      REQUIRE(cursor.next());
    }
    REQUIRE(cursor.key().text() == "x");
  }
  REQUIRE(check_store(store).entries == 301);
}

TEST_CASE("several cursors of one tree do not disturb each other") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  Random random(seed);
  Store store(512);
  Tree tree = store.create("t");
  std::map<std::string, std::string> model;
  struct Watched {
    Cursor cursor;
    std::string key;  // where it stands; empty: nowhere
  };
  std::vector<Watched> cursors;
  for (int i = 0; i < 6; ++i) cursors.push_back({tree.cursor(), ""});
  const auto settle = [&](Watched& w) {
    const auto at = model.lower_bound(w.key);
    w.key = w.key.empty() || at == model.end() ? "" : at->first;
  };
  for (int i = 0; i < 40'000; ++i) {
    Watched& w = cursors[below(random, cursors.size())];
    const std::string key = number(static_cast<int>(below(random, 600)));
    switch (below(random, 8)) {
      case 0: {
        const auto at = model.lower_bound(key);
        REQUIRE(w.cursor.seek(key) == (at != model.end()));
        w.key = at == model.end() ? "" : at->first;
        break;
      }
      case 1: {
        settle(w);
        const auto at = w.key.empty() ? model.end() : model.upper_bound(w.key);
        REQUIRE(w.cursor.next() == (at != model.end()));
        w.key = at == model.end() ? "" : at->first;
        break;
      }
      case 2: {
        settle(w);
        const auto at = w.key.empty() ? model.end() : model.lower_bound(w.key);
        const bool has = at != model.end() && at != model.begin();
        REQUIRE(w.cursor.previous() == has);
        w.key = has ? std::prev(at)->first : "";
        break;
      }
      case 3: {
        settle(w);
        if (w.key.empty()) break;
        const auto at = model.erase(model.find(w.key));
        REQUIRE(w.cursor.erase() == (at != model.end()));
        w.key = at == model.end() ? "" : at->first;
        break;
      }
      case 4: {
        REQUIRE(tree.erase(key) == (model.erase(key) == 1));
        break;
      }
      case 5: {
        settle(w);
        REQUIRE(w.cursor.valid() == !w.key.empty());
        if (w.key.empty()) break;
        REQUIRE(w.cursor.key().text() == w.key);
        REQUIRE(w.cursor.value().text() == model[w.key]);
        break;
      }
      default: {
        const std::string value = random_bytes(random, below(random, 50));
        tree.put(key, value);
        model[key] = value;
      }
    }
  }
  for (Watched& w : cursors) w.cursor = tree.cursor();
  REQUIRE(check_store(store).entries == model.size());
}

TEST_CASE("a value keeps its bytes while the tree goes on") {
  Store store(512);
  Tree tree = store.create("t");
  for (int i = 0; i < 50; ++i) tree.put(number(i), "first");
  std::optional<Value> value = tree.get(number(7));
  REQUIRE(value.has_value());
  tree.put(number(7), "other");
  tree.erase_range({});
  REQUIRE(value->text() == "first");
  Value moved = *std::move(value);
  REQUIRE(moved.text() == "first");
  Value target;
  REQUIRE(target.size() == 0);
  target = std::move(moved);
  REQUIRE(target.text() == "first");
  value.reset();
  target = Value();
  REQUIRE(store.pages.pins() == 0);
}

TEST_CASE("a transaction that reads refuses every change") {
  Store store(512);
  store.create("t").put("k", "v");
  store.create("m", {.multi_value = true}).put("k", "v");
  Tree tree = *find_tree(store.reader(), "t");
  Tree pairs = *find_tree(store.reader(), "m");
  REQUIRE(tree.get("k")->text() == "v");
  REQUIRE_THROWS_AS(tree.put("k", "w"), InvalidArgument);
  REQUIRE_THROWS_AS(tree.insert("k", "w"), InvalidArgument);
  REQUIRE_THROWS_AS(tree.append("z", "w"), InvalidArgument);
  REQUIRE_THROWS_AS(tree.erase("k"), InvalidArgument);
  REQUIRE_THROWS_AS(pairs.erase("k"), InvalidArgument);
  REQUIRE_THROWS_AS(pairs.erase("k", "v"), InvalidArgument);
  REQUIRE_THROWS_AS(tree.erase_range({}), InvalidArgument);
  REQUIRE_THROWS_AS(tree.compare_and_swap("k", "v", "w"), InvalidArgument);
  REQUIRE_THROWS_AS(tree.write("k"), InvalidArgument);
  Cursor cursor = tree.cursor();
  REQUIRE(cursor.first());
  REQUIRE_THROWS_AS(cursor.erase(), InvalidArgument);
  REQUIRE(cursor.key().text() == "k");
  REQUIRE_THROWS_AS(create_tree(store.reader(), "n", {}), InvalidArgument);
  REQUIRE_THROWS_AS(drop_tree(store.reader(), "t"), InvalidArgument);
}

TEST_CASE("what a tree cannot hold is refused and changes nothing") {
  Store store(4072);
  Tree tree = store.create("t");
  Tree integers = store.create("i", {.integer_keys = true});
  Tree pairs = store.create("m", {.multi_value = true});
  // A quarter page less what a cell and the page itself need: (4072 - 48) / 4.
  REQUIRE(tree.key_bytes_max() == 1006);
  const std::string longest(1006, 'k');
  const std::string longer(1007, 'k');
  tree.put(longest, "v");
  pairs.put(longest, longest);
  REQUIRE(pairs.get(longest)->text() == longest);
  store.pages.commit();
  const auto before = store.pages.image();
  REQUIRE_THROWS_AS(tree.put(longer, "v"), InvalidArgument);
  REQUIRE_THROWS_AS(tree.get(longer), InvalidArgument);
  REQUIRE_THROWS_AS(integers.put("short", "v"), InvalidArgument);
  REQUIRE_THROWS_AS(integers.get("much too long"), InvalidArgument);
  REQUIRE_THROWS_AS(pairs.put("k", longer), InvalidArgument);
  REQUIRE_THROWS_AS(pairs.compare_and_swap("k", std::nullopt, "v"), InvalidArgument);
  REQUIRE_THROWS_AS(pairs.write("k"), InvalidArgument);
  REQUIRE_THROWS_AS(tree.erase("k", "v"), InvalidArgument);
  REQUIRE_THROWS_AS(tree.cursor().seek_value("k", "v"), InvalidArgument);
  REQUIRE(store.pages.image() == before);
}

}  // namespace coffer::tree::test
