// Named trees: found, created, dropped and listed.
#include "tree/catalog.hpp"

#include <coffer/error.hpp>

#include "tests/tree/tree_support.hpp"

namespace coffer::tree::test {

TEST_CASE("an empty store has no trees and no pages") {
  Store store;
  REQUIRE_FALSE(find_tree(store.reader(), "t").has_value());
  REQUIRE(list_trees(store.reader()).empty());
  REQUIRE_FALSE(drop_tree(store.writer(), "t"));
  REQUIRE(store.pages.page_count() == 0);
  REQUIRE(check_store(store).trees == 0);
}

TEST_CASE("a tree is found again by its name, with its options") {
  Store store;
  store.create("plain").put("k", "v");
  store.create("both", {.multi_value = true, .integer_keys = true});
  store.pages.commit();
  REQUIRE(find_tree(store.reader(), "plain")->get("k")->text() == "v");
  REQUIRE(find_tree(store.reader(), "both")->options() ==
          TreeOptions{.multi_value = true, .integer_keys = true});
  REQUIRE_FALSE(find_tree(store.reader(), "other").has_value());

  const auto before = store.pages.image();
  REQUIRE(store.create("plain").get("k")->text() == "v");
  REQUIRE_THROWS_AS(store.create("plain", {.multi_value = true}), InvalidArgument);
  REQUIRE_THROWS_AS(store.create(""), InvalidArgument);
  REQUIRE_THROWS_AS(store.create(std::string(256, 'n')), InvalidArgument);
  REQUIRE(store.pages.image() == before);
  store.create(std::string(255, 'n'));

  const std::vector<TreeInfo> trees = list_trees(store.reader());
  REQUIRE(trees.size() == 3);
  REQUIRE(trees[0].name == "both");
  REQUIRE(trees[0].multi_value);
  REQUIRE(trees[0].integer_keys);
  REQUIRE(trees[1].name == std::string(255, 'n'));
  REQUIRE(trees[2].name == "plain");
  REQUIRE_FALSE(trees[2].multi_value);
}

TEST_CASE("a dropped tree leaves nothing behind") {
  Store store(512);
  for (const bool multi : {false, true}) {
    Tree tree = store.create("t", {.multi_value = multi});
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const auto key = integer_key(i);
      tree.put(Bytes(key), multi ? "value" : std::string(i % 100 == 0 ? 30'000 : 20, 'v'));
    }
    REQUIRE(store.pages.page_count() > 10);
    store.pages.commit();
    REQUIRE(drop_tree(store.writer(), "t"));
    REQUIRE_FALSE(find_tree(store.reader(), "t").has_value());
    REQUIRE(store.pages.page_count() == 1);  // the catalog's root
    REQUIRE(store.pages.chunk_count() == 0);
    store.pages.commit();
  }
}

TEST_CASE("many trees live side by side") {
  Store store(512);
  for (int i = 0; i < 300; ++i)
    store.create("tree " + std::to_string(i)).put("k", std::to_string(i));
  store.pages.commit();
  const CheckCounts counts = check_store(store);
  REQUIRE(counts.trees == 300);
  REQUIRE(counts.entries == 300);
  for (int i = 0; i < 300; ++i) {
    REQUIRE(find_tree(store.reader(), "tree " + std::to_string(i))->get("k")->text() ==
            std::to_string(i));
  }
  for (int i = 0; i < 300; i += 2) REQUIRE(drop_tree(store.writer(), "tree " + std::to_string(i)));
  REQUIRE(check_store(store).trees == 150);
}

}  // namespace coffer::tree::test
