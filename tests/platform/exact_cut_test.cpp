// Cuts of which each change's fate is given, and a disk that errs by itself.
#include <algorithm>
#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <set>

#include "tests/platform/worlds.hpp"

using namespace coffer;
using namespace coffer::platform;
using namespace coffer::test;

namespace {

/// A file of two 4 KiB blocks of one letter, durable with its name.
std::unique_ptr<File> two_blocks(SimulatedPlatform& machine) {
  machine.record(true);
  auto file = machine.files().create("/f");
  machine.files().sync_directory("/");
  file->write_at(0, filled(8192, 'a'));
  file->sync();
  return file;
}

/// The letters of the file's sectors, of which each is of one kind, after that cut.
std::string sectors_after(const SimulatedPlatform& machine, const ExactCut& cut,
                          std::uint64_t seed = 0) {
  const auto after = machine.cut_exactly_at(machine.steps(), cut, seed);
  const auto bytes = after->contents("/f");
  std::string letters;
  for (std::size_t at = 0; at < bytes.size(); at += 512) {
    letters += static_cast<char>(bytes[at]);
    REQUIRE(std::all_of(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                        bytes.begin() + static_cast<std::ptrdiff_t>(at + 512),
                        [&](std::byte b) { return b == bytes[at]; }));
  }
  return letters;
}

}  // namespace

TEST_CASE("an exact cut lands the changes that it names, and no others") {
  const auto machine = SimulatedPlatform::make(1);
  const auto file = two_blocks(*machine);
  file->write_at(0, filled(512, 'B'));
  file->write_at(512, filled(512, 'C'));
  file->write_at(0, filled(512, 'D'));
  REQUIRE(machine->unsynced_at(machine->steps()) == 3);
  const std::string rest(14, 'a');
  CHECK(sectors_after(*machine, {.lands = {}, .torn = {}}) == "aa" + rest);
  CHECK(sectors_after(*machine, {.lands = {true}, .torn = {}}) == "Ba" + rest);
  CHECK(sectors_after(*machine, {.lands = {false, true, false}, .torn = {}}) == "aC" + rest);
  CHECK(sectors_after(*machine, {.lands = {false, false, true}, .torn = {}}) == "Da" + rest);
  CHECK(sectors_after(*machine, {.lands = {true, true, true}, .torn = {}}) == "DC" + rest);
}

TEST_CASE("what no sync has made durable is counted at each step, names among it") {
  const auto machine = SimulatedPlatform::make(1);
  const auto file = two_blocks(*machine);
  const auto quiet = machine->steps();
  file->write_at(0, filled(512, 'B'));
  const auto other = machine->files().create("/g");
  file->data_sync();
  machine->files().sync_directory("/");
  CHECK(machine->unsynced_at(quiet) == 0);
  CHECK(machine->unsynced_at(quiet + 1) == 1);
  CHECK(machine->unsynced_at(quiet + 2) == 2);
  CHECK(machine->unsynced_at(quiet + 3) == 1);
  CHECK(machine->unsynced_at(quiet + 4) == 0);
  CHECK_FALSE(machine->cut_exactly_at(quiet + 2, {.lands = {true, false}, .torn = {}}, 0)
                  ->files()
                  .exists("/g"));
  CHECK(machine->cut_exactly_at(quiet + 2, {.lands = {false, true}, .torn = {}}, 0)
            ->files()
            .exists("/g"));
}

TEST_CASE("a torn write lands in pieces of the size asked for, at least one of them missing") {
  const auto machine = SimulatedPlatform::make(1);
  const auto file = two_blocks(*machine);
  file->write_at(0, filled(8192, 'B'));
  std::set<std::string> by_block;
  std::set<std::string> by_sector;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    by_block.insert(sectors_after(*machine, {.lands = {}, .torn = 0, .piece_bytes = 4096}, seed));
    by_sector.insert(sectors_after(*machine, {.lands = {}, .torn = 0, .piece_bytes = 512}, seed));
  }
  const std::string none(8, 'a');
  const std::string whole(8, 'B');
  CHECK(by_block == std::set<std::string>{none + none, none + whole, whole + none});
  CHECK(by_sector.size() > 100);
  CHECK_FALSE(by_sector.contains(whole + whole));
}

TEST_CASE("a torn change without pieces does not land") {
  const auto machine = SimulatedPlatform::make(1);
  const auto file = two_blocks(*machine);
  file->truncate(512);
  CHECK(sectors_after(*machine, {.lands = {true}, .torn = {}}) == "a");
  CHECK(sectors_after(*machine, {.lands = {true}, .torn = 0}).size() == 16);
}

TEST_CASE("a misdirected read or write goes elsewhere, and nobody is told") {
  const auto machine = SimulatedPlatform::make(1);
  const auto file = two_blocks(*machine);
  file->write_at(4096, filled(4096, 'b'));
  const auto map = file->map(0, 8192);
  machine->set_misdirection(
      [](const char*, const Path&, std::uint64_t offset, std::uint64_t) { return offset ^ 4096; });
  std::byte byte{};
  CHECK(file->read_at(0, {&byte, 1}) == 1);
  CHECK(byte == std::byte{'b'});
  map->copy_out(4096, {&byte, 1});
  CHECK(byte == std::byte{'a'});
  file->write_at(0, bytes_of("x"));
  machine->set_misdirection({});
  CHECK(machine->contents("/f")[0] == std::byte{'a'});
  CHECK(machine->contents("/f")[4096] == std::byte{'x'});
}

TEST_CASE("rot flips bits on the disk and in what is read, without a step") {
  const auto machine = SimulatedPlatform::make(1);
  const auto file = two_blocks(*machine);
  const auto steps = machine->steps();
  machine->rot("/f", 600, std::byte{0x03});
  CHECK(machine->steps() == steps);
  CHECK(machine->contents("/f")[600] == (std::byte{'a'} ^ std::byte{0x03}));
  CHECK(machine->contents("/f")[601] == std::byte{'a'});
  const auto after = machine->cut_at(steps, CutOutcome::nothing_lands, 0);
  CHECK(after->contents("/f")[600] == (std::byte{'a'} ^ std::byte{0x03}));
  CHECK_THROWS_AS(machine->rot("/absent", 0, std::byte{1}), IoError);
}

TEST_CASE("the time of day can be set back, and the other clock goes on") {
  const auto machine = SimulatedPlatform::make(1);
  const auto monotonic = machine->clock().monotonic();
  const auto wall = machine->clock().wall();
  machine->set_wall_back(std::chrono::hours(3));
  machine->advance(std::chrono::seconds(5));
  CHECK(machine->clock().monotonic() - monotonic == std::chrono::seconds(5));
  CHECK(wall - machine->clock().wall() == std::chrono::hours(3) - std::chrono::seconds(5));
}
