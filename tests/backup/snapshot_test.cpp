// Snapshots and their increments through the public interface: what comes back is what was there.
#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>

#include "backup_model.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using Mode = BackupEncryptionMode;
using Paths = std::vector<std::filesystem::path>;

struct SnapshotWorld {
  explicit SnapshotWorld(bool encrypted, std::uint32_t page_size = 4096)
      : key(encrypted ? &of_store : nullptr),
        store(key != nullptr ? Store::create(path("store"), *key, {.page_size = page_size})
                             : Store::create_unencrypted(path("store"), {.page_size = page_size})) {
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return directory.path() / name;
  }
  [[nodiscard]] Store open(const std::string& name) const {
    return key != nullptr ? Store::open(path(name), *key) : Store::open_unencrypted(path(name));
  }
  /// What a chain restores to, checked; the restored store is removed again.
  StoreModel restored(const Paths& chain, const RestoreOptions& options = {}) {
    static_cast<void>(restore_backup(chain, key, path("restored"), options));
    StoreModel model;
    {
      Store again = open("restored");
      static_cast<void>(again.check());
      model = contents_of(again);
    }
    std::filesystem::remove_all(path("restored"));
    return model;
  }
  TempDirectory directory;
  Key of_store = key_from(1);
  const Key* key;
  Store store;
};

bool has(WriteTransaction& writing, const std::string& name) {
  return std::ranges::any_of(writing.trees(), [&](const TreeInfo& t) { return t.name == name; });
}

