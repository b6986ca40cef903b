// Calls that are refused before anything is read or written, and names that are made usable.
#include <catch2/catch.hpp>

#include <coffer/backup.hpp>

#include "backup_model.hpp"
#include "label_files.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {

TEST_CASE("a name without a store's is refused, and a slash behind one is no part of it") {
  const TempDirectory directory;
  Store store = Store::create_unencrypted(directory.path() / "store");
  for (const char* const name : {"", "s"}) {
    CHECK(outcome_of([&] { static_cast<void>(backup_logical(store, {}, {.store_name = name})); }) ==
          "InvalidArgument");
  }
  CHECK(outcome_of([&] { static_cast<void>(backup_logical(store, "/")); }) == "InvalidArgument");
  static_cast<void>(backup_logical(store, directory.path() / "slash/"));
  CHECK(std::filesystem::is_regular_file(directory.path() / "slash"));
  CHECK(names_in(directory.path()) == std::vector<std::string>{"slash", "store"});
}

TEST_CASE("a store's name is made usable in a file's, whatever bytes it has") {
  const auto name_of_file = [](const std::string& store) {
    return backup_file_name(store, BackupKind::logical, false, std::chrono::nanoseconds(0));
  };
  CHECK(name_of_file("a\x7f\nb").starts_with("a__b-1970"));
  // No character begins anywhere in it, so that it can be cut nowhere.
  CHECK(name_of_file(std::string(200, '\x80')).starts_with("store-1970"));
}

TEST_CASE("one backup is described by its header, and an absent one is not") {
  const TempDirectory directory;
  const backup::Label label =
      full_label_of(7, std::chrono::nanoseconds(0), backup::format::KeyOrigin::store);
  write_bytes(directory.path() / "b", label_file(label, 1));
  const BackupFile described = describe_backup(directory.path() / "b");
  CHECK(described.id == numbered_id(7));
  CHECK(described.kind == BackupKind::logical);
  CHECK(outcome_of([&] { static_cast<void>(describe_backup(directory.path() / "absent")); }) ==
        "InvalidArgument");
}

TEST_CASE("a snapshot is not compressed, and is restored with the page size that it has") {
  const TempDirectory directory;
  const auto at = [&](const char* name) { return directory.path() / name; };
  Store store = Store::create_unencrypted(at("store"));
  CHECK(outcome_of([&] {
          static_cast<void>(backup_snapshot(store, at("b"), {.compress = true}));
        }) == "InvalidArgument");
  static_cast<void>(backup_snapshot(store, at("b")));
  const auto restored = [&](std::uint32_t page_size) {
    return outcome_of([&] {
      static_cast<void>(restore_backup({at("b")}, nullptr, at("r"), {.page_size = page_size}));
    });
  };
  CHECK(restored(8192) == "InvalidArgument");
  CHECK(names_in(directory.path()) == std::vector<std::string>{"b", "store"});
  CHECK(restored(4096) == "done");
  CHECK(contents_of(store).empty());
}

TEST_CASE("an increment does not follow a backup that was cut within its header") {
  const TempDirectory directory;
  const auto at = [&](const char* name) { return directory.path() / name; };
  Store store = Store::create(at("store"), key_from(1));
  static_cast<void>(backup_snapshot(store, at("snapshot")));
  static_cast<void>(backup_logical(store, at("logical")));
  for (const char* const parent : {"snapshot", "logical"}) {
    std::filesystem::resize_file(at(parent), 600);
  }
  CHECK(outcome_of([&] { static_cast<void>(backup_increment(store, at("i"), at("snapshot"))); }) ==
        "Corrupted");
  CHECK(outcome_of([&] {
          static_cast<void>(backup_logical_increment(store, at("i"), at("logical")));
        }) == "Corrupted");
  CHECK(names_in(directory.path()) == std::vector<std::string>{"logical", "snapshot", "store"});
}

}  // namespace coffer::test
