// What a power cut leaves, against cases worked out by hand.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <coffer/error.hpp>
#include <random>
#include <set>

#include "tests/platform/worlds.hpp"

using namespace coffer;
using namespace coffer::platform;
using namespace coffer::test;

namespace {

std::unique_ptr<SimulatedPlatform> recorded() {
  auto machine = SimulatedPlatform::make(1);
  machine->record(true);
  return machine;
}

/// "-" when the file is not there, otherwise its bytes as text.
std::string text_in(SimulatedPlatform& machine, const Path& path) {
  if (!machine.files().exists(path)) return "-";
  return text_of(*machine.files().open(path, OpenMode::read_only));
}

/// All that can be left of `path` when the power goes now, over many seeds.
std::set<std::string> texts_left(const SimulatedPlatform& machine, const Path& path,
                                 CutOutcome outcome, std::uint64_t seeds = 200) {
  std::set<std::string> texts;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    texts.insert(text_in(*machine.cut_at(machine.steps(), outcome, seed), path));
  }
  return texts;
}

/// A file of sectors, each filled with one letter, with its name and contents durable.
std::unique_ptr<File> durable_sectors(SimulatedPlatform& machine, const Path& path,
                                      const std::string& letters) {
  auto file = machine.files().create(path);
  machine.files().sync_directory(path.parent_path());
  std::string text;
  for (const char letter : letters) text += std::string(512, letter);
  file->write_at(0, bytes_of(text));
  file->sync();
  return file;
}

/// The letters of a file of sectors; '?' for a sector that is not of one kind, '0' for zeros.
std::string letters_in(SimulatedPlatform& machine, const Path& path) {
  const auto text = text_in(machine, path);
  std::string letters;
  for (std::size_t at = 0; at < text.size(); at += 512) {
    const auto sector = text.substr(at, 512);
    const bool pure =
        std::all_of(sector.begin(), sector.end(), [&](char byte) { return byte == sector[0]; });
    letters += !pure ? '?' : sector[0] == '\0' ? '0' : sector[0];
  }
  return letters;
}

std::set<std::string> letters_left(const SimulatedPlatform& machine, const Path& path,
                                   CutOutcome outcome, std::uint64_t seeds = 300) {
  std::set<std::string> letters;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    letters.insert(letters_in(*machine.cut_at(machine.steps(), outcome, seed), path));
  }
  return letters;
}

using Set = std::set<std::string>;

}  // namespace

TEST_CASE("what was synced survives every cut") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", "abc");
  for (const auto outcome : kCutOutcomes)
    CHECK(letters_left(*machine, "/f", outcome) == Set{"abc"});
}

TEST_CASE("data_sync makes data and length durable, as sync does") {
  const auto machine = recorded();
  const auto file = machine->files().create("/f");
  machine->files().sync_directory("/");
  file->write_at(0, bytes_of("data"));
  file->data_sync();
  for (const auto outcome : kCutOutcomes) CHECK(texts_left(*machine, "/f", outcome) == Set{"data"});
}

TEST_CASE("the sectors of an unsynced write land independently") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", "aaaa");
  file->write_at(512, filled(1024, 'B'));
  CHECK(letters_left(*machine, "/f", CutOutcome::nothing_lands) == Set{"aaaa"});
  CHECK(letters_left(*machine, "/f", CutOutcome::everything_lands) == Set{"aBBa"});
  CHECK(letters_left(*machine, "/f", CutOutcome::random_sectors) ==
        Set{"aaaa", "aBaa", "aaBa", "aBBa"});
  CHECK(letters_left(*machine, "/f", CutOutcome::random_writes) == Set{"aaaa", "aBBa"});
  // One write: before it, or in it with none or the first of its two sectors, or behind it.
  CHECK(letters_left(*machine, "/f", CutOutcome::prefix_then_torn) == Set{"aaaa", "aBaa", "aBBa"});
}

TEST_CASE("a write that covers parts of sectors lands in parts that are cut at sectors") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", "aa");
  file->write_at(500, filled(24, 'B'));
  const auto with = [](std::size_t begin, std::size_t end) {
    std::string text(1024, 'a');
    std::fill(text.begin() + static_cast<std::ptrdiff_t>(begin),
              text.begin() + static_cast<std::ptrdiff_t>(end), 'B');
    return text;
  };
  CHECK(texts_left(*machine, "/f", CutOutcome::random_sectors) ==
        Set{with(0, 0), with(500, 512), with(512, 524), with(500, 524)});
}

