// Which backups leave: outcomes computed by hand, a model of the rule, and a machine whose power is cut meanwhile.
#include "backup/retention.hpp"

#include <catch2/catch.hpp>

#include <limits>
#include <map>
#include <random>
#include <set>

#include "backup/backup_list.hpp"
#include "backup_model.hpp"
#include "label_files.hpp"
#include "platform/simulated/simulated.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using backup::Label;
using backup::format::KeyOrigin;
using backup::format::Kind;
using std::chrono::days;
using std::chrono::nanoseconds;

/// A directory on a simulated machine; ages are in days before the machine's present.
class BackupPlace {
 public:
  BackupPlace() {
    machine_->record(true);
    machine_->files().make_directory("/b");
    machine_->files().sync_directory("/");
  }
  [[nodiscard]] nanoseconds at(std::int64_t age) const {
    return machine_->clock().wall() - days(age);
  }
  void put(const std::string& name, const Label& label, unsigned char store = 1) {
    const auto file = machine_->files().create("/b/" + name);
    file->write_at(0, label_file(label, store));
    file->sync();
    machine_->files().sync_directory("/b");
  }
  /// A set of the store under its key with links of these ages; the files are NAME0, NAME1, ...
  void put_set(const std::string& name, std::uint32_t id, const std::vector<int>& ages,
               unsigned char store = 1) {
    Label label = full_label_of(id, at(ages.at(0)), KeyOrigin::store);
    put(name + "0", label, store);
    for (std::size_t i = 1; i < ages.size(); ++i) {
      label = label_after(label, id + static_cast<std::uint32_t>(i), at(ages[i]));
      put(name + std::to_string(i), label, store);
    }
  }
  /// What leaves, in order, with blanks between.
  std::string pruned(const PruneOptions& options) {
    const PruneReport report = backup::prune_in(*machine_, "/b", options);
    std::string text;
    for (const BackupFile& backup : report.removed) {
      text += (text.empty() ? "" : " ") + backup.file.filename().string();
    }
    const auto left = machine_->files().list("/b");
    for (const BackupFile& backup : report.removed) {
      const bool there = std::ranges::count(left, backup.file.filename().string()) == 1;
      CHECK(there == options.dry_run);
    }
    for (const BackupFile& backup : report.kept) {
      CHECK(std::ranges::count(left, backup.file.filename().string()) == 1);
    }
    CHECK(left.size() == report.kept.size() + report.others.size() +
                             (options.dry_run ? report.removed.size() : 0));
    return text;
  }
  /// The same, of what would leave.
  std::string would_leave(PruneOptions options) {
    options.dry_run = true;
    return pruned(options);
  }
  platform::SimulatedPlatform& machine() { return *machine_; }

 private:
  std::unique_ptr<platform::SimulatedPlatform> machine_ = platform::SimulatedPlatform::make(1);
};

}  // namespace

TEST_CASE("what is to be kept must be said, and is never nothing") {
  BackupPlace place;
  place.put_set("a", 10, {500});
  const auto refused = [&](const PruneOptions& options) {
    return outcome_of([&] { static_cast<void>(backup::prune_in(place.machine(), "/b", options)); });
  };
  CHECK(refused({}) == "InvalidArgument");
  CHECK(refused({.dry_run = true}) == "InvalidArgument");
  CHECK(refused({.keep_count = 0}) == "InvalidArgument");
  CHECK(refused({.keep_days = 5, .keep_count = 0}) == "InvalidArgument");
  CHECK(place.pruned({.keep_days = 0}).empty());
  CHECK(place.pruned({.keep_count = 1}).empty());
  CHECK(place.pruned({.keep_days = 0, .keep_count = 1}).empty());
  const TempDirectory directory;
  CHECK(outcome_of([&] {
          static_cast<void>(prune_backups(directory.path() / "absent", {.keep_days = 1}));
        }) == "InvalidArgument");
  CHECK(prune_backups(directory.path(), {.keep_days = 1}).kept.empty());
}

