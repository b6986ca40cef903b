// Logical backups through the public interface: every mode, every key, and that what comes back is what was there.
#include <catch2/catch.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>

#include "backup_model.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using Mode = BackupEncryptionMode;

std::filesystem::path in(const TempDirectory& directory, const char* name) {
  return directory.path() / name;
}

Store new_store(const std::filesystem::path& path, const Key* key) {
  return key != nullptr ? Store::create(path, *key) : Store::create_unencrypted(path);
}
Store open_store_with(const std::filesystem::path& path, const Key* key) {
  return key != nullptr ? Store::open(path, *key) : Store::open_unencrypted(path);
}

}  // namespace

// R12 to R17, cell by cell.  The keys: 's' the store's, 'b' the backup's own, 'x' another, '-' none.
TEST_CASE("a logical backup in every mode, opened with every key") {
  struct Row {
    bool encrypted_store;
    std::optional<Mode> mode;
    char given;          // to the backup
    const char* backup;  // what making it says
    const char* opened;  // with 's', 'b', 'x', '-': what verifying and restoring say
  };
  // d done, W WrongKey, I InvalidArgument (a key is missing, or superfluous)
  const Row rows[] = {
      {false, std::nullopt, '-', "done", "IIId"},
      {false, std::nullopt, 'b', "InvalidArgument", ""},
      {false, Mode::none, '-', "done", "IIId"},
      {false, Mode::none, 'b', "InvalidArgument", ""},
      {false, Mode::use_provided_key, '-', "InvalidArgument", ""},
      {false, Mode::use_provided_key, 'b', "done", "WdWI"},
      {false, Mode::use_provided_key, 's', "done", "dWWI"},
      {false, Mode::use_database_key, '-', "InvalidArgument", ""},
      {false, Mode::use_database_key, 'b', "InvalidArgument", ""},
      {true, std::nullopt, '-', "done", "dWWI"},
      {true, std::nullopt, 'b', "InvalidArgument", ""},
      {true, Mode::none, '-', "done", "IIId"},
      {true, Mode::none, 'b', "InvalidArgument", ""},
      {true, Mode::use_provided_key, '-', "InvalidArgument", ""},
      {true, Mode::use_provided_key, 'b', "done", "WdWI"},
      {true, Mode::use_provided_key, 's', "done", "dWWI"},
      {true, Mode::use_database_key, '-', "done", "dWWI"},
      {true, Mode::use_database_key, 'b', "InvalidArgument", ""},
  };
  const TempDirectory directory;
  const Key of_store = key_from(1);
  const Key of_backup = key_from(2);
  const Key another = key_from(3);
  const auto key_of = [&](char which) {
    return which == 's' ? &of_store : which == 'b' ? &of_backup : which == 'x' ? &another : nullptr;
  };
  const auto name_of = [](char c) {
    return std::string(c == 'd' ? "done" : c == 'W' ? "WrongKey" : "InvalidArgument");
  };
  bool compress = false;
  for (const bool encrypted : {false, true}) {
    const auto path = in(directory, encrypted ? "encrypted" : "unencrypted");
    Store store = new_store(path, encrypted ? &of_store : nullptr);
    fill(store, 7);
    const StoreModel before = contents_of(store);
    for (const Row& row : rows) {
      if (row.encrypted_store != encrypted) continue;
      CAPTURE(encrypted, row.mode ? static_cast<int>(*row.mode) : -1, row.given);
      const auto file = in(directory, "backup");
      std::optional<BackupReport> report;
      // Compressed or not is the same to all of it.
      compress = !compress;
      const BackupOptions options{.encryption = {.mode = row.mode, .key = key_of(row.given)},
                                  .compress = compress};
      REQUIRE(outcome_of([&] { report = backup_logical(store, file, options); }) == row.backup);
      REQUIRE(std::filesystem::exists(file) == report.has_value());
      if (!report) continue;
      CHECK(report->encrypted == (row.opened[3] == 'I'));
      CHECK(report->bytes == std::filesystem::file_size(file));
      CHECK(report->trees == 5);
      for (int i = 0; i < 4; ++i) {
        const Key* const key = key_of("sbx-"[i]);
        CAPTURE(i);
        std::optional<BackupReport> seen;
        REQUIRE(outcome_of([&] { seen = verify_backup(file, key); }) == name_of(row.opened[i]));
        if (seen) {
          CHECK(seen->entries == report->entries);
          CHECK(seen->commit == report->commit);
          CHECK(seen->taken == report->taken);
        }
        for (const char new_key : {'-', 's', 'x'}) {
          const auto restored = in(directory, "restored");
          REQUIRE(outcome_of([&] {
                    static_cast<void>(
                        restore_logical(file, key, restored, {.new_key = key_of(new_key)}));
                  }) == name_of(row.opened[i]));
          REQUIRE(std::filesystem::exists(restored) == (row.opened[i] == 'd'));
          if (row.opened[i] != 'd') continue;
          {
            Store again = open_store_with(restored, key_of(new_key));
            CHECK(contents_of(again) == before);
            static_cast<void>(again.check());
            CHECK(again.statistics().encrypted == (new_key != '-'));
          }
          std::filesystem::remove_all(restored);
        }
      }
      std::filesystem::remove(file);
    }
    CHECK(names_in(directory.path()) == (encrypted
                                             ? std::vector<std::string>{"encrypted", "unencrypted"}
                                             : std::vector<std::string>{"unencrypted"}));
  }
}