/// Random changes: entries, large values, whole trees.
void change(Store& store, std::mt19937_64& random) {
  WriteTransaction writing = store.write();
  const auto text = [&](std::size_t size) {
    std::string t(size, '\0');
    for (char& c : t) c = static_cast<char>(random());
    return t;
  };
  const std::string name = "tree " + std::to_string(random() % 4);
  if (random() % 12 == 0 && has(writing, name)) {
    writing.drop_tree(name);
    writing.commit();
    return;
  }
  {
    Tree tree = has(writing, name) ? writing.tree(name) : writing.create_tree(name);
    for (std::uint64_t i = random() % 60; i > 0; --i) {
      const std::string key = std::to_string(random() % 500);
      switch (random() % 12) {
        case 0: {
          ValueWriter large = tree.write(key);
          large.write(text(random() % 400'000));
          large.finish();
          break;
        }
        case 1:
        case 2:
        case 3:
          static_cast<void>(tree.erase(key));
          break;
        default:
          tree.put(key, text(random() % 900));
      }
    }
  }
  writing.commit();
}

/// So many times over that the page file is full of holes; an entry is a fifth of a page.
void rewrite(Store& store, int times, std::mt19937_64& random) {
  for (int time = 0; time < times; ++time) {
    WriteTransaction writing = store.write();
    Tree tree = has(writing, "t") ? writing.tree("t") : writing.create_tree("t");
    for (int i = 0; i < 4'000; ++i) {
      std::string value(800, ' ');
      std::ranges::generate(value, [&] { return static_cast<char>(random()); });
      tree.put(std::to_string(i), value);
    }
    writing.commit();
    store.checkpoint();
  }
}

}  // namespace

// R11, R16, cell by cell.  The keys: 's' the store's, 'x' another, '-' none.
TEST_CASE("a snapshot and its increment in every mode, opened with every key") {
  struct Row {
    bool encrypted_store;
    std::optional<Mode> mode;
    char given;
    const char* made;
    const char* opened;  // with 's', 'x', '-'
  };
  const Row rows[] = {
      {false, std::nullopt, '-', "done", "IId"},
      {false, Mode::none, '-', "done", "IId"},
      {false, std::nullopt, 's', "InvalidArgument", ""},
      {false, Mode::none, 's', "InvalidArgument", ""},
      {false, Mode::use_provided_key, 's', "InvalidArgument", ""},
      {false, Mode::use_provided_key, '-', "InvalidArgument", ""},
      {false, Mode::use_database_key, '-', "InvalidArgument", ""},
      {false, Mode::use_database_key, 's', "InvalidArgument", ""},
      {true, std::nullopt, '-', "done", "dWI"},
      {true, Mode::use_database_key, '-', "done", "dWI"},
      {true, Mode::use_database_key, 's', "InvalidArgument", ""},
      {true, std::nullopt, 'x', "InvalidArgument", ""},
      {true, Mode::none, '-', "InvalidArgument", ""},
      {true, Mode::none, 'x', "InvalidArgument", ""},
      {true, Mode::use_provided_key, 'x', "InvalidArgument", ""},
      {true, Mode::use_provided_key, 's', "InvalidArgument", ""},
      {true, Mode::use_provided_key, '-', "InvalidArgument", ""},
  };
  const Key another = key_from(3);
  for (const Row& row : rows) {
    for (const bool verify : {true, false}) {
      SnapshotWorld world(row.encrypted_store);
      const auto key_of = [&](char which) {
        return which == 's' ? &world.of_store : which == 'x' ? &another : nullptr;
      };
      CAPTURE(row.encrypted_store, row.mode ? static_cast<int>(*row.mode) : -1, row.given, verify);
      fill(world.store, 5);
      const BackupOptions options{.encryption = {.mode = row.mode, .key = key_of(row.given)},
                                  .verify = verify};
      std::optional<BackupReport> report;
      REQUIRE(outcome_of([&] {
                report = backup_snapshot(world.store, world.path("full"), options);
              }) == row.made);
      if (!report) {
        // The others are refused alike, and nothing is left of any.
        static_cast<void>(backup_snapshot(world.store, world.path("full")));
        CHECK(outcome_of([&] {
                static_cast<void>(
                    backup_increment(world.store, world.path("more"), world.path("full"), options));
              }) == row.made);
        CHECK(outcome_of([&] {
                static_cast<void>(
                    backup_snapshot_directory(world.store, world.path("copy"), options));
              }) == row.made);
        CHECK(names_in(world.directory.path()) == std::vector<std::string>{"full", "store"});
        continue;
      }
      const StoreModel first = contents_of(world.store);
      CHECK(report->kind == BackupKind::snapshot);
      CHECK(report->encrypted == row.encrypted_store);
      CHECK(report->bytes == std::filesystem::file_size(world.path("full")));
      fill(world.store, 6);
      const StoreModel second = contents_of(world.store);
      const BackupReport more =
          backup_increment(world.store, world.path("more"), world.path("full"), options);
      CHECK(more.link == 1);
      CHECK(more.kind == BackupKind::snapshot_increment);
      CHECK(more.commit > report->commit);
      for (int i = 0; i < 3; ++i) {
        const Key* const key = key_of("sx-"[i]);
        CAPTURE(i);
        const std::string expected = row.opened[i] == 'd'   ? "done"
                                     : row.opened[i] == 'W' ? "WrongKey"
                                                            : "InvalidArgument";
        for (const Paths& chain :
             {Paths{world.path("full")}, Paths{world.path("full"), world.path("more")}}) {
          REQUIRE(outcome_of([&] { static_cast<void>(verify_backup(chain, key)); }) == expected);
          // A snapshot is never encrypted, or encrypted otherwise, by its restore.
          CHECK(outcome_of([&] {
                  static_cast<void>(
                      restore_backup(chain, key, world.path("restored"), {.new_key = &another}));
                }) == "InvalidArgument");
          REQUIRE(outcome_of([&] {
                    static_cast<void>(restore_backup(chain, key, world.path("restored")));
                  }) == expected);
          REQUIRE(std::filesystem::exists(world.path("restored")) == (expected == "done"));
          if (expected != "done") continue;
          {
            Store again = world.open("restored");
            CHECK(contents_of(again) == (chain.size() == 1 ? first : second));
            static_cast<void>(again.check());
            CHECK(again.statistics().encrypted == row.encrypted_store);
          }
          std::filesystem::remove_all(world.path("restored"));
        }
      }
      CHECK(names_in(world.directory.path()) == std::vector<std::string>{"full", "more", "store"});
    }
  }
}

TEST_CASE("a directory that was made as a snapshot opens as a store and goes its own way") {
  for (const bool encrypted : {true, false}) {
    for (const bool verify : {true, false}) {
      CAPTURE(encrypted, verify);
      SnapshotWorld world(encrypted);
      fill(world.store, 8);
      const StoreModel before = contents_of(world.store);
      const BackupReport report = backup_snapshot_directory(world.store, world.path("copy"),
                                                            BackupOptions{.verify = verify});
      CHECK(report.slots > 10);
      std::mt19937_64 random(1);
      for (int i = 0; i < 5; ++i) change(world.store, random);
      const StoreModel later = contents_of(world.store);
      {
        Store copy = world.open("copy");
        CHECK(contents_of(copy) == before);
        CHECK(copy.anchor().instance != world.store.anchor().instance);
        for (int i = 0; i < 5; ++i) change(copy, random);
        static_cast<void>(copy.check());
      }
      CHECK(contents_of(world.store) == later);
      Store copy = world.open("copy");
      static_cast<void>(copy.check());
      // An increment follows a file.
      CHECK_THROWS_WITH(static_cast<void>(backup_increment(world.store, world.path("increment"),
                                                           world.path("copy"))),
                        Catch::Contains("is a directory"));
    }
  }
}

TEST_CASE("random chains restore to every point, on every page size") {
  const auto seed = GENERATE(range(1u, 9u));
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  SnapshotWorld world(seed % 4 != 0, 4096u << (seed % 5));
  for (std::uint64_t chains = 0; chains < (full_campaign() ? 40 : 3); ++chains) {
    Paths chain;
    std::vector<StoreModel> points;
    const std::uint64_t links = 1 + random() % 6;
    for (std::uint64_t i = 0; i < links; ++i) {
      for (std::uint64_t changes = random() % 6; changes > 0; --changes)
        change(world.store, random);
      if (random() % 3 == 0) {
        world.store.close();
        world.store = world.open("store");
      }
      chain.push_back(world.path("link " + std::to_string(i)));
      if (i == 0) {
        static_cast<void>(
            backup_snapshot(world.store, chain.back(), BackupOptions{.verify = random() % 2 == 0}));
      } else {
        static_cast<void>(backup_increment(world.store, chain.back(), chain[i - 1]));
      }
      points.push_back(contents_of(world.store));
    }
    for (std::size_t i = 0; i < chain.size(); ++i) {
      CAPTURE(i);
      REQUIRE(world.restored({chain.begin(), chain.begin() + static_cast<std::ptrdiff_t>(i + 1)}) ==
              points[i]);
    }
    static_cast<void>(verify_backup(chain, world.key));
    for (const auto& file : chain) std::filesystem::remove(file);
  }
}

TEST_CASE(
    "an increment without changes is small, and one of few changes much smaller than its store") {
  SnapshotWorld world(true);
  {
    WriteTransaction writing = world.store.write();
    Tree tree = writing.create_tree("t");
    for (int i = 0; i < 20'000; ++i) tree.put(std::to_string(i), std::string(100, 'v'));
    writing.commit();
  }
  const BackupReport full = backup_snapshot(world.store, world.path("full"));
  const BackupReport none = backup_increment(world.store, world.path("none"), world.path("full"));
  CHECK(none.slots == 0);
  // Header, manifest and end.
  CHECK(none.bytes == 4608 + 16392 + 17 + 8 + 17);
  {
    WriteTransaction writing = world.store.write();
    writing.tree("t").put("77", "other");
    writing.commit();
  }
  const BackupReport one = backup_increment(world.store, world.path("one"), world.path("none"));
  // A leaf; of the table a leaf and two nodes above at most; the free map's leaf; nothing else.
  CHECK(one.slots >= 3);
  CHECK(one.slots <= 6);
  CHECK(one.slots * 50 < full.slots);
  CHECK(world.restored({world.path("full"), world.path("none"), world.path("one")}) ==
        contents_of(world.store));
}

TEST_CASE("links that are missing, foreign, named twice or out of order are told apart") {
  SnapshotWorld world(true);
  SnapshotWorld other(true);
  std::mt19937_64 random(4);
  const auto chain_of = [&](SnapshotWorld& w, const std::string& prefix) {
    Paths chain;
    for (int i = 0; i < 4; ++i) {
      change(w.store, random);
      chain.push_back(w.path(prefix + std::to_string(i)));
      if (i == 0) {
        static_cast<void>(backup_snapshot(w.store, chain.back()));
      } else {
        static_cast<void>(
            backup_increment(w.store, chain.back(), chain[static_cast<std::size_t>(i) - 1]));
      }
    }
    return chain;
  };
  const Paths a = chain_of(world, "a");
  const Paths b = chain_of(world, "b");
  const Paths c = chain_of(other, "c");
  // The same point continued twice.
  static_cast<void>(backup_increment(world.store, world.path("fork"), a[1]));
  const auto refused = [&](const Paths& chain, const std::string& why) {
    CAPTURE(why);
    for (const bool restore : {false, true}) {
      CHECK_THROWS_MATCHES(
          restore ? static_cast<void>(restore_backup(chain, world.key, world.path("restored")))
                  : static_cast<void>(verify_backup(chain, world.key)),
          InvalidArgument, Catch::Matchers::Predicate<InvalidArgument>([&](const auto& e) {
            INFO(e.what());
            return std::string(e.what()).find(why) != std::string::npos;
          }));
    }
    CHECK(!std::filesystem::exists(world.path("restored")));
  };
  static_cast<void>(verify_backup(a, world.key));
  refused({a[1]}, "name the full snapshot of its chain first");
  refused({a[0], a[2]}, "is missing");
  refused({a[0], a[2], a[1]}, "is missing");
  refused({a[0], a[1], a[3]}, "is missing");
  refused({a[0], a[1], a[1]}, "is the same backup");
  refused({a[0], a[1], a[2], a[1]}, "is the same backup");
  refused({a[0], b[1]}, "belongs to another chain");
  refused({a[0], b[0]}, "a full snapshot and cannot follow");
  refused({a[0], c[1]}, "of another store");
  refused({a[0], a[1], world.path("fork"), a[2]}, "in the order in which they were made");
  refused({a[0], a[1], world.path("fork"), a[3]}, "does not follow");
  refused({a[0], world.path("nowhere")}, "there is no backup");
  // The fork is good where it belongs.
  CHECK(world.restored({a[0], a[1], world.path("fork")}) == contents_of(world.store));
  // Parents that are not.
  const auto no_parent = [&](const std::filesystem::path& parent, const std::string& why) {
    CHECK_THROWS_WITH(
        static_cast<void>(backup_increment(world.store, world.path("increment"), parent)),
        Catch::Contains(why));
    CHECK(!std::filesystem::exists(world.path("increment")));
  };
  no_parent(c[0], "of another store");
  no_parent(world.path("nowhere"), "there is no backup");
  static_cast<void>(backup_logical(world.store, world.path("logical")));
  no_parent(world.path("logical"), "not a snapshot");
  // What was restored is another instance: neither follows the other's backups.
  static_cast<void>(restore_backup(a, world.key, world.path("again")));
  Store again = world.open("again");
  CHECK_THROWS_WITH(static_cast<void>(backup_increment(again, world.path("increment"), a[3])),
                    Catch::Contains("another copy of this store"));
  // A store remembers 64.
  for (int i = 0; i < 62; ++i)
    static_cast<void>(backup_snapshot(again, world.path("of again")),
                      std::filesystem::remove(world.path("of again")));
  static_cast<void>(backup_snapshot(again, world.path("of again")));
  for (int i = 0; i < 63; ++i) {
    static_cast<void>(backup_snapshot(again, world.path("x")));
    std::filesystem::remove(world.path("x"));
  }
  static_cast<void>(again.statistics());
  CHECK_THROWS_WITH(
      static_cast<void>(backup_increment(again, world.path("increment"), world.path("of again"))),
      Catch::Contains("does not remember"));
}

TEST_CASE(
    "two copies of one directory that went different ways do not follow each other's snapshots") {
  SnapshotWorld world(true);
  std::mt19937_64 random(9);
  change(world.store, random);
  world.store.close();
  std::filesystem::copy(world.path("store"), world.path("twin"),
                        std::filesystem::copy_options::recursive);
  world.store = world.open("store");
  Store twin = world.open("twin");
  // Neither commits: the same instance, the same commit, the same number of checkpoints.
  static_cast<void>(backup_snapshot(world.store, world.path("full")));
  static_cast<void>(backup_snapshot(twin, world.path("full of twin")));
  change(twin, random);
  static_cast<void>(backup_increment(twin, world.path("good"), world.path("full of twin")));
  const std::string said = outcome_of(
      [&] { static_cast<void>(backup_increment(twin, world.path("bad"), world.path("full"))); });
  // Both checkpoints are the same to the last byte but for the journal's generation, if at all: either it is
  // refused, or the result is right.
  if (said == "done") {
    CHECK(world.restored({world.path("full"), world.path("bad")}) == contents_of(twin));
  } else {
    CHECK(said == "InvalidArgument");
  }
  change(world.store, random);
  static_cast<void>(backup_snapshot(world.store, world.path("later")));
  CHECK_THROWS_WITH(
      static_cast<void>(backup_increment(twin, world.path("increment"), world.path("later"))),
      Catch::Contains("does not remember"));
}

TEST_CASE("copies of copies keep pages of every epoch that they went through") {
  for (const bool encrypted : {true, false}) {
    CAPTURE(encrypted);
    SnapshotWorld world(encrypted);
    std::mt19937_64 random(21);
    for (int i = 0; i < 12; ++i) change(world.store, random);
    world.store.close();
    std::string before = "store";
    for (int generation = 1; generation <= 6; ++generation) {
      CAPTURE(generation);
      const std::string name = "generation " + std::to_string(generation);
      StoreModel model;
      {
        Store store = world.open(before);
        // So few changes that most pages stay under the keys of earlier epochs.
        if (generation % 2 == 0) change(store, random);
        model = contents_of(store);
        if (generation % 3 == 0) {
          static_cast<void>(backup_snapshot_directory(store, world.path(name)));
        } else {
          const auto full = world.path("full" + std::to_string(generation));
          const auto more = world.path("more" + std::to_string(generation));
          static_cast<void>(
              backup_snapshot(store, full, BackupOptions{.verify = generation % 2 == 1}));
          change(store, random);
          model = contents_of(store);
          static_cast<void>(backup_increment(store, more, full));
          static_cast<void>(restore_backup({full, more}, world.key, world.path(name)));
        }
      }
      Store store = world.open(name);
      static_cast<void>(store.check());
      CHECK(contents_of(store) == model);
      // A logical backup's key follows the epoch as well.
      const auto logical = world.path("logical" + std::to_string(generation));
      static_cast<void>(backup_logical(store, logical));
      static_cast<void>(verify_backup(logical, world.key));
      change(store, random);
      store.close();
      before = name;
    }
    // What was backed up in early epochs still opens.
    for (const int generation : {1, 2, 4}) {
      static_cast<void>(verify_backup({world.path("full" + std::to_string(generation)),
                                       world.path("more" + std::to_string(generation))},
                                      world.key));
    }
    world.store = world.open("store");
  }
}

TEST_CASE("a cancelled snapshot leaves nothing, and what is there is never overwritten") {
  SnapshotWorld world(true);
  fill(world.store, 1, 300);
  int calls = 0;
  BackupOptions options;
  options.watch = [&](const BackupProgress& progress) {
    CHECK(progress.bytes_total > 0);
    return ++calls < 1;
  };
  options.bytes_per_second_max = 1 << 20;
  CHECK_THROWS_AS(static_cast<void>(backup_snapshot(world.store, world.path("full"), options)),
                  Cancelled);
  CHECK_THROWS_AS(
      static_cast<void>(backup_snapshot_directory(world.store, world.path("copy"), options)),
      Cancelled);
  CHECK(names_in(world.directory.path()) == std::vector<std::string>{"store"});
  CHECK(world.store.statistics().pinned_slots == 0);
  write_bytes(world.path("there"), {});
  CHECK_THROWS_AS(static_cast<void>(backup_snapshot(world.store, world.path("there"))),
                  InvalidArgument);
  static_cast<void>(backup_snapshot(world.store, world.path("full")));
  CHECK_THROWS_AS(
      static_cast<void>(backup_increment(world.store, world.path("there"), world.path("full"))),
      InvalidArgument);
  CHECK_THROWS_AS(
      static_cast<void>(restore_backup({world.path("full")}, world.key, world.path("store"))),
      InvalidArgument);
  RestoreOptions restoring;
  restoring.watch = [](const BackupProgress&) { return false; };
  CHECK_THROWS_AS(static_cast<void>(restore_backup({world.path("full")}, world.key,
                                                   world.path("restored"), restoring)),
                  Cancelled);
  CHECK(names_in(world.directory.path()) == std::vector<std::string>{"full", "store", "there"});
}

TEST_CASE(
    "a damaged store is not copied when it is verified, and its copy not restored otherwise") {
  for (const bool encrypted : {true, false}) {
    CAPTURE(encrypted);
    SnapshotWorld world(encrypted);
    fill(world.store, 2, 100);
    world.store.close();
    // Slots of everything that a store has; some are free, and filler is not looked at.
    const auto good = bytes_of(world.path("store") / "pages");
    int refused = 0;
    for (std::size_t slot = 0; slot < good.size() / 4096; slot += 7) {
      auto bad = good;
      bad[slot * 4096 + 30] ^= std::byte{1};
      write_bytes(world.path("store") / "pages", bad);
      std::optional<Store> store;
      if (outcome_of([&] { store.emplace(world.open("store")); }) != "done") continue;
      const std::string said =
          outcome_of([&] { static_cast<void>(backup_snapshot(*store, world.path("full"))); });
      const std::string checked = outcome_of([&] { static_cast<void>(store->check()); });
      CHECK(said == checked);
      if (said != "done") {
        ++refused;
        CHECK(said == (encrypted ? "Tampered" : "Corrupted"));
        CHECK(!std::filesystem::exists(world.path("full")));
        static_cast<void>(
            backup_snapshot(*store, world.path("full"), BackupOptions{.verify = false}));
        CHECK(outcome_of([&] {
                static_cast<void>(verify_backup(world.path("full"), world.key));
              }) == said);
        CHECK(outcome_of([&] {
                static_cast<void>(
                    restore_backup({world.path("full")}, world.key, world.path("restored")));
              }) == said);
      }
      std::filesystem::remove(world.path("full"));
      CHECK(names_in(world.directory.path()) == std::vector<std::string>{"store"});
      store.reset();
    }
    CHECK(refused > 3);
    world.store = [&] {
      write_bytes(world.path("store") / "pages", good);
      return world.open("store");
    }();
  }
}

TEST_CASE("pages that closing has moved are in the increments that follow") {
  SnapshotWorld world(true);
  std::mt19937_64 random(41);
  rewrite(world.store, 1, random);
  static_cast<void>(backup_snapshot(world.store, world.path("snapshot")));
  static_cast<void>(backup_logical(world.store, world.path("logical")));
  rewrite(world.store, 2, random);
  const StoreModel contents = contents_of(world.store);
  const auto bytes = [&] { return std::filesystem::file_size(world.path("store") / "pages"); };
  const std::uintmax_t before = bytes();
  world.store.close();
  REQUIRE(bytes() < before - before / 4);
  world.store = world.open("store");
  static_cast<void>(world.store.check());
  static_cast<void>(backup_increment(world.store, world.path("increment"), world.path("snapshot")));
  static_cast<void>(backup_logical_increment(world.store, world.path("logical increment"),
                                             world.path("logical")));
  CHECK(world.restored({world.path("snapshot"), world.path("increment")}) == contents);
  const RestoreOptions same_key{.new_key = &world.of_store};
  CHECK(world.restored({world.path("logical"), world.path("logical increment")}, same_key) ==
        contents);

  // And of a store in which nothing but places have changed since.
  rewrite(world.store, 1, random);
  const StoreModel last = contents_of(world.store);
  static_cast<void>(backup_snapshot(world.store, world.path("snapshot 2")));
  static_cast<void>(backup_logical(world.store, world.path("logical 2")));
  world.store.close();
  world.store = world.open("store");
  static_cast<void>(
      backup_increment(world.store, world.path("increment 2"), world.path("snapshot 2")));
  static_cast<void>(backup_logical_increment(world.store, world.path("logical increment 2"),
                                             world.path("logical 2")));
  CHECK(world.restored({world.path("snapshot 2"), world.path("increment 2")}) == last);
  CHECK(world.restored({world.path("logical 2"), world.path("logical increment 2")}, same_key) ==
        last);
}

}  // namespace coffer::test