TEST_CASE("a set leaves when it is both old and not among the newest") {
  BackupPlace place;
  // Newest link of a: 50 days old, of b: 20, of c: 10, of d: 1.
  place.put_set("a", 10, {90, 80, 50});
  place.put_set("b", 20, {40, 20});
  place.put_set("c", 30, {10});
  place.put_set("d", 40, {2, 1});
  const std::string a = "a2 a1 a0";
  CHECK(place.would_leave({.keep_days = 9}) == a + " b1 b0 c0");
  // Exactly so old is not older.
  CHECK(place.would_leave({.keep_days = 10}) == a + " b1 b0");
  CHECK(place.would_leave({.keep_days = 19}) == a + " b1 b0");
  // The full one of b is 40 days old, but what counts is its increment.
  CHECK(place.would_leave({.keep_days = 20}) == a);
  CHECK(place.would_leave({.keep_days = 49}) == a);
  CHECK(place.would_leave({.keep_days = 50}).empty());
  // One always stays.
  CHECK(place.would_leave({.keep_days = 0}) == a + " b1 b0 c0");
  CHECK(place.would_leave({.keep_count = 1}) == a + " b1 b0 c0");
  CHECK(place.would_leave({.keep_count = 2}) == a + " b1 b0");
  CHECK(place.would_leave({.keep_count = 3}) == a);
  CHECK(place.would_leave({.keep_count = 4}).empty());
  // Either one keeps.
  CHECK(place.would_leave({.keep_days = 15, .keep_count = 1}) == a + " b1 b0");
  CHECK(place.would_leave({.keep_days = 0, .keep_count = 3}) == a);
  CHECK(place.would_leave({.keep_days = 45, .keep_count = 2}) == a);
  // Numbers that no calendar has.
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  CHECK(place.would_leave({.keep_days = kMost}).empty());
  CHECK(place.would_leave({.keep_days = kMost / 86'400 / 1'000'000'000 + 1}).empty());
  CHECK(place.would_leave({.keep_days = 0, .keep_count = kMost}).empty());
  // And it is done.
  CHECK(place.pruned({.keep_days = 19}) == a + " b1 b0");
  CHECK(place.pruned({.keep_days = 19}).empty());
  CHECK(place.machine().files().list("/b") == std::vector<std::string>{"c0", "d0", "d1"});
}

TEST_CASE("what was taken at one moment stays or leaves together") {
  BackupPlace place;
  place.put_set("a", 10, {30});
  place.put_set("b", 20, {30});
  place.put_set("c", 30, {20});
  // For each of a and b one set is newer.
  CHECK(place.would_leave({.keep_count = 2}).empty());
  CHECK(place.would_leave({.keep_count = 1}) == "a0 b0");
}

TEST_CASE("each store keeps its own, however many others there are") {
  BackupPlace place;
  place.put_set("a", 10, {90}, 1);
  place.put_set("b", 20, {80}, 1);
  for (int i = 0; i < 5; ++i) {
    place.put_set("many" + std::to_string(i), 100 + 10 * static_cast<std::uint32_t>(i), {50 + i},
                  2);
  }
  place.put_set("c", 30, {400}, 3);
  CHECK(place.would_leave({.keep_days = 60, .keep_count = 1}) == "a0");
  CHECK(place.would_leave({.keep_days = 60, .keep_count = 2}).empty());
  // 52 and 51 days old are the second and third of the other store.
  CHECK(place.would_leave({.keep_count = 3}) == "many40 many30");
}

TEST_CASE("under other keys and without one, a store is told by the files' names") {
  BackupPlace place;
  const auto put = [&](const std::string& store, std::uint32_t id, int age, KeyOrigin origin) {
    const Label label = full_label_of(id, place.at(age), origin);
    // Such a backup has a key header of its own, and an id of a store that is none.
    place.put(label_file_name(label, store), label, static_cast<unsigned char>(id));
  };
  put("orders", 1, 90, KeyOrigin::provided);
  put("orders", 2, 80, KeyOrigin::provided);
  put("orders", 3, 70, KeyOrigin::none);
  put("orders", 4, 60, KeyOrigin::none);
  put("users", 5, 95, KeyOrigin::provided);
  put("orders", 6, 99, KeyOrigin::store);
  place.put("renamed", full_label_of(7, place.at(99), KeyOrigin::provided));
  const std::string left = place.would_leave({.keep_days = 30, .keep_count = 1});
  const Label first = full_label_of(1, place.at(90), KeyOrigin::provided);
  const Label third = full_label_of(3, place.at(70), KeyOrigin::none);
  CHECK(left == label_file_name(first, "orders") + " " + label_file_name(third, "orders"));
}

TEST_CASE("what has trouble in it stays, and lets nothing else leave") {
  BackupPlace place;
  place.put_set("good", 10, {90});
  place.put_set("newer", 20, {60});
  // Newer ones that must not count: with a double, with an orphan, from the future.
  place.put_set("double", 30, {50});
  place.put("double-copy", full_label_of(30, place.at(50), KeyOrigin::store));
  place.put_set("gap", 40, {45, 44});
  Label third = label_after(full_label_of(40, place.at(45), KeyOrigin::store), 43, place.at(40));
  third.link = 3;
  third.parent = numbered_id(42);
  place.put("gap-3", third);
  place.put_set("future", 50, {40, -1});
  place.put_set("beyond", 60, {-1000});
  Label seven = third;
  seven.id = numbered_id(71);
  seven.set = numbered_id(70);
  seven.link = 7;
  place.put("seven", seven);
  static_cast<void>(place.machine().files().create("/b/.left-0123456789abcdef.in-progress"));
  static_cast<void>(place.machine().files().create("/b/empty.coffer-backup"));
  CHECK(place.would_leave({.keep_count = 2}).empty());
  CHECK(place.pruned({.keep_count = 1}) == "good0");
  CHECK(place.pruned({.keep_days = 0}).empty());
  CHECK(place.machine().files().list("/b") ==
        std::vector<std::string>{".left-0123456789abcdef.in-progress", "beyond0", "double-copy",
                                 "double0", "empty.coffer-backup", "future0", "future1", "gap-3",
                                 "gap0", "gap1", "newer0", "seven"});
}

