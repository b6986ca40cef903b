// Increments of logical backups through the public interface: modes, keys, chains, what they cost.
#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>

#include "backup_model.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using Mode = BackupEncryptionMode;
using Paths = std::vector<std::filesystem::path>;

struct IncrementWorld {
  explicit IncrementWorld(bool encrypted) : key(encrypted ? &of_store : nullptr) {
    store.emplace(key != nullptr ? Store::create(path("store"), *key)
                                 : Store::create_unencrypted(path("store")));
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return directory.path() / name;
  }
  [[nodiscard]] Store open(const std::string& name, const Options& options = {}) const {
    return key != nullptr ? Store::open(path(name), *key, options)
                          : Store::open_unencrypted(path(name), options);
  }
  /// What a chain restores to; the restored store is removed again.
  StoreModel restored(const Paths& chain) const {
    static_cast<void>(restore_backup(chain, key, path("restored")));
    StoreModel model;
    {
      Store again = Store::open_unencrypted(path("restored"));
      static_cast<void>(again.check());
      model = contents_of(again);
    }
    std::filesystem::remove_all(path("restored"));
    return model;
  }
  void put(const std::string& name, const std::string& value) {
    WriteTransaction writing = store->write();
    writing.create_tree("t").put(name, value);
    writing.commit();
  }
  /// A full backup and increments, each with an entry more.
  Paths chain_of(const std::string& prefix, int links) {
    Paths chain;
    for (int i = 0; i < links; ++i) {
      put(prefix + std::to_string(i), "value");
      chain.push_back(path(prefix + std::to_string(i)));
      if (i == 0) {
        static_cast<void>(backup_logical(*store, chain.back()));
      } else {
        static_cast<void>(
            backup_logical_increment(*store, chain.back(), chain[static_cast<std::size_t>(i) - 1]));
      }
    }
    return chain;
  }
  TempDirectory directory;
  Key of_store = key_from(1);
  const Key* key;
  std::optional<Store> store;
};

template <class Call>
void refused_with(Call&& call, const std::string& why) {
  CAPTURE(why);
  CHECK_THROWS_MATCHES(call(), InvalidArgument,
                       Catch::Matchers::Predicate<InvalidArgument>([&](const auto& e) {
                         INFO(e.what());
                         return std::string(e.what()).find(why) != std::string::npos;
                       }));
}

}  // namespace