TEST_CASE("writes can land in another order than they were made") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", "aa");
  file->write_at(0, filled(512, 'B'));
  file->write_at(512, filled(512, 'C'));
  CHECK(letters_left(*machine, "/f", CutOutcome::random_writes) == Set{"aa", "Ba", "aC", "BC"});
  CHECK(letters_left(*machine, "/f", CutOutcome::prefix_then_torn) == Set{"aa", "Ba", "BC"});
}

TEST_CASE("a prefix keeps the order between files") {
  const auto machine = recorded();
  const auto f = durable_sectors(*machine, "/f", "a");
  const auto g = durable_sectors(*machine, "/g", "a");
  g->write_at(0, filled(512, 'B'));
  f->write_at(0, filled(512, 'B'));
  Set both;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto left = machine->cut_at(machine->steps(), CutOutcome::prefix_then_torn, seed);
    both.insert(letters_in(*left, "/g") + letters_in(*left, "/f"));
  }
  CHECK(both == Set{"aa", "Ba", "BB"});
}

TEST_CASE("a torn block holds garbage whole, and only blocks with unsynced writes tear") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", std::string(16, 'a'));
  file->write_at(9 * 512, filled(512, 'B'));
  const auto left = letters_left(*machine, "/f", CutOutcome::torn_blocks);
  CHECK(left == Set{"aaaaaaaaaaaaaaaa", "aaaaaaaaaBaaaaaa", "aaaaaaaa????????"});
}

TEST_CASE("an unsynced length may be lost while data lands, and shows no data then") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", "a");
  file->write_at(512, filled(512, 'B'));
  CHECK(letters_left(*machine, "/f", CutOutcome::random_sectors) == Set{"a", "a0", "aB"});
  CHECK(letters_left(*machine, "/f", CutOutcome::random_writes) == Set{"a", "aB"});
  // Data that landed without its length must not come back when the file grows later.
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto left = machine->cut_at(machine->steps(), CutOutcome::random_sectors, seed);
    const auto before = letters_in(*left, "/f");
    left->files().open("/f", OpenMode::read_write)->truncate(1024);
    CHECK(letters_in(*left, "/f") == (before == "a" ? "a0" : before));
  }
  file->truncate(512);
  CHECK(letters_left(*machine, "/f", CutOutcome::everything_lands) == Set{"a"});
}

TEST_CASE("truncation and reservation land whole or not, and a hole by sectors") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", "abc");
  SECTION("truncation") {
    file->truncate(512);
    CHECK(letters_left(*machine, "/f", CutOutcome::random_sectors) == Set{"abc", "a"});
    file->truncate(1024);
    CHECK(letters_left(*machine, "/f", CutOutcome::everything_lands) == Set{"a0"});
    CHECK(letters_left(*machine, "/f", CutOutcome::random_writes) == Set{"abc", "a", "a0", "ab"});
  }
  SECTION("reservation") {
    file->allocate(1024, 1024);
    CHECK(letters_left(*machine, "/f", CutOutcome::random_sectors) == Set{"abc", "abc0"});
  }
  SECTION("hole") {
    file->punch(0, 1024);
    CHECK(letters_left(*machine, "/f", CutOutcome::random_sectors) ==
          Set{"abc", "0bc", "a0c", "00c"});
    CHECK(letters_left(*machine, "/f", CutOutcome::random_writes) == Set{"abc", "00c"});
  }
}

TEST_CASE("a name is durable only when its directory was synced") {
  const auto machine = recorded();
  auto& files = machine->files();
  const auto file = files.create("/f");
  file->write_at(0, bytes_of("data"));
  file->sync();
  CHECK(texts_left(*machine, "/f", CutOutcome::nothing_lands) == Set{"-"});
  CHECK(texts_left(*machine, "/f", CutOutcome::random_sectors) == Set{"-", "data"});
  CHECK(texts_left(*machine, "/f", CutOutcome::prefix_then_torn) == Set{"-", "data"});
  files.sync_directory("/");
  for (const auto outcome : kCutOutcomes) CHECK(texts_left(*machine, "/f", outcome) == Set{"data"});

  files.remove("/f");
  CHECK(texts_left(*machine, "/f", CutOutcome::nothing_lands) == Set{"data"});
  CHECK(texts_left(*machine, "/f", CutOutcome::everything_lands) == Set{"-"});
  CHECK(texts_left(*machine, "/f", CutOutcome::random_writes) == Set{"-", "data"});
  files.sync_directory("/");
  CHECK(texts_left(*machine, "/f", CutOutcome::nothing_lands) == Set{"-"});
}