TEST_CASE(
    "increments leave before what they need, branches too, and a fault in between harms nothing") {
  BackupPlace place;
  place.put_set("a", 10, {90, 80, 70, 60});
  Label branch = label_after(full_label_of(10, place.at(90), KeyOrigin::store), 19, place.at(65));
  place.put("branch", branch);
  place.put_set("b", 20, {1});
  // Both first links before the full one.
  CHECK(place.would_leave({.keep_days = 30}) == "a3 a2 branch a1 a0");
  int removals = 0;
  place.machine().set_fault([&](const char* operation, const platform::Path& path, auto, auto) {
    if (std::string_view(operation) == "remove" && ++removals == 3)
      throw IoError("no", operation, path, 5);
  });
  CHECK_THROWS_AS(static_cast<void>(backup::prune_in(place.machine(), "/b", {.keep_days = 30})),
                  IoError);
  for (const BackupFile& backup : backup::backups_in(place.machine(), "/b").backups) {
    CHECK_FALSE(backup.trouble.has_value());
  }
  // The next time goes on.
  place.machine().set_fault({});
  CHECK(place.pruned({.keep_days = 30}) == "branch a1 a0");
}

TEST_CASE("a power cut while backups leave shortens chains and breaks none") {
  BackupPlace place;
  place.put_set("a", 10, {90, 80, 70});
  place.put_set("b", 20, {60, 59, 58});
  place.put_set("c", 30, {10, 5});
  const std::uint64_t begin = place.machine().steps();
  CHECK(place.pruned({.keep_days = 30}) == "a2 a1 a0 b2 b1 b0");
  const std::uint64_t end = place.machine().steps();
  // Six removals, each with a sync of the directory.
  REQUIRE(end - begin == 12);
  std::set<std::size_t> lengths;
  for (std::uint64_t step = begin; step <= end; ++step) {
    for (const platform::CutOutcome outcome : platform::kCutOutcomes) {
      for (std::uint64_t seed = 0; seed < 8; ++seed) {
        const auto after = place.machine().cut_at(step, outcome, seed);
        const BackupList list = backup::backups_in(*after, "/b");
        CHECK(list.others.empty());
        lengths.insert(list.backups.size());
        for (const BackupFile& backup : list.backups) {
          CAPTURE(step, seed, backup.file.string());
          REQUIRE(backup.trouble != BackupTrouble::orphaned);
        }
      }
    }
  }
  CHECK(lengths == std::set<std::size_t>{2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("a file that was exchanged since it was listed is not removed") {
  BackupPlace place;
  place.put_set("a", 10, {90, 80});
  place.put_set("b", 20, {1});
  // When the first is removed somebody else puts another backup in the place of the next.
  bool done = false;
  place.machine().set_fault([&](const char* operation, const platform::Path&, auto, auto) {
    if (done || std::string_view(operation) != "sync_directory") return;
    done = true;
    place.machine().set_contents("/b/a0",
                                 label_file(full_label_of(77, place.at(0), KeyOrigin::store), 1));
  });
  CHECK_THROWS_WITH(static_cast<void>(backup::prune_in(place.machine(), "/b", {.keep_days = 30})),
                    Catch::Contains("a0 is not what it was"));
  CHECK(place.machine().files().list("/b") == std::vector<std::string>{"a0", "b0"});
}

namespace {

/// What the test knows of a file that it made; the code under test sees the bytes only.
struct MadeFile {
  std::string name;
  std::uint32_t set;
  int link;
  int parent_link;
  std::string group;  ///< of one store and kind of key; "" where it does not show
  int age;            ///< in days
};

struct MadeDirectory {
  std::vector<MadeFile> files;
  std::set<std::uint32_t> spoilt;  ///< sets with a gap, a double, a wrong name
};

MadeDirectory make_directory_of(BackupPlace& place, std::mt19937_64& random) {
  MadeDirectory made;
  const auto one_in = [&](std::uint64_t n) { return random() % n == 0; };
  const auto sets = static_cast<std::uint32_t>(1 + random() % 9);
  for (std::uint32_t set = 1; set <= sets; ++set) {
    const auto origin = static_cast<KeyOrigin>(random() % 3);
    const auto store = static_cast<unsigned char>(1 + random() % 2);
    const std::string store_name = store == 1 ? "one" : "two";
    const bool snapshot = one_in(2);
    const int links = static_cast<int>(random() % 4);
    // No two of a time, for the names' sake: hours that are the set's and link's own.
    const int begun = static_cast<int>(random() % 60);
    Label label;
    std::vector<Label> chain;
    bool missing = false;
    for (int link = 0; link <= links; ++link) {
      const int age = begun - static_cast<int>(random() % 20) * link;
      const auto taken =
          place.at(age) - std::chrono::milliseconds(set * 100 + static_cast<std::uint32_t>(link));
      label =
          link == 0
              ? full_label_of(set * 100, taken, origin, snapshot ? Kind::snapshot : Kind::logical)
              : label_after(chain.back(), set * 100 + static_cast<std::uint32_t>(link), taken);
      chain.push_back(label);
      if (one_in(25)) {
        // What comes after it lacks it.  A chain that only ends earlier is a whole one.
        missing = true;
        continue;
      }
      std::string name = label_file_name(label, store_name);
      std::string group = store_name + std::to_string(static_cast<int>(origin));
      if (one_in(25)) {
        name = "renamed" + std::to_string(set * 100 + static_cast<std::uint32_t>(link));
        if (origin != KeyOrigin::store) made.spoilt.insert(set);
      }
      if (missing) made.spoilt.insert(set);
      place.put(name, label, store);
      made.files.push_back({name, set, link, link - 1, group, age});
      if (one_in(60)) {
        place.put(name + "-copy", label, store);
        made.files.push_back({name + "-copy", set, link, link - 1, group, age});
        made.spoilt.insert(set);
      }
    }
  }
  return made;
}

/// What may leave, from the rule's words: for each set, look at all others.
std::set<std::string> leaving_by_model(const MadeDirectory& made, const PruneOptions& options) {
  // Ages of less than a day do not occur but by milliseconds: a set of the age of N days is a little older.
  struct OfSet {
    double newest = 1e9;
    std::string group;
    bool spoilt = false;
  };
  std::map<std::uint32_t, OfSet> sets;
  for (const MadeFile& file : made.files) {
    OfSet& set = sets[file.set];
    const double age = file.age + 1e-9 * (file.set * 100 + static_cast<unsigned>(file.link));
    set.newest = std::min(set.newest, age);
    set.group = file.group;
    if (made.spoilt.contains(file.set) || age < 0) set.spoilt = true;
  }
  std::set<std::string> names;
  for (const MadeFile& file : made.files) {
    const OfSet& mine = sets[file.set];
    std::uint64_t newer = 0;
    for (const auto& [number, other] : sets) {
      if (!other.spoilt && other.group == mine.group && other.newest < mine.newest) ++newer;
    }
    const bool old = !options.keep_days || mine.newest > static_cast<double>(*options.keep_days);
    const bool many = newer >= (options.keep_count ? *options.keep_count : 1);
    if (!mine.spoilt && old && many) names.insert(file.name);
  }
  return names;
}

}  // namespace

TEST_CASE("whatever there is in a directory, what leaves is what the rule says") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::size_t left = 0;
  std::size_t stayed = 0;
  for (int round = 0; round < (full_campaign() ? 20'000 : 1'500); ++round) {
    BackupPlace place;
    const MadeDirectory made = make_directory_of(place, random);
    PruneOptions options;
    if (random() % 3 != 0) options.keep_days = random() % 50;
    if (!options.keep_days || random() % 2 == 0) options.keep_count = 1 + random() % 4;
    const auto expected = leaving_by_model(made, options);
    const PruneReport report = backup::prune_in(place.machine(), "/b", options);
    std::set<std::string> names;
    std::map<std::string, const MadeFile*> known;
    for (const MadeFile& file : made.files) known[file.name] = &file;
    for (const BackupFile& backup : report.removed) {
      const MadeFile& gone = *known.at(backup.file.filename().string());
      for (const MadeFile& file : made.files) {
        // Nothing that is still there needs it.
        const bool needs = file.set == gone.set && file.parent_link == gone.link;
        REQUIRE_FALSE((needs && !names.contains(file.name)));
      }
      names.insert(gone.name);
    }
    CAPTURE(round);
    REQUIRE(names == expected);
    REQUIRE(report.kept.size() + names.size() == made.files.size());
    REQUIRE(place.machine().files().list("/b").size() == report.kept.size());
    left += names.size();
    stayed += report.kept.size();
  }
  // Both happen, or the test says nothing.
  CHECK(left > 300);
  CHECK(stayed > 300);
}

}  // namespace coffer::test
