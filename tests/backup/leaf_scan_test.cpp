// Leaves that are opened ahead: the same as a cursor sees, whatever happens meanwhile.
#include <catch2/catch.hpp>

#include <coffer/coffer.hpp>
#include <coffer/error.hpp>

#include "backup/leaf_scan.hpp"
#include "tests/backup/backup_model.hpp"
#include "tests/support/temp_directory.hpp"
#include "tree/catalog.hpp"
#include "tree/store_state.hpp"

namespace coffer::test {
namespace {

using backup::LeafScan;
using Entries = std::vector<std::pair<std::string, std::string>>;

class Scanned {
 public:
  explicit Scanned(Store& store)
      : view_(store.state().engine->begin_read(true)),
        heap_(platform::native_platform().memory(), backup::kLeafScanHeapBytes,
              platform::LockPolicy::abort, "a test"),
        scan_(*view_, heap_) {}
  Entries entries_of(Bytes name, const std::function<void()>& meanwhile = {}) {
    Entries entries;
    const auto tree = tree::find_in_catalog({.source = view_.get()}, name);
    scan_.each(*tree, [&](const tree::NodeView& leaf) {
      for (std::size_t i = 0; i < leaf.count(); ++i) {
        const tree::LeafCell cell = leaf.leaf_cell(i);
        entries.emplace_back(cell.key.text(), cell.value.text());
      }
      if (meanwhile) meanwhile();
    });
    return entries;
  }

 private:
  std::unique_ptr<txn::ReadView> view_;
  platform::LockedHeap heap_;
  LeafScan scan_;
};

Entries by_cursor(Store& store, Bytes name) {
  Entries entries;
  ReadTransaction reading = store.read({.latest = true});
  Tree tree = reading.tree(name);
  Cursor cursor = tree.cursor();
  for (bool more = cursor.first(); more; more = cursor.next()) {
    entries.emplace_back(cursor.key().text(), cursor.value().text());
  }
  return entries;
}

std::string padded(int number) {
  const std::string digits = std::to_string(number);
  return std::string(8 - digits.size(), '0') + digits;
}

TEST_CASE("a scan shows what a cursor does, of trees of every height") {
  const TempDirectory directory;
  for (const std::uint32_t page_size : {4096u, 65536u}) {
    Store store = Store::create(directory.path() / std::to_string(page_size), key_from(1),
                                {.page_size = page_size});
    // Long keys make a tree high: a branch of 4,096 bytes holds four of 900.
    const std::string prefix(page_size == 4096 ? 900 : 9'000, 'p');
    const std::pair<std::string, int> trees[] = {
        {"empty", 0}, {"one", 1}, {"few", 60}, {"many", 4'000}};
    {
      WriteTransaction writing = store.write();
      for (const auto& [name, count] : trees) {
        Tree tree = writing.create_tree(name);
        for (int i = 0; i < count; ++i) {
          const std::string key = name == "few" ? prefix + padded(i) : padded(i);
          tree.put(key, std::string(static_cast<std::size_t>(i % 50), 'v'));
        }
      }
      writing.commit();
    }
    for (const bool written_back : {false, true}) {
      if (written_back) store.checkpoint();
      Scanned scanned(store);
      for (const auto& [name, count] : trees) {
        CAPTURE(page_size, written_back, name);
        const Entries entries = scanned.entries_of(name);
        REQUIRE(entries.size() == static_cast<std::size_t>(count));
        REQUIRE(entries == by_cursor(store, name));
      }
    }
    store.close();
  }
}

TEST_CASE("a scan keeps its snapshot while commits and checkpoints go on") {
  const TempDirectory directory;
  Store store = Store::create(directory.path() / "store", key_from(2));
  constexpr int kEntries = 6'000;
  {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("t");
    for (int i = 0; i < kEntries; ++i) tree.put(padded(i), std::string(100, 'a'));
    writing.commit();
  }
  const Entries before = by_cursor(store, "t");
  int commits = 0;
  Scanned scanned(store);
  const Entries entries = scanned.entries_of("t", [&] {
    WriteTransaction writing = store.write();
    Tree tree = writing.tree("t");
    for (int i = commits % 7; i < kEntries; i += 97) tree.put(padded(i), padded(commits));
    for (int i = 0; i < 40; ++i) tree.erase(padded((commits * 40 + i) % kEntries));
    writing.commit(Durability::relaxed);
    if (++commits % 10 == 0) store.checkpoint();
  });
  REQUIRE(commits > 100);
  REQUIRE(entries == before);
  REQUIRE(by_cursor(store, "t") != before);
}

TEST_CASE("a scan refuses a leaf that does not verify") {
  const TempDirectory directory;
  const auto path = directory.path() / "store";
  Store::create(path, key_from(3)).close();
  Store store = Store::open(path, key_from(3));
  {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("t");
    for (int i = 0; i < 5'000; ++i) tree.put(padded(i), std::string(100, 'a'));
    writing.commit();
  }
  store.checkpoint();
  std::vector<std::byte> pages = bytes_of(path / "pages");
  // Some byte of every slot's ciphertext but the first few, whichever is a leaf's.
  for (std::size_t at = 40 * 4096 + 1'000; at < pages.size(); at += 4096) pages[at] ^= std::byte{4};
  write_bytes(path / "pages", pages);
  Scanned scanned(store);
  REQUIRE_THROWS_AS(scanned.entries_of("t"), Tampered);
}

}  // namespace
}  // namespace coffer::test
