// Damaged pages: whatever the bytes are, reading and changing a tree ends in a result or in Corrupted
// that names a page, and AddressSanitizer has nothing to say.
#include <coffer/error.hpp>

#include "tests/tree/tree_support.hpp"
#include "tree/catalog.hpp"

namespace coffer::tree::test {

namespace {

// Operations end although a damaged tree may name its pages many times over.
constexpr int kStepsMax = 2000;

class Victim {
 public:
  explicit Victim(std::uint64_t seed, TreeOptions options)
      : random_(seed), store_(600, 64), options_(options) {
    Tree tree = store_.create("t", options);
    for (int i = 0; i < 400; ++i) {
      const std::string key = random_bytes(random_, below(random_, 30));
      keys_.push_back(key);
      const bool large = !options.multi_value && below(random_, 20) == 0;
      tree.put(key, random_bytes(random_, below(random_, large ? 9000 : 40)));
    }
    store_.pages.commit();
    pages_ = store_.pages.pages();
  }

  // Overwrites bytes of pages of the committed state.
  void damage() {
    for (std::uint64_t n = 1 + below(random_, 4); n > 0; --n) {
      const PageId page = pages_[below(random_, pages_.size())];
      // The header and the offsets are where it hurts.
      const std::size_t reach = below(random_, 3) == 0 ? 600 : 48;
      for (std::uint64_t k = below(random_, 6); k > 0; --k) {
        store_.pages.damage_page(page, below(random_, reach), static_cast<std::byte>(random_()));
      }
    }
  }

  void use() {
    for (int i = 0; i < 12; ++i) {
      attempt([&] { read(); });
      attempt([&] { scan(); });
      attempt([&] { change(); });
    }
    attempt([&] {
      // What is referred to twice is the engine's to find.
      class Anything final : public CheckVisitor {
        void page(PageId) override {}
        void chunk(std::uint64_t, std::uint64_t, const txn::ChunkRef&) override {}
      } anything;
      static_cast<void>(check_all_trees(store_.reader(), anything));
    });
    REQUIRE(store_.pages.pins() == 0);
  }
  [[nodiscard]] int refused() const { return refused_; }

 private:
  template <class Operation>
  void attempt(Operation&& operation) {
    try {
      operation();
    } catch (const Corrupted& error) {
      ++refused_;
      REQUIRE(std::string(error.what()).size() > 10);
    } catch (const VersionUnsupported&) {
      ++refused_;  // a damaged catalog entry
    } catch (const InvalidArgument&) {
      ++refused_;  // a damaged entry claims to be a large value, or options changed
    }
  }
  const std::string& key() { return keys_[below(random_, keys_.size())]; }
  void read() {
    std::optional<Tree> tree = find_tree(store_.reader(), "t");
    if (!tree) return;
    std::optional<ValueReader> reader = tree->read(key());
    if (!reader) return;
    std::string out(300, '\0');
    static_cast<void>(reader->read(std::as_writable_bytes(std::span(out))));
  }
  void scan() {
    std::optional<Tree> tree = find_tree(store_.reader(), "t");
    if (!tree) return;
    Cursor cursor = tree->cursor();
    const bool forward = below(random_, 2) == 0;
    bool more = forward ? cursor.seek(key()) : cursor.seek_last(key());
    for (int i = 0; more && i < kStepsMax; ++i) {
      static_cast<void>(cursor.value_size());
      more = forward ? cursor.next() : cursor.previous();
    }
  }
  void change() {
    std::optional<Tree> tree = find_tree(store_.writer(), "t");
    if (!tree) return;
    const std::string value = random_bytes(random_, below(random_, 60));
    switch (below(random_, 6)) {
      case 0:
        tree->erase(key());
        break;
      case 1: {
        const std::string prefix = value.substr(0, 1);
        tree->erase_range({.prefix = prefix});
        break;
      }
      case 2: {
        Cursor cursor = tree->cursor();
        if (cursor.seek(key())) cursor.erase();
        break;
      }
      case 3:
        if (below(random_, 20) == 0) drop_tree(store_.writer(), "t");
        break;
      default:
        tree->put(key(), value);
    }
  }

