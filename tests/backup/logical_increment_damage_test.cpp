// Increments of logical backups that somebody cut, edited or made up: refused with a typed error.
#include <catch2/catch.hpp>

#include <sodium.h>

#include <map>

#include "backup_model.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using namespace std::string_literals;
using Paths = std::vector<std::filesystem::path>;

struct DamagedIncrement {
  explicit DamagedIncrement(bool encrypted) {
    Store store =
        encrypted ? Store::create(path("store"), key) : Store::create_unencrypted(path("store"));
    {
      WriteTransaction writing = store.write();
      writing.create_tree("t").put("key", "value");
      static_cast<void>(writing.create_tree("multi", {.multi_value = true}));
      writing.commit();
    }
    static_cast<void>(backup_logical(store, path("full")));
    static_cast<void>(backup_logical_increment(store, path("first"), path("full")));
    {
      WriteTransaction writing = store.write();
      writing.tree("t").put("other", std::string(300, 'v'));
      writing.tree("multi").put("m", "1");
      writing.commit();
    }
    static_cast<void>(backup_logical_increment(store, path("second"), path("first")));
    bytes = bytes_of(path("second"));
    opened_with = encrypted ? &key : nullptr;
  }
  std::filesystem::path path(const std::string& name) const { return directory.path() / name; }
  /// What verifying says when the last link has these bytes; "done" when nothing.
  std::string said_of(std::span<const std::byte> changed) const {
    write_bytes(path("changed"), changed);
    return outcome_of([&] {
      static_cast<void>(
          verify_backup(Paths{path("full"), path("first"), path("changed")}, opened_with));
    });
  }
  TempDirectory directory;
  Key key = key_from(9);
  const Key* opened_with = nullptr;
  std::vector<std::byte> bytes;
};

std::string little(std::uint64_t number, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i));
  return text;
}
std::string origin_of(const std::string& store_id) {
  return "\1"s + store_id + std::string(16, 'i') + little(7, 8) + little(1, 8) + little(4096, 4) +
         little(3, 8) + std::string(32, 'c');
}
std::string tree_of(const std::string& name, int options, const std::string& ranges,
                    std::uint64_t entries) {
  return "\2"s + little(static_cast<std::uint64_t>(options), 1) + little(name.size(), 1) + name +
         ranges + "\4"s + little(entries, 8);
}
std::string entry_of(const std::string& key, const std::string& value) {
  return "\3"s + little(key.size(), 2) + little(value.size(), 8) + key + value;
}
std::string end_of(std::uint64_t trees, std::uint64_t entries) {
  return "\5"s + little(trees, 8) + little(entries, 8);
}
std::string bound_of(int kind, const std::string& key, const std::string& value) {
  return little(static_cast<std::uint64_t>(kind), 1) + little(key.size(), 2) +
         little(value.size(), 2) + key + value;
}
std::string low_of(int kind, const std::string& key = {}, const std::string& value = {}) {
  return "\7"s + bound_of(kind, key, value);
}
std::string high_of(int kind, const std::string& key = {}, const std::string& value = {}) {
  return "\10"s + bound_of(kind, key, value);
}

std::string hash_of(const std::string& text) {
  std::string hash(32, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(hash.data()), 32,
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return hash;
}
std::string text_of(const std::filesystem::path& file) {
  const auto bytes = bytes_of(file);
  return std::string(Bytes(std::span<const std::byte>(bytes)).text());
}

/// A true unencrypted full backup, and increments of it with records of somebody's own.
class IncrementForger {
 public:
  IncrementForger() {
    Store store = Store::create_unencrypted(path("store"));
    {
      WriteTransaction writing = store.write();
      Tree tree = writing.create_tree("t");
      for (const char* const key : {"b", "d", "f", "h"}) tree.put(key, key);
      Tree multi = writing.create_tree("u", {.multi_value = true});
      for (const char* const value : {"2", "4", "6"}) multi.put("k", value);
      Tree numbers = writing.create_tree("v", {.integer_keys = true});
      for (const std::uint64_t n : {1u, 256u}) numbers.put(integer_key(n), "n");
      writing.commit();
    }
    static_cast<void>(backup_logical(store, path("full")));
    static_cast<void>(backup_logical_increment(store, path("true"), path("full")));
    parent_hash = hash_of(text_of(path("full")).substr(0, 4608));
    // Behind the chunk's mark and the record's type.
    store_id = text_of(path("full")).substr(4608 + 2, 16);
    header_ = text_of(path("true")).substr(0, 4608);
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return directory_.path() / name;
  }
  [[nodiscard]] std::string start() const { return origin_of(store_id) + "\6"s + parent_hash; }

  /// What restoring the chain with these records says, or what stands then in a tree of it: the keys of "t", the values
  /// of another.
  std::string said_of(const std::string& records, const std::string& tree = "t") {
    const std::string sealed = "\1"s + records;
    const std::string checksum = hash_of(hash_of(header_) + little(0, 8) + sealed).substr(0, 16);
    const std::string file = header_ + sealed + checksum;
    write_bytes(path("forged"), std::as_bytes(std::span(file)));
    const Paths chain{path("full"), path("forged")};
    const std::string verified =
        outcome_of([&] { static_cast<void>(verify_backup(chain, nullptr)); });
    std::string restored =
        outcome_of([&] { static_cast<void>(restore_backup(chain, nullptr, path("restored"))); });
    // What verifies can be restored, and the other way round.
    CHECK(verified == restored);
    if (restored == "done") restored = keys_or_values(tree);
    std::filesystem::remove_all(path("restored"));
    CHECK(names_in(directory_.path()) ==
          std::vector<std::string>{"forged", "full", "store", "true"});
    return restored;
  }
  /// The same of ranges of one tree.
  std::string ranges(const std::string& records, std::uint64_t entries = 0, int options = 0,
                     const std::string& name = "t") {
    return said_of(start() + tree_of(name, options, records, entries) + end_of(1, entries), name);
  }

  std::string parent_hash;
  std::string store_id;

 private:
  std::string keys_or_values(const std::string& tree) const {
    Store store = Store::open_unencrypted(path("restored"));
    static_cast<void>(store.check());
    const StoreModel all = contents_of(store);
    if (!all.contains(tree)) return "no tree";
    std::string text;
    for (const auto& [key, value] : all.at(tree).entries) text += tree == "t" ? key : value;
    return text;
  }

  TempDirectory directory_;
  std::string header_;
};

}  // namespace