TEST_CASE("a renamed file has its old or its new name, and never both or none") {
  const auto machine = recorded();
  auto& files = machine->files();
  const auto file = durable_sectors(*machine, "/a", "x");
  files.rename("/a", "/b");
  const auto names_left = [&](CutOutcome outcome) {
    Set names;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      const auto left = machine->cut_at(machine->steps(), outcome, seed);
      std::string all;
      for (const auto& name : left->files().list("/")) all += name;
      names.insert(all);
    }
    return names;
  };
  CHECK(names_left(CutOutcome::nothing_lands) == Set{"a"});
  CHECK(names_left(CutOutcome::everything_lands) == Set{"b"});
  CHECK(names_left(CutOutcome::random_writes) == Set{"a", "b"});
  files.rename("/b", "/c");
  CHECK(names_left(CutOutcome::random_writes) == Set{"a", "b", "c"});
  CHECK(names_left(CutOutcome::prefix_then_torn) == Set{"a", "b", "c"});
  files.sync_directory("/");
  CHECK(names_left(CutOutcome::random_writes) == Set{"c"});
}

TEST_CASE("a directory that did not land takes its contents with it") {
  const auto machine = recorded();
  auto& files = machine->files();
  files.make_directory("/d.new");
  const auto file = durable_sectors(*machine, "/d.new/f", "x");
  CHECK(letters_in(*machine->cut_at(machine->steps(), CutOutcome::nothing_lands, 0), "/d.new/f") ==
        "-");
  files.rename("/d.new", "/d");
  files.sync_directory("/");
  for (const auto outcome : kCutOutcomes) {
    CHECK(letters_left(*machine, "/d/f", outcome, 20) == Set{"x"});
  }
}

TEST_CASE("a cut shows the disk of its step, asked in any order") {
  const auto machine = recorded();
  const auto file = machine->files().create("/f");
  machine->files().sync_directory("/");
  const auto before_writes = machine->steps();
  constexpr std::uint64_t kWrites = 3000;
  for (std::uint64_t i = 0; i < kWrites; ++i) {
    file->write_at(0, bytes_of(std::to_string(10000 + i)));
    if (i % 2 == 1) file->sync();
  }
  const auto text_at = [&](std::uint64_t writes, CutOutcome outcome) {
    return text_in(*machine->cut_at(before_writes + writes + writes / 2, outcome, 0), "/f");
  };
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t writes = random() % kWrites + 1;
    CAPTURE(writes);
    REQUIRE(text_at(writes, CutOutcome::everything_lands) == std::to_string(10000 + writes - 1));
    if (writes < 2) continue;
    REQUIRE(text_at(writes, CutOutcome::nothing_lands) ==
            std::to_string(10000 + writes - 1 - writes % 2));
  }
  CHECK(text_in(*machine->cut_at(0, CutOutcome::everything_lands, 0), "/f") == "-");
}

TEST_CASE("the same seed cuts the same way, and another one another way") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", std::string(64, 'a'));
  file->write_at(0, filled(64 * 512, 'B'));
  const auto left = [&](CutOutcome outcome, std::uint64_t seed) {
    return machine->cut_at(machine->steps(), outcome, seed)->contents("/f");
  };
  for (const auto outcome : {CutOutcome::random_sectors, CutOutcome::torn_blocks}) {
    CHECK(left(outcome, 5) == left(outcome, 5));
    CHECK(left(outcome, 5) != left(outcome, 6));
  }
}