  Random random_;
  Store store_;
  TreeOptions options_;
  std::vector<std::string> keys_;
  std::vector<PageId> pages_;
  int refused_ = 0;
};

}  // namespace

TEST_CASE("a damaged tree is refused, or read as far as it can be, and nothing worse happens") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  int refused = 0;
  for (std::uint64_t round = 0; round < 300; ++round) {
    Victim victim(seed + round, {.multi_value = round % 2 == 1});
    victim.damage();
    INFO("round " << round);
    victim.use();
    refused += victim.refused();
  }
  REQUIRE(refused > 1000);
}

namespace {

// Damages one byte of a small tree of two leaves and expects the check to see it.
struct Planted {
  const char* what;
  std::size_t offset;  // in the tree's first leaf
  std::byte value;
  const char* says;
};

}  // namespace

TEST_CASE("the check finds what is wrong with a tree") {
  Store store(600);
  Tree tree = store.create("t", {});
  for (int i = 0; i < 60; ++i) tree.put(std::string(1, static_cast<char>('0' + i)), "0123456789");
  store.pages.commit();
  Visited before;
  REQUIRE(check_all_trees(store.reader(), before).leaves > 1);

  const BTree inner = *find_in_catalog(store.reader(), "t");
  Path path;
  PageId leaf;
  std::size_t first_cell = 0;
  std::size_t second_cell = 0;
  {
    const txn::PagePin pin = inner.descend_first(path);
    leaf = pin.id();
    first_cell = NodeView(pin).cell_offset(0);
    second_cell = NodeView(pin).cell_offset(1);
  }
  const auto pointer = [&](std::size_t index) { return 20 + 4 * index; };
  const Planted planted[] = {
      {"type", 4, std::byte{1}, "its header cannot"},
      {"level", 5, std::byte{1}, "its header cannot"},
      {"count", 6, std::byte{1}, "its header cannot"},
      {"gap_end", 2, std::byte{0}, "its header cannot"},
      {"fragmented", 16, std::byte{3}, "its free space"},
      {"offset of a cell", pointer(1), std::byte{0}, "its cells overlap"},
      {"length of a key", first_cell, std::byte{200}, "a cell lies outside"},
      {"a key out of order", second_cell + 4, std::byte{'0'}, "out of order"},
      {"a key out of bounds", first_cell + 4, std::byte{0xff}, "outside the bounds"},
      {"large", first_cell + 3, std::byte{0x80}, "large value"},
      // A lookup would not find the key.
      {"hash of a key", pointer(1) + 2, std::byte{0x55}, "a hash is not"},
  };
  for (const Planted& fault : planted) {
    INFO(fault.what);
    std::byte old;
    {
      const txn::PagePin pin = store.pages.pin(leaf);
      old = pin.bytes()[fault.offset];
    }
    store.pages.damage_page(leaf, fault.offset, fault.value);
    Visited visited;
    REQUIRE_THROWS_AS(check_all_trees(store.reader(), visited), Corrupted);
    Visited again;
    REQUIRE_THROWS_WITH(check_all_trees(store.reader(), again), Catch::Contains(fault.says));
    store.pages.damage_page(leaf, fault.offset, old);
  }
  Visited after;
  REQUIRE(check_all_trees(store.reader(), after).entries == 60);
}

TEST_CASE("a page that names itself as its child does not lead astray") {
  Store store(600);
  Tree tree = store.create("t", {});
  for (int i = 0; i < 200; ++i) tree.put(Bytes(integer_key(static_cast<std::uint64_t>(i))), "v");
  store.pages.commit();
  const BTree inner = *find_in_catalog(store.reader(), "t");
  std::size_t cell = 0;
  {
    const txn::PagePin pin = store.pages.pin(inner.root());
    REQUIRE_FALSE(NodeView(pin).is_leaf());
    cell = NodeView(pin).cell_offset(0);
  }
  store.pages.damage_page(inner.root(), cell, static_cast<std::byte>(inner.root().value));
  REQUIRE_THROWS_AS(tree.get(Bytes(integer_key(0))), Corrupted);
  REQUIRE_THROWS_AS(tree.count(), Corrupted);
  REQUIRE_THROWS_AS(tree.put(Bytes(integer_key(0)), "w"), Corrupted);
}

}  // namespace coffer::tree::test
