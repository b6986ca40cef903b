// Snapshots and increments that somebody cut, extended, edited or put together: refused, and nothing is left behind.
#include <catch2/catch.hpp>

#include <map>

#include "backup_model.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using Bytestring = std::vector<std::byte>;

/// A small store's snapshot and an increment of it.
struct DamagedSnapshot {
  explicit DamagedSnapshot(bool encrypted) {
    Store store = encrypted ? Store::create(directory.path() / "store", key)
                            : Store::create_unencrypted(directory.path() / "store");
    const auto put = [&](const char* k, const std::string& v) {
      WriteTransaction writing = store.write();
      writing.create_tree("t").put(k, v);
      writing.commit();
    };
    put("key", "value");
    put("large", std::string(9000, 'v'));
    static_cast<void>(backup_snapshot(store, full));
    put("other", "more");
    static_cast<void>(backup_increment(store, increment, full));
    opened_with = encrypted ? &key : nullptr;
    before = names_in(directory.path());
  }
  /// What restoring the chain says, with one of the two files replaced by these bytes.
  std::string said_of(const std::filesystem::path& which, std::span<const std::byte> changed) {
    const auto file = directory.path() / "changed";
    write_bytes(file, changed);
    const std::vector<std::filesystem::path> chain =
        which == full ? std::vector{file, increment} : std::vector{full, file};
    std::string said = outcome_of([&] {
      static_cast<void>(restore_backup(chain, opened_with, directory.path() / "restored"));
    });
    const bool there = std::filesystem::exists(directory.path() / "restored");
    if (there != (said == "done")) said = "something was left";
    std::filesystem::remove_all(directory.path() / "restored");
    std::filesystem::remove(file);
    if (names_in(directory.path()) != before) said = "something was left";
    return said;
  }
  TempDirectory directory;
  Key key = key_from(9);
  const Key* opened_with = nullptr;
  std::filesystem::path full = directory.path() / "full";
  std::filesystem::path increment = directory.path() / "increment";
  std::vector<std::string> before;
};

bool refused(const std::string& said) {
  // An edited label can also say that the file is of another kind, chain, store or version.
  return said == "Tampered" || said == "Corrupted" || said == "InvalidArgument" ||
         said == "VersionUnsupported";
}

}  // namespace

TEST_CASE("no byte of a snapshot or an increment can be changed, filler and all") {
  for (const bool encrypted : {true, false}) {
    DamagedSnapshot world(encrypted);
    for (const auto& which : {world.full, world.increment}) {
      const Bytestring bytes = bytes_of(which);
      CAPTURE(encrypted, which.filename().string(), bytes.size());
      REQUIRE(world.said_of(which, bytes) == "done");
      std::map<std::string, int> said;
      const std::size_t step = sampling_step(29);
      for (std::size_t at = 0; at < bytes.size(); at += step) {
        Bytestring changed = bytes;
        changed[at] ^= std::byte{static_cast<unsigned char>(1u << (at % 8))};
        CAPTURE(at);
        const std::string what = world.said_of(which, changed);
        ++said[what];
        REQUIRE(refused(what));
        // Behind the label there is one answer.
        if (at >= 144)
          REQUIRE(what == (encrypted && at >= 4608 ? "Tampered" : encrypted ? what : "Corrupted"));
      }
      CHECK(said[encrypted ? "Tampered" : "Corrupted"] > 20);
    }
  }
}

TEST_CASE("a snapshot or an increment cut at any length, or extended, is refused") {
  for (const bool encrypted : {true, false}) {
    DamagedSnapshot world(encrypted);
    for (const auto& which : {world.full, world.increment}) {
      const Bytestring bytes = bytes_of(which);
      CAPTURE(encrypted, which.filename().string(), bytes.size());
      const std::size_t step = sampling_step(31);
      for (std::size_t length = 0; length < bytes.size(); length += step) {
        CAPTURE(length);
        const std::string what = world.said_of(which, std::span(bytes).first(length));
        REQUIRE((what == "Tampered" || what == "Corrupted"));
      }
      // Also by what makes the arithmetic of groups come out.
      for (const std::size_t more : {1u, 25u, 4096u, 4096u + 8209u, 8209u, 70000u}) {
        Bytestring longer = bytes;
        longer.resize(longer.size() + more);
        CAPTURE(more);
        REQUIRE(world.said_of(which, longer) == (encrypted ? "Tampered" : "Corrupted"));
      }
    }
  }
}