TEST_CASE("a machine after a cut is durable, free, and goes its own way") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", "a");
  const auto lock = machine->files().lock("/f", false);
  file->write_at(0, filled(512, 'B'));
  const auto left = machine->cut_at(machine->steps(), CutOutcome::everything_lands, 0);
  CHECK(left->open_files() == 0);
  CHECK(left->steps() == 0);
  CHECK_NOTHROW(left->files().lock("/f", false));
  left->record(true);
  left->files().open("/f", OpenMode::read_write)->write_at(0, filled(512, 'C'));
  CHECK(letters_in(*left, "/f") == "C");
  CHECK(letters_in(*machine, "/f") == "B");
  CHECK(letters_in(*left->cut_at(1, CutOutcome::nothing_lands, 0), "/f") == "B");

  std::vector<std::byte> ours(32);
  std::vector<std::byte> theirs(32);
  const auto again = machine->cut_at(machine->steps(), CutOutcome::everything_lands, 1);
  left->entropy().fill(ours);
  again->entropy().fill(theirs);
  CHECK(ours != theirs);
  std::vector<std::byte> original(32);
  machine->entropy().fill(original);
  CHECK(ours != original);
}

TEST_CASE("after every step of a long log, no cut loses what was synced or invents what was not") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto machine = recorded();
  constexpr std::size_t kSectors = 24;
  const auto file = durable_sectors(*machine, "/f", std::string(kSectors, 'a'));
  // For each step: what each sector certainly holds when nothing lands, and all it may hold.
  std::vector<std::string> durable{std::string(kSectors, 'a')};
  std::vector<std::vector<Set>> possible;
  std::string live = durable.back();
  std::vector<Set> now(kSectors, Set{"a"});
  possible.push_back(now);
  const auto first = machine->steps();
  for (int i = 0; i < 150; ++i) {
    auto stable = durable.back();
    if (random() % 4 == 0) {
      file->data_sync();
      stable = live;
      for (std::size_t s = 0; s < kSectors; ++s) now[s] = {std::string(1, live[s])};
    } else {
      const auto at = random() % kSectors;
      const auto count = std::min<std::size_t>(random() % 5 + 1, kSectors - at);
      const auto letter = static_cast<char>('b' + i % 24);
      file->write_at(at * 512, filled(count * 512, letter));
      for (auto s = at; s < at + count; ++s) {
        live[s] = letter;
        now[s].insert(std::string(1, letter));
      }
    }
    durable.push_back(stable);
    possible.push_back(now);
  }
  for (std::size_t step = 0; step < durable.size(); ++step) {
    CAPTURE(step);
    REQUIRE(letters_in(*machine->cut_at(first + step, CutOutcome::nothing_lands, 0), "/f") ==
            durable[step]);
    for (const auto outcome :
         {CutOutcome::random_sectors, CutOutcome::random_writes, CutOutcome::prefix_then_torn}) {
      const auto left = letters_in(*machine->cut_at(first + step, outcome, step), "/f");
      REQUIRE(left.size() == kSectors);
      for (std::size_t s = 0; s < kSectors; ++s) {
        REQUIRE(possible[step][s].contains(std::string(1, left[s])));
      }
    }
  }
}

TEST_CASE("cutting after every step of tens of thousands is affordable") {
  const auto machine = recorded();
  const auto file = durable_sectors(*machine, "/f", "a");
  file->allocate(0, 8 << 20);
  file->sync();
  // 2,000 commits of a few pages, a sync each, and a second file that is synced rarely.
  const auto pages = machine->files().create("/pages");
  for (std::uint64_t commit = 0; commit < 2000; ++commit) {
    for (std::uint64_t w = 0; w < 8; ++w) {
      pages->write_at((commit * 8 + w) % 2048 * 4096, filled(4096, static_cast<int>(commit)));
    }
    file->write_at(commit * 1024, filled(1024, static_cast<int>(commit)));
    file->data_sync();
    if (commit % 100 == 99) pages->sync();
  }
  REQUIRE(machine->steps() > 20000);
  std::uint64_t cuts = 0;
  std::uint64_t bytes = 0;
  for (std::uint64_t step = 0; step <= machine->steps(); step += 5) {
    for (const auto outcome : {CutOutcome::nothing_lands, CutOutcome::random_writes}) {
      const auto left = machine->cut_at(step, outcome, step);
      bytes += left->files().exists("/f") ? 1u : 0u;
      ++cuts;
    }
  }
  // What each takes is not asserted (some 0.1 ms).  The file is missing only before it was made.
  CHECK(cuts > 8000);
  CHECK(bytes + 10 > cuts);
}
