// Chains of logical backups over random changes: every point comes back as it was.
#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <stop_token>
#include <thread>

#include "backup_model.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using Paths = std::vector<std::filesystem::path>;
using Random = std::mt19937_64;

/// Keys come from so many; with the values below a tree of all of them has three levels.
constexpr std::uint64_t kKeys = 1500;

std::string bytes_from(Random& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// Of different lengths, so that separators are; some end in a zero byte, or begin another.
std::string ordinary_key(std::uint64_t number) {
  std::string key = std::to_string(1'000'000 + number);
  if (number % 7 == 0) key += '\0';
  if (number % 5 == 0) key += std::string(number % 90, static_cast<char>(number));
  return key;
}

class RandomTrees {
 public:
  RandomTrees(Store& store, Random& random) : store_(store), random_(random) {}

  /// A write transaction with some changes in it.
  void change() {
    WriteTransaction writing = store_.write();
    for (std::uint64_t i = 1 + random_() % 3; i > 0; --i) {
      static const char* const kNames[] = {"a", "b", "both", "integers", "multi", "z"};
      change_tree(writing, kNames[random_() % std::size(kNames)]);
    }
    writing.commit(random_() % 2 == 0 ? Durability::relaxed : Durability::full);
  }
  /// Every kind of tree, full of entries.
  void fill_all() {
    WriteTransaction writing = store_.write();
    for (const char* const name : {"a", "both", "integers", "multi"}) {
      Tree tree = writing.create_tree(name, options_of(name));
      for (std::uint64_t i = 0; i < kKeys; ++i) put(tree, random_() % kKeys);
    }
    writing.commit();
  }

 private:
  static TreeOptions options_of(const std::string& name) {
    return {.multi_value = name == "multi" || name == "both",
            .integer_keys = name == "integers" || name == "both"};
  }

  void change_tree(WriteTransaction& writing, const std::string& name) {
    const bool there =
        std::ranges::any_of(writing.trees(), [&](const TreeInfo& t) { return t.name == name; });
    if (there && random_() % 10 == 0) {
      writing.drop_tree(name);
      if (random_() % 3 == 0) return;
      const TreeOptions other{.multi_value = random_() % 2 == 0,
                              .integer_keys = random_() % 2 == 0};
      Tree tree = writing.create_tree(name, random_() % 2 == 0 ? options_of(name) : other);
      for (std::uint64_t i = random_() % 400; i > 0; --i) put(tree, random_() % kKeys);
      return;
    }
    Tree tree = there ? writing.tree(name) : writing.create_tree(name, options_of(name));
    switch (random_() % 6) {
      case 0:
        for (std::uint64_t i = random_() % 500; i > 0; --i) put(tree, random_() % kKeys);
        break;
      case 1:  // near each other
        for (std::uint64_t i = random_() % 40, from = random_() % kKeys; i > 0; --i)
          put(tree, (from + i) % kKeys);
        break;
      case 2:
        for (std::uint64_t i = random_() % 100; i > 0; --i) erase(tree, random_() % kKeys);
        break;
      case 3:  // whole leaves go, and now and then whole branches
        erase_run(tree, random_() % kKeys, random_() % (random_() % 4 == 0 ? kKeys : 60));
        break;
      case 4:  // an end, which a root's or a branch's last children are at
        random_() % 2 == 0 ? erase_run(tree, 0, random_() % 200)
                           : erase_run(tree, kKeys - random_() % 200, kKeys);
        break;
      default:
        put(tree, random_() % kKeys);
    }
  }

  std::string key_of(Tree& tree, std::uint64_t number) {
    if (!tree.options().integer_keys) return ordinary_key(number);
    return std::string(Bytes(integer_key(number * 0x0123456789ab)).text());
  }
  void put(Tree& tree, std::uint64_t number) {
    if (tree.options().multi_value) {
      // Few keys with many values, so that separators have a value part.
      tree.put(key_of(tree, number % 40), bytes_from(random_, random_() % 300));
    } else if (random_() % 300 == 0) {
      ValueWriter large = tree.write(key_of(tree, number));
      large.write(bytes_from(random_, random_() % 90'000));
      large.finish();
    } else {
      tree.put(key_of(tree, number),
               bytes_from(random_, random_() % 8 == 0 ? random_() % 900 : 900));
    }
  }
  void erase(Tree& tree, std::uint64_t number) {
    if (!tree.options().multi_value) {
      static_cast<void>(tree.erase(key_of(tree, number)));
      return;
    }
    if (random_() % 60 == 0) static_cast<void>(tree.erase(key_of(tree, number % 40)));
    Cursor cursor = tree.cursor();
    if (cursor.seek_value(key_of(tree, number % 40), bytes_from(random_, 1))) cursor.erase();
  }
  void erase_run(Tree& tree, std::uint64_t from, std::uint64_t count) {
    if (!tree.options().multi_value) {
      const std::string low = key_of(tree, from);
      const std::string high = key_of(tree, from + count);
      static_cast<void>(tree.erase_range({.from = low, .to = high}));
      return;
    }
    Cursor cursor = tree.cursor();
    if (!cursor.seek_value(key_of(tree, from % 40), bytes_from(random_, 1))) return;
    for (std::uint64_t i = 0; i < count && cursor.valid(); ++i) cursor.erase();
  }

  Store& store_;
  Random& random_;
};

}  // namespace

TEST_CASE("random chains of logical increments restore to every point, on every page size") {
  const auto seed = GENERATE(range(1u, 13u));
  CAPTURE(seed);
  for (std::uint64_t round = 0; round < (full_campaign() ? 40 : 1); ++round) {
    CAPTURE(round);
    Random random(seed + 1000 * round);
    const TempDirectory directory;
    const auto path = [&](const std::string& name) { return directory.path() / name; };
    const Key of_store = key_from(1);
    const Key* const key = seed % 3 != 0 ? &of_store : nullptr;
    const auto open = [&](const char* name) {
      return key != nullptr ? Store::open(path(name), *key) : Store::open_unencrypted(path(name));
    };
    const CreateOptions create{.page_size = seed % 4 == 0 ? 16'384u : 4096u};
    std::optional<Store> store(key != nullptr ? Store::create(path("store"), *key, create)
                                              : Store::create_unencrypted(path("store"), create));
    RandomTrees(*store, random).fill_all();
    Paths chain;
    const std::uint64_t links = 1 + random() % 6;
    for (std::uint64_t i = 0; i <= links; ++i) {
      for (std::uint64_t changes = random() % 5; changes > 0; --changes)
        RandomTrees(*store, random).change();
      if (random() % 3 == 0) {
        store->close();
        store.emplace(open("store"));
      }
      const Paths before = chain;
      chain.push_back(path("link " + std::to_string(i)));
      const BackupReport made = before.empty()
                                    ? backup_logical(*store, chain.back())
                                    : backup_logical_increment(*store, chain.back(), before.back());
      CHECK(made.link == i);
      CHECK(made.bytes == std::filesystem::file_size(chain.back()));
      CHECK(made.commit == store->statistics().last_commit);
      const StoreModel expected = contents_of(*store);
      const BackupReport verified = verify_backup(chain, key);
      CHECK(verified.kind == (i == 0 ? BackupKind::logical : BackupKind::logical_increment));
      CHECK(verified.link == i);
      CHECK(verified.commit == made.commit);
      CHECK(verified.trees == expected.size());
      static_cast<void>(restore_backup(
          chain, key, path("restored"),
          {.new_key = key, .page_size = 4096u << (random() % 3), .watch = {}, .store = {}}));
      {
        Store again = open("restored");
        REQUIRE(contents_of(again) == expected);
        static_cast<void>(again.check());
      }
      std::filesystem::remove_all(path("restored"));
    }
  }
}

// Some megabytes of changes are a batch, and a restore finds its place again behind each.
TEST_CASE(
    "an increment of many megabytes restores, also with the least memory and the largest pages") {
  constexpr std::uint64_t kEntries = 24'000;
  for (const std::uint32_t page_size : {4096u, 65'536u}) {
    CAPTURE(page_size);
    const TempDirectory directory;
    const auto path = [&](const char* name) { return directory.path() / name; };
    Options least;
    least.locked_bytes_max = 512 << 10;
    Store store = Store::create_unencrypted(path("store"), {.page_size = page_size}, least);
    const auto write = [&](std::uint64_t step, char with) {
      WriteTransaction writing = store.write();
      Tree tree = writing.create_tree("t", {.integer_keys = true});
      Tree multi = writing.create_tree("u", {.multi_value = true});
      for (std::uint64_t i = 0; i < kEntries; i += step) {
        tree.put(integer_key(i), std::string(700 + i % 100, with));
        if (i % 4 == 0)
          multi.put(std::to_string(i / 400), std::string(100, with) + std::to_string(i));
      }
      writing.commit();
    };
    write(1, 'a');
    static_cast<void>(backup_logical(store, path("full")));
    write(3, 'b');
    {
      WriteTransaction writing = store.write();
      Tree tree = writing.tree("t");
      // Long runs go, with leaves that stay between.
      for (std::uint64_t from = 0; from < kEntries; from += 6000) {
        static_cast<void>(
            tree.erase_range({.from = integer_key(from + 40), .to = integer_key(from + 2500)}));
      }
      ValueWriter large = tree.write(integer_key(5000));
      for (int i = 0; i < 12; ++i) large.write(std::string(1 << 20, 'l'));
      large.finish();
      writing.commit();
    }
    const BackupReport report = backup_logical_increment(store, path("inc"), path("full"));
    CHECK(report.bytes > (20 << 20));
    const StoreModel expected = contents_of(store);
    static_cast<void>(restore_backup({path("full"), path("inc")}, nullptr, path("restored"),
                                     {.watch = {}, .store = least}));
    Store again = Store::open_unencrypted(path("restored"));
    // Not the contents of 20 MB in a message.
    const bool same = contents_of(again) == expected;
    CHECK(same);
    static_cast<void>(again.check());
  }
}

TEST_CASE("a logical increment is one commit, while threads write and checkpoints run",
          "[threads]") {
  const TempDirectory directory;
  const auto path = [&](const std::string& name) { return directory.path() / name; };
  const Key key = key_from(1);
  Options options;
  options.checkpoint_journal_bytes = 64 << 10;
  Store store = Store::create(path("store"), key, {}, options);
  // A commit sets its thread's counter in both trees, so that any mixture of two commits shows.
  const char* const names[] = {"a", "b"};
  {
    WriteTransaction writing = store.write();
    for (const char* name : names) static_cast<void>(writing.create_tree(name));
    writing.commit();
  }
  std::vector<std::jthread> writers;  // which end before the store does, whatever is thrown
  for (int t = 0; t < 3; ++t) {
    writers.emplace_back([&, t](const std::stop_token& stop) {
      for (std::uint64_t n = 1; !stop.stop_requested(); ++n) {
        WriteTransaction writing = store.write();
        for (const char* name : names) {
          Tree tree = writing.tree(name);
          tree.put(std::to_string(t), integer_key(n));
          // Keys come and go in long runs, and leaves with them.  All of them go: on a slow machine, or under a
          // sanitizer, writers make thousands of commits between two links.
          const std::string mine = std::to_string(t) + "/";
          tree.put(mine + std::to_string(100'000 + n % 10'000), std::string(900, 'x'));
          if (n % 200 == 0) static_cast<void>(tree.erase_range({.prefix = mine + "10"}));
        }
        writing.commit(Durability::relaxed);
      }
    });
  }
  Paths chain;
  for (int i = 0; i < (full_campaign() ? 60 : 8); ++i) {
    const Paths before = chain;
    chain.push_back(path("link " + std::to_string(i)));
    const BackupReport report = i == 0
                                    ? backup_logical(store, chain.back())
                                    : backup_logical_increment(store, chain.back(), before.back());
    static_cast<void>(restore_backup(chain, &key, path("restored"), {.new_key = &key}));
    {
      Store again = Store::open(path("restored"), key);
      const StoreModel all = contents_of(again);
      // The sum of the counters counts the commits: the increment is exactly the commit that it says.
      std::uint64_t sum = 0;
      for (const auto& [k, v] : all.at("a").entries)
        if (k.find('/') == std::string::npos) sum += key_integer(Bytes(v));
      CHECK(sum + 1 == report.commit);
      const bool same = all.at("b") == all.at("a");
      CHECK(same);
    }
    std::filesystem::remove_all(path("restored"));
  }
}

}  // namespace coffer::test
