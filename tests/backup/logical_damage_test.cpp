// Backups that somebody cut, extended or edited: refused with a typed error, and nothing is left behind.
#include <catch2/catch.hpp>

#include <map>

#include "backup_model.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

struct Damaged {
  explicit Damaged(bool encrypted, bool compressed = false) {
    Store store = encrypted ? Store::create(directory.path() / "store", key)
                            : Store::create_unencrypted(directory.path() / "store");
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("t");
    tree.put("key", "value");
    tree.put("other", std::string(300, 'v'));
    static_cast<void>(writing.create_tree("multi", {.multi_value = true}));
    writing.commit();
    report = backup_logical(store, directory.path() / "backup", {.compress = compressed});
    bytes = bytes_of(directory.path() / "backup");
    opened_with = encrypted ? &key : nullptr;
  }
  /// What verifying says of these bytes; "done" when nothing.
  std::string said_of(std::span<const std::byte> changed) const {
    const auto file = directory.path() / "changed";
    write_bytes(file, changed);
    return outcome_of([&] { static_cast<void>(verify_backup(file, opened_with)); });
  }
  TempDirectory directory;
  Key key = key_from(9);
  const Key* opened_with = nullptr;
  std::vector<std::byte> bytes;
  BackupReport report;
};

}  // namespace

TEST_CASE("no byte of a backup can be changed, whatever it is changed to") {
  for (const auto& [encrypted, compressed] : {std::pair(true, false), std::pair(false, false),
                                              std::pair(true, true), std::pair(false, true)}) {
    Damaged backup(encrypted, compressed);
    CAPTURE(encrypted, compressed);
    REQUIRE(backup.said_of(backup.bytes) == "done");
    std::map<std::string, int> said;
    const std::size_t step = sampling_step(3);
    for (std::size_t at = 0; at < backup.bytes.size(); at += step) {
      auto changed = backup.bytes;
      changed[at] ^= std::byte{static_cast<unsigned char>(1u << (at % 8))};
      const std::string what = backup.said_of(changed);
      ++said[what];
      CAPTURE(at);
      REQUIRE(what != "done");
    }
    // A wrong key is not what somebody hears whose file was damaged.
    CHECK(said["WrongKey"] == 0);
    CHECK(said["InvalidArgument"] == 0);
    CHECK(said[encrypted ? "Tampered" : "Corrupted"] > 20);
  }
}

TEST_CASE("a backup cut at any length, or extended, is refused") {
  for (const auto& [encrypted, compressed] : {std::pair(true, false), std::pair(false, false),
                                              std::pair(true, true), std::pair(false, true)}) {
    Damaged backup(encrypted, compressed);
    CAPTURE(encrypted, compressed);
    const std::span<const std::byte> whole(backup.bytes);
    const std::size_t step = sampling_step(3);
    for (std::size_t length = 0; length < whole.size(); length += step) {
      CAPTURE(length);
      const std::string what = backup.said_of(whole.first(length));
      REQUIRE((what == "Tampered" || what == "Corrupted"));
    }
    for (const std::size_t more : {1u, 16u, 17u, 70'000u}) {
      auto longer = backup.bytes;
      longer.resize(longer.size() + more);
      CAPTURE(more);
      REQUIRE(backup.said_of(longer) == (encrypted ? "Tampered" : "Corrupted"));
    }
  }
}

TEST_CASE("chunks that were dropped, repeated, swapped or taken from another backup are refused") {
  constexpr std::size_t kHeader = 4608;
  constexpr std::size_t kChunk = 65'536 + 17;
  for (const bool encrypted : {true, false}) {
    const TempDirectory directory;
    const Key key = key_from(9);
    Store store = encrypted ? Store::create(directory.path() / "store", key)
                            : Store::create_unencrypted(directory.path() / "store");
    fill(store, 1, 200);
    const Key* const opened_with = encrypted ? &key : nullptr;
    static_cast<void>(backup_logical(store, directory.path() / "one"));
    static_cast<void>(backup_logical(store, directory.path() / "two"));
    const auto one = bytes_of(directory.path() / "one");
    const auto two = bytes_of(directory.path() / "two");
    REQUIRE(one.size() > kHeader + 4 * kChunk);
    const auto part = [](const std::vector<std::byte>& of, std::size_t from, std::size_t to) {
      return std::vector<std::byte>(
          of.begin() + static_cast<std::ptrdiff_t>(from),
          of.begin() + static_cast<std::ptrdiff_t>(std::min(to, of.size())));
    };
    const auto chunk = [&](const std::vector<std::byte>& of, std::size_t i) {
      return part(of, kHeader + i * kChunk, kHeader + (i + 1) * kChunk);
    };
    const auto joined = [&](std::initializer_list<std::vector<std::byte>> parts) {
      std::vector<std::byte> all;
      for (const auto& p : parts) all.insert(all.end(), p.begin(), p.end());
      write_bytes(directory.path() / "joined", all);
      return outcome_of(
          [&] { static_cast<void>(verify_backup(directory.path() / "joined", opened_with)); });
    };
    const std::string refused = encrypted ? "Tampered" : "Corrupted";
    const auto head = part(one, 0, kHeader);
    const auto rest = part(one, kHeader + 2 * kChunk, one.size());
    CAPTURE(encrypted);
    CHECK(joined({head, chunk(one, 0), chunk(one, 1), rest}) == "done");
    CHECK(joined({head, chunk(one, 1), rest}) == refused);  // dropped
    CHECK(joined({head, chunk(one, 0), rest}) == refused);  // dropped
    CHECK(joined({head, chunk(one, 0), chunk(one, 0), chunk(one, 1), rest}) ==
          refused);                                                        // repeated
    CHECK(joined({head, chunk(one, 1), chunk(one, 0), rest}) == refused);  // swapped
    CHECK(joined({head, chunk(one, 0), chunk(one, 1)}) == refused);        // cut between chunks
    CHECK(joined({head}) == refused);
    if (!encrypted)
      continue;  // two unencrypted backups of one state differ in their ids and time only
    CHECK(joined({head, chunk(two, 0), chunk(two, 1), rest}) == refused);
    CHECK(joined({part(two, 0, kHeader), chunk(one, 0), chunk(one, 1), rest}) == refused);
  }
}

TEST_CASE("a damaged backup leaves nothing of the store that it should have become") {
  Damaged backup(true);
  auto changed = backup.bytes;
  changed.back() ^= std::byte{1};
  write_bytes(backup.directory.path() / "changed", changed);
  const auto before = names_in(backup.directory.path());
  CHECK_THROWS_AS(
      static_cast<void>(restore_logical(backup.directory.path() / "changed", &backup.key,
                                        backup.directory.path() / "restored")),
      Tampered);
  CHECK(names_in(backup.directory.path()) == before);
}

}  // namespace coffer::test
