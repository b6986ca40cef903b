// Linux only: small file systems are mounted
//
// Backups and restores for which there is no room: refused, before anything is written where that can be known, and
// nothing is left.
#include <catch2/catch.hpp>
#include <coffer/coffer.hpp>
#include <filesystem>
#include <random>
#include <vector>

#include "tests/hard/worker_process.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/skip.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::hard {
namespace {

void put_noise(Store& store, int count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string value(900, '\0');
  WriteTransaction writing = store.write();
  Tree tree = writing.create_tree("noise");
  for (int i = 0; i < count; ++i) {
    for (char& b : value) b = static_cast<char>(random());
    tree.put(integer_key(static_cast<std::uint64_t>(i)), value);
  }
  writing.commit();
}

}  // namespace

TEST_CASE("A backup or a restore for which there is no room is refused and leaves nothing") {
  const test::TempDirectory directory;
  const test::MemoryFileSystem small(directory.path() / "small", "2m");
  if (!small.mounted()) return test::skip("no file system can be mounted here");
  const auto at = [&](const char* name) { return directory.path() / name; };
  const Key key = test_key();
  Store store = Store::create(at("store"), key);
  put_noise(store, 100, 1);
  static_cast<void>(backup_snapshot(store, at("full")));
  static_cast<void>(backup_logical(store, at("logical")));
  put_noise(store, 10'000, 2);  // some 9 MB
  static_cast<void>(backup_snapshot(store, at("full now")));
  static_cast<void>(backup_logical(store, at("logical now")));

  const auto said = [&](const auto& make) -> std::string {
    try {
      static_cast<void>(make());
    } catch (const NoSpace& refusal) {
      CHECK(small.is_empty());
      return refusal.what();
    }
    return "done";
  };
  // "about N bytes are needed": before anything is written.  Otherwise the system's own words.
  using Catch::Matchers::Contains;
  const auto known_before = Contains("bytes are needed");
  const auto found_then = Contains("No space left on device");
  CHECK_THAT(said([&] { return backup_snapshot(store, small.at("b")); }), known_before);
  CHECK_THAT(said([&] { return backup_snapshot_directory(store, small.at("b")); }), known_before);
  CHECK_THAT(said([&] { return backup_increment(store, small.at("b"), at("full")); }),
             known_before);
  CHECK_THAT(said([&] { return backup_logical(store, small.at("b")); }), found_then);
  CHECK_THAT(said([&] { return backup_logical_increment(store, small.at("b"), at("logical")); }),
             found_then);
  CHECK_THAT(said([&] { return restore_backup({at("full now")}, &key, small.at("s")); }),
             known_before);
  const RestoreOptions sealed{.new_key = &key};
  CHECK_THAT(said([&] { return restore_backup({at("logical now")}, &key, small.at("s"), sealed); }),
             known_before);
  // The store goes on, and there is room for less.
  put_noise(store, 5, 3);
  static_cast<void>(backup_increment(store, small.at("b"), at("full now")));
  static_cast<void>(verify_backup({at("full now"), small.at("b")}, &key));
}

}  // namespace coffer::hard