// R15, cell by cell.  The keys: 's' the store's, 'b' the backup's own, 'x' another, '-' none.
TEST_CASE("an increment in every mode, after a full backup in every mode, opened with every key") {
  struct Row {
    bool encrypted_store;
    std::optional<Mode> full;
    char given;          // to the full backup
    const char* opened;  // with 's', 'b', 'x', '-': what verifying and restoring say
    // What making an increment says, for the modes (unset, none, provided, database), in each with the keys '-', 's',
    // 'b', 'x'.
    const char* made;
  };
  // d done, W WrongKey, I InvalidArgument
  const Row rows[] = {
      {false, Mode::none, '-', "IIId", "dIII dIII IIII IIII"},
      {false, Mode::use_provided_key, 'b', "WdWI", "IWdW IIII IWdW IIII"},
      {false, Mode::use_provided_key, 's', "dWWI", "IdWW IIII IdWW IIII"},
      {true, Mode::none, '-', "IIId", "dIII dIII IIII IIII"},
      {true, Mode::use_provided_key, 'b', "WdWI", "IWdW IIII IWdW IIII"},
      {true, Mode::use_provided_key, 's', "dWWI", "IdWW IIII IdWW IIII"},
      {true, Mode::use_database_key, '-', "dWWI", "dIII IIII IIII dIII"},
      {true, std::nullopt, '-', "dWWI", "dIII IIII IIII dIII"},
  };
  const Key of_store = key_from(1);
  const Key of_backup = key_from(2);
  const Key another = key_from(3);
  const auto key_of = [&](char which) {
    return which == 's' ? &of_store : which == 'b' ? &of_backup : which == 'x' ? &another : nullptr;
  };
  const auto name_of = [](char c) {
    return std::string(c == 'd' ? "done" : c == 'W' ? "WrongKey" : "InvalidArgument");
  };
  const auto options_for = [&](std::optional<Mode> mode, char given) {
    BackupOptions options;
    options.encryption = {.mode = mode, .key = key_of(given)};
    return options;
  };
  constexpr std::optional<Mode> kModes[] = {std::nullopt, Mode::none, Mode::use_provided_key,
                                            Mode::use_database_key};
  for (const Row& row : rows) {
    IncrementWorld world(row.encrypted_store);
    CAPTURE(row.encrypted_store, row.full ? static_cast<int>(*row.full) : -1, row.given);
    fill(*world.store, 5, 10);
    static_cast<void>(
        backup_logical(*world.store, world.path("full"), options_for(row.full, row.given)));
    world.put("more", "value");
    const StoreModel expected = contents_of(*world.store);
    for (std::size_t cell = 0; cell < 16; ++cell) {
      const char given = "-sbx"[cell % 4];
      const char says = row.made[cell + cell / 4];
      CAPTURE(cell / 4, given);
      std::optional<BackupReport> report;
      REQUIRE(outcome_of([&] {
                report =
                    backup_logical_increment(*world.store, world.path("inc"), world.path("full"),
                                             options_for(kModes[cell / 4], given));
              }) == name_of(says));
      REQUIRE(std::filesystem::exists(world.path("inc")) == (says == 'd'));
      if (says != 'd') continue;
      CHECK(report->kind == BackupKind::logical_increment);
      CHECK(report->link == 1);
      CHECK(report->encrypted == (row.opened[3] == 'I'));
      CHECK(report->file == world.path("inc"));
      const Paths chain{world.path("full"), world.path("inc")};
      for (int i = 0; i < 4; ++i) {
        const Key* const key = key_of("sbx-"[i]);
        CAPTURE(i);
        REQUIRE(outcome_of([&] { static_cast<void>(verify_backup(chain, key)); }) ==
                name_of(row.opened[i]));
        for (const char new_key : {'-', 'x'}) {
          const Key* const under = key_of(new_key);
          RestoreOptions restoring;
          restoring.new_key = under;
          REQUIRE(outcome_of([&] {
                    static_cast<void>(
                        restore_backup(chain, key, world.path("restored"), restoring));
                  }) == name_of(row.opened[i]));
          REQUIRE(std::filesystem::exists(world.path("restored")) == (row.opened[i] == 'd'));
          if (row.opened[i] != 'd') continue;
          {
            Store again = under != nullptr ? Store::open(world.path("restored"), *under)
                                           : Store::open_unencrypted(world.path("restored"));
            CHECK(contents_of(again) == expected);
          }
          std::filesystem::remove_all(world.path("restored"));
        }
      }
      std::filesystem::remove(world.path("inc"));
    }
    CHECK(names_in(world.directory.path()) == std::vector<std::string>{"full", "store"});
  }
}

TEST_CASE("an increment opens with its full backup's passphrase, given again") {
  IncrementWorld world(true);
  const Key words = passphrase("correct horse");
  BackupOptions options;
  options.encryption = {.mode = Mode::use_provided_key, .key = &words};
  world.put("a", "1");
  static_cast<void>(backup_logical(*world.store, world.path("0"), options));
  world.put("b", "2");
  static_cast<void>(
      backup_logical_increment(*world.store, world.path("1"), world.path("0"), options));
  world.put("c", "3");
  static_cast<void>(
      backup_logical_increment(*world.store, world.path("2"), world.path("1"), options));
  const Paths chain{world.path("0"), world.path("1"), world.path("2")};
  CHECK(verify_backup(chain, &words).entries == 1 + 2 + 3);
  // One header with one wrapped key; the salt in front of it is each one's own.
  const auto first = bytes_of(chain[0]);
  const auto last = bytes_of(chain[2]);
  CHECK(std::equal(&first[512], &first[4608], &last[512]));
  CHECK_FALSE(std::equal(&first[32], &first[64], &last[32]));
}