TEST_CASE("a passphrase opens the backup of the store that it opens, and one of its own") {
  const TempDirectory directory;
  const Key words = passphrase("correct horse");
  const Key others = passphrase("battery staple");
  Store store = Store::create(in(directory, "store"), words);
  fill(store, 3, 5);
  static_cast<void>(backup_logical(store, in(directory, "same")));
  static_cast<void>(
      backup_logical(store, in(directory, "own"),
                     {.encryption = {.mode = Mode::use_provided_key, .key = &others}}));
  CHECK(outcome_of([&] { static_cast<void>(verify_backup(in(directory, "same"), &words)); }) ==
        "done");
  CHECK(outcome_of([&] { static_cast<void>(verify_backup(in(directory, "same"), &others)); }) ==
        "WrongKey");
  CHECK(outcome_of([&] { static_cast<void>(verify_backup(in(directory, "own"), &others)); }) ==
        "done");
  CHECK(outcome_of([&] { static_cast<void>(verify_backup(in(directory, "own"), &words)); }) ==
        "WrongKey");
}

TEST_CASE("a store moves between page sizes through a logical backup") {
  const TempDirectory directory;
  const Key key = key_from(1);
  Store store = Store::create(in(directory, "store"), key, {.page_size = 65'536});
  fill(store, 11);
  static_cast<void>(backup_logical(store, in(directory, "backup")));
  for (const std::uint32_t page_size : {4096u, 16'384u, 65'536u}) {
    const auto path = in(directory, ("p" + std::to_string(page_size)).c_str());
    static_cast<void>(restore_logical(in(directory, "backup"), &key, path,
                                      {.new_key = &key, .page_size = page_size}));
    Store restored = Store::open(path, key);
    CHECK(restored.statistics().page_size == page_size);
    CHECK(contents_of(restored) == contents_of(store));
  }
  // A key that no smaller page can hold: refused, and nothing is left.
  {
    WriteTransaction writing = store.write();
    writing.tree("ordinary").put(std::string(5000, 'k'), "v");
    writing.commit();
  }
  static_cast<void>(backup_logical(store, in(directory, "long")));
  CHECK(outcome_of([&] {
          static_cast<void>(restore_logical(in(directory, "long"), &key, in(directory, "no"),
                                            {.page_size = 4096}));
        }) == "InvalidArgument");
  CHECK_FALSE(std::filesystem::exists(in(directory, "no")));
}

TEST_CASE("nothing that is there is overwritten, and nothing is left of what was refused") {
  const TempDirectory directory;
  const Key key = key_from(1);
  Store store = Store::create(in(directory, "store"), key);
  fill(store, 5, 5);
  write_bytes(in(directory, "file"), std::as_bytes(std::span("mine", 4)));
  static_cast<void>(backup_logical(store, in(directory, "backup")));
  const auto before = names_in(directory.path());
  const auto backup_to = [&](const std::filesystem::path& file) {
    return outcome_of([&] { static_cast<void>(backup_logical(store, file)); });
  };
  const auto restore_to = [&](const std::filesystem::path& path) {
    return outcome_of(
        [&] { static_cast<void>(restore_logical(in(directory, "backup"), &key, path)); });
  };
  CHECK(backup_to(in(directory, "file")) == "InvalidArgument");
  CHECK(backup_to(in(directory, "store")) == "InvalidArgument");
  CHECK(backup_to(in(directory, "nowhere") / "backup") == "InvalidArgument");
  CHECK(restore_to(in(directory, "file")) == "InvalidArgument");
  CHECK(restore_to(in(directory, "store")) == "InvalidArgument");
  CHECK(restore_to(in(directory, "nowhere") / "store") == "InvalidArgument");
  CHECK(outcome_of([&] { static_cast<void>(verify_backup(in(directory, "nothing"), &key)); }) ==
        "InvalidArgument");
  CHECK(outcome_of([&] { static_cast<void>(verify_backup(in(directory, "file"), &key)); }) ==
        "Corrupted");
  CHECK(names_in(directory.path()) == before);
  CHECK(bytes_of(in(directory, "file")).size() == 4);
}

TEST_CASE("the caller hears how far it is, and can end it without a trace") {
  const TempDirectory directory;
  const Key key = key_from(1);
  Store store = Store::create(in(directory, "store"), key);
  {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("t");
    for (int i = 0; i < 2000; ++i)
      tree.put(integer_key(static_cast<std::uint64_t>(i)), std::string(500, 'v'));
    writing.commit();
  }
  BackupProgress last;
  const BackupReport report =
      backup_logical(store, in(directory, "backup"), {.watch = [&](const BackupProgress& now) {
                       CHECK(now.bytes_done >= last.bytes_done);
                       last = now;
                       return true;
                     }});
  CHECK(last.entries == 2000);
  CHECK(last.bytes_done == report.bytes - 4608);
  CHECK(last.bytes_total == 0);
  static_cast<void>(
      verify_backup(in(directory, "backup"), &key, {.watch = [&](const BackupProgress& now) {
                      last = now;
                      return true;
                    }}));
  CHECK(last.bytes_total == report.bytes);
  CHECK(last.bytes_done == report.bytes - 4608);

  // At a tenth of the backup a second it lasts long enough to be asked.
  int asked = 0;
  const auto no = [&](const BackupProgress&) { return ++asked < 3; };
  CHECK(outcome_of([&] {
          static_cast<void>(
              backup_logical(store, in(directory, "second"),
                             {.watch = no, .bytes_per_second_max = report.bytes / 10}));
        }) == "Cancelled");
  CHECK(asked == 3);
  const auto never = [](const BackupProgress&) { return false; };
  CHECK(outcome_of([&] {
          static_cast<void>(restore_logical(in(directory, "backup"), &key,
                                            in(directory, "restored"), {.watch = never}));
        }) == "Cancelled");
  CHECK(names_in(directory.path()) == std::vector<std::string>{"backup", "store"});
}

TEST_CASE("a backup shows what survives a power cut, and makes all that is committed so") {
  const TempDirectory directory;
  const Key key = key_from(1);
  Store store = Store::create(in(directory, "store"), key);
  const auto put = [&](const char* name, Durability durability) {
    WriteTransaction writing = store.write();
    writing.create_tree("t").put(name, "");
    writing.commit(durability);
  };
  put("durable", Durability::full);
  put("relaxed", Durability::relaxed);
  REQUIRE(store.statistics().durable_commit < store.statistics().last_commit);
  const BackupReport report = backup_logical(store, in(directory, "backup"));
  CHECK(report.commit == store.statistics().last_commit);
  CHECK(store.statistics().durable_commit == store.statistics().last_commit);
  CHECK(report.entries == 2);
}

TEST_CASE("a backup is one commit, while four threads write and checkpoints run", "[threads]") {
  const TempDirectory directory;
  const Key key = key_from(1);
  Options options;
  options.checkpoint_journal_bytes = 64 << 10;
  Store store = Store::create(in(directory, "store"), key, {}, options);
  constexpr int kThreads = 4;
  // A commit sets its thread's counter in three trees, so that any mixture of two commits shows.
  const char* const names[] = {"a", "b", "c"};
  {
    WriteTransaction writing = store.write();
    for (const char* name : names) static_cast<void>(writing.create_tree(name));
    writing.commit();
  }
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      for (std::uint64_t n = 1; !stop; ++n) {
        WriteTransaction writing = store.write();
        for (const char* name : names) {
          Tree tree = writing.tree(name);
          tree.put(std::to_string(t), integer_key(n));
          tree.put(std::to_string(t) + "/" + std::to_string(n % 500), std::string(n % 3000, 'x'));
        }
        writing.commit(Durability::relaxed);
      }
    });
  }
  const int backups = full_campaign() ? 300 : 12;
  std::uint64_t last_sum = 0;
  for (int i = 0; i < backups; ++i) {
    store.sync();
    const auto file = in(directory, "backup");
    const auto restored = in(directory, "restored");
    const BackupReport report = backup_logical(store, file);
    static_cast<void>(restore_logical(file, &key, restored, {.new_key = &key}));
    {
      Store again = Store::open(restored, key);
      const StoreModel all = contents_of(again);
      // The sum of the counters counts the commits: the backup is exactly the commit that it says.
      std::uint64_t sum = 0;
      for (const auto& [k, v] : all.at("a").entries)
        if (k.find('/') == std::string::npos) sum += key_integer(Bytes(v));
      CHECK(sum + 1 == report.commit);
      CHECK(sum >= last_sum);
      last_sum = sum;
      CHECK(all.at("b") == all.at("a"));
      CHECK(all.at("c") == all.at("a"));
    }
    std::filesystem::remove(file);
    std::filesystem::remove_all(restored);
  }
  stop = true;
  for (auto& writer : writers) writer.join();
  CHECK(last_sum > 0);
}

}  // namespace coffer::test