TEST_CASE(
    "groups that were dropped, repeated, swapped or taken from another snapshot are refused") {
  constexpr std::size_t kFront = 4608 + 16392 + 17;
  constexpr std::size_t kGroup = (4 << 20) + 8192 + 17;
  for (const bool encrypted : {true, false}) {
    const TempDirectory directory;
    const Key key = key_from(9);
    Store store = encrypted ? Store::create(directory.path() / "store", key)
                            : Store::create_unencrypted(directory.path() / "store");
    {
      WriteTransaction writing = store.write();
      Tree tree = writing.create_tree("t");
      for (int i = 0; i < 14'000; ++i) tree.put(std::to_string(i), std::string(900, 'v'));
      writing.commit();
    }
    static_cast<void>(backup_snapshot(store, directory.path() / "one"));
    static_cast<void>(backup_snapshot(store, directory.path() / "two"));
    const Bytestring one = bytes_of(directory.path() / "one");
    const Bytestring two = bytes_of(directory.path() / "two");
    REQUIRE(one.size() > kFront + 3 * kGroup);
    const auto part = [](const Bytestring& of, std::size_t from, std::size_t to) {
      return Bytestring(of.begin() + static_cast<std::ptrdiff_t>(from),
                        of.begin() + static_cast<std::ptrdiff_t>(std::min(to, of.size())));
    };
    const auto group = [&](const Bytestring& of, std::size_t i) {
      return part(of, kFront + i * kGroup, kFront + (i + 1) * kGroup);
    };
    const auto joined = [&](std::initializer_list<Bytestring> parts) {
      Bytestring all;
      for (const auto& p : parts) all.insert(all.end(), p.begin(), p.end());
      write_bytes(directory.path() / "joined", all);
      return outcome_of([&] {
        static_cast<void>(verify_backup(directory.path() / "joined", encrypted ? &key : nullptr));
      });
    };
    const std::string said = encrypted ? "Tampered" : "Corrupted";
    const auto front = part(one, 0, kFront);
    const auto rest = part(one, kFront + 2 * kGroup, one.size());
    CAPTURE(encrypted);
    CHECK(joined({front, group(one, 0), group(one, 1), rest}) == "done");
    CHECK(joined({front, group(one, 1), rest}) == said);                                // dropped
    CHECK(joined({front, group(one, 0), group(one, 0), group(one, 1), rest}) == said);  // repeated
    CHECK(joined({front, group(one, 1), group(one, 0), rest}) == said);                 // swapped
    CHECK(joined({front, group(one, 0), group(one, 1)}) == said);                       // cut
    CHECK(joined({front}) == said);
    CHECK(joined({front, part(one, one.size() - 25, one.size())}) == said);  // only the end
    CHECK(joined({front, group(two, 0), group(one, 1), rest}) == said);
    CHECK(joined({part(two, 0, kFront), group(one, 0), group(one, 1), rest}) == said);
    // The slots of one group with what is sealed for another.
    const auto slots = [&](std::size_t i) { return part(group(one, i), 0, 4 << 20); };
    const auto table = [&](std::size_t i) { return part(group(one, i), 4 << 20, kGroup); };
    CHECK(joined({front, slots(0), table(0), slots(1), table(1), rest}) == "done");
    CHECK(joined({front, slots(1), table(0), slots(0), table(1), rest}) == said);
  }
}

TEST_CASE(
    "nothing of an encrypted store can be read in its snapshots, and an unencrypted one's can") {
  const std::string marker = "PLANTED-MARKER-8d1f3c";
  for (const bool encrypted : {true, false}) {
    const TempDirectory directory;
    const Key key = key_from(0x5a);
    Store store = encrypted ? Store::create(directory.path() / "store", key)
                            : Store::create_unencrypted(directory.path() / "store");
    {
      WriteTransaction writing = store.write();
      Tree tree = writing.create_tree(marker + "tree");
      for (int i = 0; i < 200; ++i) tree.put(marker + std::to_string(i), marker);
      ValueWriter large = tree.write("large");
      for (int i = 0; i < 5000; ++i) large.write(marker);
      large.finish();
      writing.commit();
    }
    static_cast<void>(backup_snapshot(store, directory.path() / "full"));
    {
      WriteTransaction writing = store.write();
      writing.tree(marker + "tree").put("new", marker);
      writing.commit();
    }
    static_cast<void>(
        backup_increment(store, directory.path() / "increment", directory.path() / "full"));
    static_cast<void>(backup_snapshot_directory(store, directory.path() / "copy"));
    for (const char* name : {"full", "increment", "copy/pages", "copy/keys", "copy/superblock"}) {
      const Bytestring bytes = bytes_of(directory.path() / name);
      const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      CAPTURE(encrypted, name);
      const bool pages = std::string(name) != "copy/keys" && std::string(name) != "copy/superblock";
      CHECK((text.find(marker) != std::string::npos) == (!encrypted && pages));
      // The key, which is 32 times this byte.
      CHECK(text.find(std::string(32, '\x5a')) == std::string::npos);
    }
  }
}

}  // namespace coffer::test