TEST_CASE(
    "a logical increment of nothing is small, and one of an entry much smaller than its store") {
  IncrementWorld world(true);
  {
    WriteTransaction writing = world.store->write();
    Tree tree = writing.create_tree("t");
    for (int i = 0; i < 20'000; ++i) tree.put(std::to_string(i), std::string(100, 'v'));
    writing.commit();
  }
  const BackupReport full = backup_logical(*world.store, world.path("full"));
  CHECK(full.bytes > 20'000 * 100);
  const BackupReport none =
      backup_logical_increment(*world.store, world.path("none"), world.path("full"));
  // Header; origin, parent, tree with its name, its end, the end; and a chunk's own 17.
  CHECK(none.bytes == 4608 + (1 + 92) + (1 + 32) + (1 + 2 + 1) + (1 + 8) + (1 + 16) + 17);
  CHECK(none.entries == 0);
  CHECK(none.trees == 1);
  world.put("77", "other");
  const BackupReport one =
      backup_logical_increment(*world.store, world.path("one"), world.path("none"));
  // The leaf with that key: no more entries than a page holds.
  CHECK(one.entries >= 1);
  CHECK(one.entries <= 4096 / 100);
  CHECK(one.bytes < none.bytes + 4096 + 2048);
  CHECK(world.restored({world.path("full"), world.path("none"), world.path("one")}) ==
        contents_of(*world.store));
}

TEST_CASE(
    "links of logical chains that are missing, foreign, twice or out of order are told apart") {
  for (const bool encrypted : {true, false}) {
    CAPTURE(encrypted);
    IncrementWorld world(encrypted);
    IncrementWorld other(encrypted);
    const Paths a = world.chain_of("a", 4);
    const Paths b = world.chain_of("b", 4);
    const Paths c = other.chain_of("c", 4);
    static_cast<void>(backup_logical_increment(*world.store, world.path("fork"), a[1]));
    static_cast<void>(backup_snapshot(*world.store, world.path("snapshot")));
    static_cast<void>(
        backup_increment(*world.store, world.path("snapshot 1"), world.path("snapshot")));
    const auto before = names_in(world.directory.path());
    const auto refused = [&](const Paths& chain, const std::string& why) {
      refused_with([&] { static_cast<void>(verify_backup(chain, world.key)); }, why);
      refused_with(
          [&] { static_cast<void>(restore_backup(chain, world.key, world.path("restored"))); },
          why);
      CHECK(names_in(world.directory.path()) == before);
    };
    CHECK(verify_backup(a, world.key).link == 3);
    refused({}, "no backup was named");
    refused({a[1]}, "name the full logical backup of its chain first");
    refused({a[0], a[2]}, "is missing");
    refused({a[0], a[2], a[1]}, "is missing");
    refused({a[0], a[1], a[3]}, "is missing");
    refused({a[0], a[1], a[1]}, "is the same backup");
    refused({a[0], a[1], a[2], a[1]}, "is the same backup");
    refused({a[0], b[1]}, "belongs to another chain");
    refused({a[0], b[0]}, "is a full logical backup and cannot follow");
    refused({a[0], c[1]}, "of another store");
    refused({a[0], a[1], world.path("fork"), a[2]}, "in the order in which they were made");
    refused({a[0], a[1], world.path("fork"), a[3]}, "does not follow");
    refused({a[0], world.path("nowhere")}, "there is no backup");
    refused({world.path("nowhere")}, "there is no backup");
    refused({a[0], world.path("snapshot")}, "not a logical one");
    refused({a[0], world.path("snapshot 1")}, "not a logical one");
    refused({world.path("snapshot"), a[1]}, "not a snapshot");
    refused_with(
        [&] { static_cast<void>(restore_logical(a[1], world.key, world.path("restored"))); },
        "name the full logical backup of its chain first");
    // The fork is good where it belongs.
    CHECK(world.restored({a[0], a[1], world.path("fork")}) == contents_of(*world.store));

    const auto no_parent = [&](const std::filesystem::path& parent, const std::string& why) {
      refused_with(
          [&] {
            static_cast<void>(backup_logical_increment(*world.store, world.path("inc"), parent));
          },
          why);
      CHECK(names_in(world.directory.path()) == before);
    };
    no_parent(c[0], "of another store");
    no_parent(c[3], "of another store");
    no_parent(world.path("nowhere"), "there is no backup");
    no_parent(world.path("store"), "there is no backup");
    no_parent(world.path("snapshot"), "not a logical one");
    refused_with(
        [&] { static_cast<void>(backup_increment(*world.store, world.path("inc"), a[0])); },
        "not a snapshot");
  }
}

TEST_CASE(
    "what no logical increment can follow says so: of a read-only store, a copy, too long ago") {
  for (const bool encrypted : {true, false}) {
    CAPTURE(encrypted);
    IncrementWorld world(encrypted);
    const Paths chain = world.chain_of("a", 2);
    const auto no_parent = [&](Store& store, const std::filesystem::path& parent,
                               const std::string& why) {
      refused_with(
          [&] { static_cast<void>(backup_logical_increment(store, world.path("inc"), parent)); },
          why);
      CHECK_FALSE(std::filesystem::exists(world.path("inc")));
    };
    world.store->close();
    std::filesystem::copy(world.path("store"), world.path("twin"),
                          std::filesystem::copy_options::recursive);
    {
      Options options;
      options.read_only = true;
      Store reading = world.open("store", options);
      static_cast<void>(backup_logical(reading, world.path("of reading")));
      no_parent(reading, chain[1], "read-only");
    }
    world.store.emplace(world.open("store"));
    CHECK(world.restored({world.path("of reading")}) == contents_of(*world.store));
    no_parent(*world.store, world.path("of reading"), "open read-only");

    // Two copies of one directory that go different ways; what both had can be both's parent.
    Store twin = world.open("twin");
    world.put("only here", "1");
    static_cast<void>(backup_logical_increment(*world.store, world.path("2"), chain[1]));
    no_parent(twin, world.path("2"), "does not remember");
    static_cast<void>(backup_logical_increment(twin, world.path("2 of twin"), chain[1]));
    // As many checkpoints as the other has, and another state.
    no_parent(twin, world.path("2"), "does not remember");
    CHECK(world.restored({chain[0], chain[1], world.path("2 of twin")}) == contents_of(twin));
    CHECK(world.restored({chain[0], chain[1], world.path("2")}) == contents_of(*world.store));

    // Restored from a snapshot: another instance.  From a logical backup: another store.
    static_cast<void>(backup_snapshot_directory(*world.store, world.path("copy")));
    Store copy = world.open("copy");
    no_parent(copy, world.path("2"), "another copy of this store");
    RestoreOptions restoring;
    restoring.new_key = world.key;
    static_cast<void>(
        restore_backup({chain[0], chain[1]}, world.key, world.path("again"), restoring));
    Store again = world.open("again");
    no_parent(again, chain[1], "of another store");

    // A store remembers 64.
    static_cast<void>(backup_logical(*world.store, world.path("forgotten")));
    for (int i = 0; i < 64; ++i) {
      static_cast<void>(backup_logical(*world.store, world.path("x")));
      std::filesystem::remove(world.path("x"));
    }
    no_parent(*world.store, world.path("forgotten"), "does not remember");
  }
}

TEST_CASE("an increment goes on from the checkpoint that a full backup began with") {
  // A writer commits between that checkpoint and the last chunk, as the watch lets it.
  IncrementWorld world(true);
  fill(*world.store, 1, 200);
  int calls = 0;
  BackupOptions options;
  options.watch = [&](const BackupProgress&) {
    if (++calls == 1) world.put("meanwhile", "1");
    return true;
  };
  options.bytes_per_second_max = 4 << 20;
  const StoreModel before = contents_of(*world.store);
  static_cast<void>(backup_logical(*world.store, world.path("full"), options));
  REQUIRE(calls > 0);
  CHECK(world.restored({world.path("full")}) == before);
  static_cast<void>(
      backup_logical_increment(*world.store, world.path("inc"), world.path("full"), options));
  const StoreModel after = contents_of(*world.store);
  CHECK(after.at("t").entries.size() == 1);
  CHECK(world.restored({world.path("full"), world.path("inc")}) == after);
}

TEST_CASE("a cancelled logical increment or restore leaves nothing, and nothing is overwritten") {
  IncrementWorld world(true);
  fill(*world.store, 1, 300);
  static_cast<void>(backup_logical(*world.store, world.path("full")));
  fill(*world.store, 2, 300);
  const auto never = [](const BackupProgress&) { return false; };
  BackupOptions options;
  options.watch = never;
  CHECK_THROWS_AS(static_cast<void>(backup_logical_increment(*world.store, world.path("inc"),
                                                             world.path("full"), options)),
                  Cancelled);
  CHECK(world.store->statistics().pinned_slots == 0);
  CHECK(names_in(world.directory.path()) == std::vector<std::string>{"full", "store"});
  write_bytes(world.path("there"), {});
  for (const char* const place : {"there", "store", "full", "nowhere/inc"}) {
    CHECK(outcome_of([&] {
            static_cast<void>(
                backup_logical_increment(*world.store, world.path(place), world.path("full")));
          }) == "InvalidArgument");
  }
  static_cast<void>(backup_logical_increment(*world.store, world.path("inc"), world.path("full")));
  const Paths chain{world.path("full"), world.path("inc")};
  RestoreOptions restoring;
  restoring.watch = never;
  CHECK_THROWS_AS(
      static_cast<void>(restore_backup(chain, world.key, world.path("restored"), restoring)),
      Cancelled);
  CHECK(outcome_of([&] {
          static_cast<void>(restore_backup(chain, world.key, world.path("store")));
        }) == "InvalidArgument");
  BackupProgress last;
  const BackupReport report =
      verify_backup(chain, world.key, {.watch = [&](const BackupProgress& now) {
                      last = now;
                      return true;
                    }});
  CHECK(last.bytes_total == report.bytes);
  CHECK(last.bytes_done == report.bytes - 2 * 4608);
  CHECK(last.entries == report.entries);
  CHECK(names_in(world.directory.path()) ==
        std::vector<std::string>{"full", "inc", "store", "there"});
}

}  // namespace coffer::test