TEST_CASE("no byte of a logical increment can be changed, and it can be cut nowhere") {
  for (const bool encrypted : {true, false}) {
    const DamagedIncrement increment(encrypted);
    CAPTURE(encrypted);
    REQUIRE(increment.said_of(increment.bytes) == "done");
    std::map<std::string, int> said;
    const std::size_t step = sampling_step(7);
    for (std::size_t at = 0; at < increment.bytes.size(); at += step) {
      auto changed = increment.bytes;
      changed[at] ^= std::byte{static_cast<unsigned char>(1u << (at % 8))};
      const std::string what = increment.said_of(changed);
      ++said[what];
      CAPTURE(at, what);
      REQUIRE((what == "Tampered" || what == "Corrupted" || what == "VersionUnsupported"));
    }
    CHECK(said[encrypted ? "Tampered" : "Corrupted"] > 20);
    const std::span<const std::byte> whole(increment.bytes);
    for (std::size_t length = 0; length < whole.size(); length += step) {
      CAPTURE(length);
      const std::string what = increment.said_of(whole.first(length));
      REQUIRE((what == "Tampered" || what == "Corrupted"));
    }
    for (const std::size_t more : {1u, 16u, 17u, 70'000u}) {
      auto longer = increment.bytes;
      longer.resize(longer.size() + more);
      CHECK(increment.said_of(longer) == (encrypted ? "Tampered" : "Corrupted"));
    }
    // A damaged one is no parent.
    auto changed = increment.bytes;
    changed.back() ^= std::byte{1};
    write_bytes(increment.path("changed"), changed);
    Store store = encrypted ? Store::open(increment.path("store"), increment.key)
                            : Store::open_unencrypted(increment.path("store"));
    CHECK(outcome_of([&] {
            static_cast<void>(
                backup_logical_increment(store, increment.path("next"), increment.path("changed")));
          }) == (encrypted ? "Tampered" : "Corrupted"));
    CHECK_FALSE(std::filesystem::exists(increment.path("next")));
  }
}

TEST_CASE(
    "a logical increment replaces what lies in its ranges, keeps the rest, and drops other trees") {
  IncrementForger forger;
  CHECK(forger.ranges("") == "bdfh");
  CHECK(forger.ranges(low_of(0) + high_of(0)) == "");
  CHECK(forger.ranges(low_of(0) + high_of(1, "d")) == "dfh");
  CHECK(forger.ranges(low_of(1, "d") + high_of(0)) == "b");
  CHECK(forger.ranges(low_of(2, "d") + high_of(0)) == "bd");
  CHECK(forger.ranges(low_of(1, "c") + high_of(1, "g")) == "bh");
  CHECK(forger.ranges(low_of(1, "d") + entry_of("d", "") + entry_of("e", "") + high_of(1, "h"),
                      2) == "bdeh");
  CHECK(forger.ranges(low_of(2, "b") + entry_of("c", "") + high_of(1, "d") + low_of(2, "f") +
                          entry_of("z", "") + high_of(0),
                      2) == "bcdfz");
  CHECK(forger.ranges(low_of(1, "d") + high_of(1, "f") + low_of(1, "f") + high_of(1, "h")) == "bh");
  CHECK(forger.ranges(low_of(1, "k", "3") + high_of(1, "k", "6"), 0, 1, "u") == "26");
  CHECK(forger.ranges(low_of(2, "k", "2") + entry_of("k", "3") + high_of(1, "k", "6"), 1, 1, "u") ==
        "236");
  CHECK(forger.ranges(low_of(1, "l") + high_of(0), 0, 1, "u") == "246");
  CHECK(forger.ranges(low_of(1, "k", "7") + high_of(0), 0, 1, "u") == "246");
  CHECK(forger.ranges(low_of(0) + high_of(1, "", "x"), 0, 1, "u") == "246");
  // Bounds of integer keys may be shorter than those.
  CHECK(forger.ranges(low_of(1, std::string(7, '\0')) + high_of(0), 0, 2, "v") == "");
  CHECK(forger.ranges(low_of(1, std::string(6, '\0') + "\1") + high_of(0), 0, 2, "v") == "n");
  // Another kind of tree begins empty.
  CHECK(forger.ranges(low_of(0) + entry_of("d", "1") + entry_of("d", "2") + high_of(0), 2, 1) ==
        "dd");
  CHECK(forger.ranges("", 0, 1) == "");
  CHECK(forger.said_of(forger.start() + end_of(0, 0)) == "no tree");
  CHECK(forger.said_of(forger.start() + tree_of("u", 1, "", 0) + end_of(1, 0)) == "no tree");
  CHECK(forger.said_of(forger.start() + tree_of("s", 0, "", 0) + end_of(1, 0), "s") == "");
}

TEST_CASE(
    "logical increments with records that cannot be are refused, by verifying as by restoring") {
  IncrementForger forger;
  const std::string e = entry_of("e", "");
  const std::string bad = "Corrupted";
  CHECK(forger.ranges(e, 1) == bad);  // in no range
  CHECK(forger.ranges(low_of(0) + e, 1) == bad);
  CHECK(forger.ranges(high_of(0)) == bad);
  CHECK(forger.ranges(low_of(0) + low_of(0) + high_of(0)) == bad);
  CHECK(forger.ranges(low_of(0) + e + high_of(0), 2) == bad);       // miscounted
  CHECK(forger.ranges(low_of(1, "f") + e + high_of(0), 1) == bad);  // before its range
  CHECK(forger.ranges(low_of(2, "e") + e + high_of(0), 1) == bad);  // at what it is behind
  CHECK(forger.ranges(low_of(0) + e + high_of(1, "e"), 1) == bad);  // behind its range
  CHECK(forger.ranges(low_of(0) + e + e + high_of(0), 2) == bad);   // twice
  CHECK(forger.ranges(low_of(1, "e") + e + e + high_of(0), 2) == bad);
  CHECK(forger.ranges(low_of(0) + e + entry_of("d", "") + high_of(0), 2) == bad);
  CHECK(forger.ranges(low_of(0) + high_of(1)) == bad);  // nothing is in it
  CHECK(forger.ranges(low_of(1, "e") + high_of(1, "e")) == bad);
  CHECK(forger.ranges(low_of(2, "e") + high_of(1, "e")) == bad);
  CHECK(forger.ranges(low_of(1, "e") + high_of(1, "d")) == bad);
  CHECK(forger.ranges(low_of(1, "e") + high_of(2, "f")) == bad);  // only a low bound is behind
  CHECK(forger.ranges(low_of(3, "e") + high_of(0)) == bad);
  CHECK(forger.ranges(low_of(0, "e") + high_of(0)) == bad);
  CHECK(forger.ranges(low_of(1, "e", "v") + high_of(0)) == bad);  // a value, in a tree without
  CHECK(forger.ranges(low_of(0) + high_of(0) + low_of(1, "e") + high_of(0)) == bad);
  CHECK(forger.ranges(low_of(0) + high_of(1, "c") + low_of(0) + high_of(1, "e")) == bad);
  CHECK(forger.ranges(low_of(0) + high_of(1, "e") + low_of(1, "d") + high_of(0)) == bad);
  CHECK(forger.ranges(low_of(1, std::string(1007, 'k')) + high_of(0)) == bad);
  CHECK(forger.ranges(low_of(1, std::string(1006, 'k')) + high_of(0)) == "bdfh");
  CHECK(forger.ranges(low_of(1, std::string(9, 'k')) + high_of(0), 0, 2, "v") == bad);
  CHECK(forger.ranges(low_of(1, "k", "3") + entry_of("k", "2") + high_of(0), 1, 1, "u") == bad);
  CHECK(forger.ranges(low_of(0, "", "v") + high_of(0), 0, 1, "u") == bad);
  CHECK(forger.ranges(low_of(2, "k", "2") + entry_of("k", "2") + high_of(0), 1, 1, "u") == bad);
  CHECK(forger.ranges(low_of(0) + entry_of("k", "2") + high_of(1, "k", "2"), 1, 1, "u") == bad);
  CHECK(forger.ranges("", 0, 4) == "VersionUnsupported");
  CHECK(forger.said_of(origin_of(forger.store_id) + end_of(0, 0)) == bad);  // of nothing
  CHECK(forger.said_of(origin_of(forger.store_id) + "\6"s + std::string(32, 'h') + end_of(0, 0)) ==
        bad);  // of another backup
  CHECK(forger.said_of(origin_of(std::string(16, 's')) + "\6"s + forger.parent_hash +
                       end_of(0, 0)) == "InvalidArgument");  // of another store
  CHECK(forger.said_of(forger.start() + tree_of("u", 1, "", 0) + tree_of("t", 0, "", 0) +
                       end_of(2, 0)) == bad);
}

}  // namespace coffer::test
