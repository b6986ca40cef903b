// What a store remembers of its catalog never shows in what a transaction sees (invariants Q1, Q2 in
// tree/known_trees.hpp).
#include <catch2/catch.hpp>

#include <coffer/coffer.hpp>

#include "tests/support/temp_directory.hpp"
#include "tree/known_trees.hpp"

namespace coffer {
namespace {

using test::TempDirectory;

Options relaxed_reads() {
  Options options;
  options.durability = Durability::full;
  options.locked_bytes_max = 2 * 1024 * 1024;
  return options;
}

Store create_with_tree(const TempDirectory& directory, const char* name) {
  Store store = Store::create(directory.path() / "store", Key::generate(), {}, relaxed_reads());
  WriteTransaction writing = store.write();
  writing.create_tree(name).put("key", "value");
  writing.commit();
  return store;
}

TEST_CASE("A tree that was found once is found again without opening a page") {
  const TempDirectory directory;
  Store store = create_with_tree(directory, "notes");
  static_cast<void>(store.read().tree("notes"));
  const std::uint64_t opened = store.statistics().pages_opened;
  ReadTransaction reading = store.read();
  Tree tree = reading.tree("notes");
  CHECK(store.statistics().pages_opened == opened);
  CHECK(tree.get("key")->text() == "value");
  CHECK_FALSE(reading.find_tree("note"));
  CHECK_FALSE(reading.find_tree("notes2"));
}

TEST_CASE("Each snapshot has its own catalog, whatever others have found") {
  const TempDirectory directory;
  Store store = create_with_tree(directory, "notes");
  ReadTransaction before = store.read();
  CHECK(before.tree("notes").get("key")->text() == "value");

  WriteTransaction writing = store.write();
  CHECK(writing.find_tree("notes"));
  CHECK(writing.drop_tree("notes"));
  CHECK_FALSE(writing.find_tree("notes"));
  CHECK(before.find_tree("notes"));
  writing.create_tree("notes", {.multi_value = true}).put("key", "other");
  CHECK(writing.tree("notes").options().multi_value);
  writing.commit();

  CHECK_FALSE(before.tree("notes").options().multi_value);
  CHECK(before.tree("notes").get("key")->text() == "value");
  ReadTransaction after = store.read();
  for (int again = 0; again < 2; ++again) {
    CHECK(after.tree("notes").options().multi_value);
    CHECK(after.tree("notes").get("key")->text() == "other");
    CHECK_FALSE(before.tree("notes").options().multi_value);
  }
}

TEST_CASE("A catalog that was changed and rolled back is the one before") {
  const TempDirectory directory;
  Store store = create_with_tree(directory, "notes");
  {
    WriteTransaction writing = store.write();
    const Savepoint savepoint = writing.savepoint();
    writing.create_tree("more");
    CHECK(writing.drop_tree("notes"));
    writing.rollback_to(savepoint);
    CHECK(writing.tree("notes").get("key")->text() == "value");
    CHECK_FALSE(writing.find_tree("more"));
    CHECK(writing.drop_tree("notes"));
    writing.rollback();
  }
  CHECK(store.read().tree("notes").get("key")->text() == "value");
  CHECK_FALSE(store.read().find_tree("more"));
}

TEST_CASE("What is known answers for one state of the catalog and one name only") {
  platform::Platform& platform = platform::native_platform();
  platform::LockedHeap heap(platform.memory(), 65536, platform::LockPolicy::proceed_unlocked,
                            "test");
  tree::KnownTrees known(heap, platform.entropy());
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  CHECK_FALSE(known.find(CommitNumber{}, bytes("a")));
  known.add(CommitNumber{4}, bytes("a"), {.root = PageId{7}, .options = {}});
  CHECK(known.find(CommitNumber{4}, bytes("a"))->root == PageId{7});
  CHECK_FALSE(known.find(CommitNumber{3}, bytes("a")));
  CHECK_FALSE(known.find(CommitNumber{5}, bytes("a")));
  // More names than there are places: each is found as it was added last, or not at all.
  std::size_t found = 0;
  for (std::uint64_t i = 1; i <= 500; ++i) {
    known.add(CommitNumber{5}, bytes(std::to_string(i)), {.root = PageId{i}, .options = {}});
  }
  for (std::uint64_t i = 1; i <= 500; ++i) {
    const auto entry = known.find(CommitNumber{5}, bytes(std::to_string(i)));
    found += entry ? 1u : 0u;
    if (entry) CHECK(entry->root == PageId{i});
  }
  CHECK(found >= 32);
  CHECK(found <= 64);
}

}  // namespace
}  // namespace coffer
