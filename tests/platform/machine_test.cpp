// The simulated machine's controls: steps, faults, failed syncs, capacity, tampering, clock,
// memory.
#include <catch2/catch.hpp>
#include <cerrno>
#include <coffer/error.hpp>
#include <cstring>
#include <limits>

#include "tests/platform/worlds.hpp"

using namespace coffer;
using namespace coffer::platform;
using namespace coffer::test;

namespace {

std::string live_text(const SimulatedPlatform& machine, const Path& path) {
  const auto bytes = machine.contents(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("each change of the disk is one step, and reading is none") {
  const auto machine = SimulatedPlatform::make(1);
  machine->record(true);
  auto& files = machine->files();
  files.make_directory("/d");
  const auto file = files.create("/d/f");
  file->write_at(3, bytes_of("hello"));
  const auto run = bytes_of("ab");
  const std::span<const std::byte> runs[] = {run, run};
  file->write_vector_at(8, runs);
  file->allocate(100, 50);
  file->punch(0, 4);
  file->truncate(60);
  file->data_sync();
  file->sync();
  files.rename("/d/f", "/d/g");
  files.sync_directory("/d");
  files.remove("/d/g");
  const auto steps = machine->steps();
  (void)file->size();
  (void)file->map(0, 4096);
  (void)files.list("/d");
  CHECK_THROWS_AS(files.create("/d/x/y"), IoError);
  CHECK(machine->steps() == steps);

  using Kind = SimulatedStep::Kind;
  const auto log = machine->log();
  std::vector<Kind> kinds;
  for (const auto& step : log) kinds.push_back(step.kind);
  CHECK(kinds == std::vector<Kind>{Kind::make_directory, Kind::create, Kind::write, Kind::write,
                                   Kind::allocate, Kind::punch, Kind::truncate, Kind::sync,
                                   Kind::sync, Kind::rename, Kind::sync_directory, Kind::remove});
  CHECK(steps == log.size());
  CHECK(log[2].path == "/d/f");
  CHECK(log[2].offset == 3);
  CHECK(log[2].length == 5);
  CHECK(log[3].length == 4);
}

TEST_CASE("a fault makes its call fail without effect") {
  const auto machine = SimulatedPlatform::make(1);
  const auto file = machine->files().create("/f");
  file->write_at(0, bytes_of("kept"));
  const auto map = file->map(0, 4096);
  std::vector<std::string> seen;
  machine->set_fault([&](const char* operation, const Path& path, std::uint64_t, std::uint64_t) {
    seen.emplace_back(operation);
    throw IoError("simulated", operation, path, EIO);
  });
  const auto steps = machine->steps();
  std::vector<std::byte> out(4);
  CHECK_THROWS_AS(file->write_at(0, bytes_of("lost")), IoError);
  CHECK_THROWS_AS(file->read_at(0, out), IoError);
  CHECK_THROWS_AS(map->copy_out(0, out), IoError);
  CHECK_THROWS_AS(file->sync(), IoError);
  CHECK_THROWS_AS(file->data_sync(), IoError);
  CHECK_THROWS_AS(file->truncate(0), IoError);
  CHECK_THROWS_AS(file->allocate(0, 10000), IoError);
  CHECK_THROWS_AS(file->punch(0, 4), IoError);
  CHECK_THROWS_AS(machine->files().create("/g"), IoError);
  CHECK_THROWS_AS(machine->files().rename("/f", "/g"), IoError);
  CHECK_THROWS_AS(machine->files().remove("/f"), IoError);
  CHECK_THROWS_AS(machine->files().make_directory("/g"), IoError);
  CHECK_THROWS_AS(machine->files().sync_directory("/"), IoError);
  CHECK(seen == std::vector<std::string>{"write", "read", "copy_out", "sync", "data_sync",
                                         "truncate", "allocate", "punch", "create", "rename",
                                         "remove", "make_directory", "sync_directory"});
  machine->set_fault({});
  CHECK(machine->steps() == steps);
  CHECK(text_of(*file) == "kept");
  CHECK(machine->files().list("/") == std::vector<std::string>{"f"});
}

TEST_CASE("a fault may ask the machine that it stops") {
  const auto machine = SimulatedPlatform::make(1);
  const auto file = machine->files().create("/f");
  std::uint64_t steps_seen = 0;
  machine->set_fault([&](const char*, const Path&, std::uint64_t, std::uint64_t) {
    steps_seen = machine->steps();
  });
  file->write_at(0, bytes_of("x"));
  CHECK(steps_seen == 1);
}

TEST_CASE("a failed sync loses the unsynced writes, and the next one reports success") {
  const auto machine = SimulatedPlatform::make(1);
  machine->record(true);
  const auto file = machine->files().create("/f");
  machine->files().sync_directory("/");
  file->write_at(0, bytes_of("durable"));
  file->sync();
  file->write_at(0, bytes_of("lost   and longer"));
  const bool drops = GENERATE(true, false);
  machine->set_failed_sync_drops_writes(drops);
  machine->set_fault([](const char* operation, const Path& path, std::uint64_t, std::uint64_t) {
    if (std::strcmp(operation, "data_sync") == 0) throw IoError("simulated", operation, path, EIO);
  });
  CHECK_THROWS_AS(file->data_sync(), IoError);
  machine->set_fault({});
  CHECK_NOTHROW(file->data_sync());
  const std::string expected = drops ? "durable" + std::string(10, '\0') : "lost   and longer";
  CHECK(text_of(*file) == expected);
  const auto left = machine->cut_at(machine->steps(), CutOutcome::nothing_lands, 0);
  CHECK(live_text(*left, "/f") == expected);
}

TEST_CASE("a disk has room for its capacity and says NoSpace beyond") {
  const auto machine = SimulatedPlatform::make(1);
  machine->set_capacity_bytes(8 * 4096);
  auto& files = machine->files();
  const auto file = files.create("/f");
  file->write_at(0, filled(4 * 4096, 1));
  CHECK(files.free_bytes("/") == 4 * 4096);
  file->write_at(0, filled(4 * 4096, 2));  // in place
  CHECK(files.free_bytes("/") == 4 * 4096);
  CHECK_THROWS_AS(file->write_at(0, filled(9 * 4096, 3)), NoSpace);
  CHECK_THROWS_AS(file->allocate(0, 9 * 4096), NoSpace);
  CHECK(read_all(*file) == filled(4 * 4096, 2));

  file->allocate(4 * 4096, 3 * 4096);
  CHECK(files.free_bytes("/") == 4096);
  const auto other = files.create("/g");
  CHECK_THROWS_AS(other->write_at(0, filled(2 * 4096, 3)), NoSpace);
  CHECK_NOTHROW(file->write_at(4 * 4096, filled(3 * 4096, 3)));  // reserved
  file->punch(0, 2 * 4096);
  CHECK_NOTHROW(other->write_at(0, filled(2 * 4096, 3)));
  file->truncate(0);
  CHECK(files.free_bytes("/") == 6 * 4096);
  files.remove("/g");
  CHECK(files.free_bytes("/") == 6 * 4096);  // still open
}

TEST_CASE("a removed file's room is free when its last handle closes") {
  const auto machine = SimulatedPlatform::make(1);
  machine->set_capacity_bytes(4 * 4096);
  auto file = machine->files().create("/f");
  file->write_at(0, filled(4 * 4096, 1));
  machine->files().remove("/f");
  CHECK(machine->files().free_bytes("/") == 0);
  file.reset();
  CHECK(machine->files().free_bytes("/") == 4 * 4096);
  machine->files().sync_directory("/");
  CHECK(machine->files().free_bytes("/") == 4 * 4096);
}

TEST_CASE("tampering changes a file under those that have it open, durably and without a step") {
  const auto machine = SimulatedPlatform::make(1);
  machine->record(true);
  const auto file = machine->files().create("/f");
  machine->files().sync_directory("/");
  file->write_at(0, bytes_of("honest and long"));
  const auto steps = machine->steps();
  machine->set_contents("/f", bytes_of("evil"));
  CHECK(machine->steps() == steps);
  CHECK(text_of(*file) == "evil");
  CHECK(live_text(*machine, "/f") == "evil");
  CHECK(live_text(*machine->cut_at(steps, CutOutcome::nothing_lands, 0), "/f") == "evil");
  CHECK_THROWS_AS(machine->contents("/absent"), IoError);
}

TEST_CASE("a copy has everything, durable, and goes its own way") {
  const auto machine = SimulatedPlatform::make(1);
  machine->files().make_directory("/d");
  const auto file = machine->files().create("/d/f");
  file->write_at(0, bytes_of("unsynced"));
  const auto copy = machine->copy();
  copy->record(true);
  CHECK(live_text(*copy->cut_at(0, CutOutcome::nothing_lands, 0), "/d/f") == "unsynced");
  copy->files().open("/d/f", OpenMode::read_write)->write_at(0, bytes_of("other"));
  CHECK(live_text(*machine, "/d/f") == "unsynced");
  file->write_at(0, bytes_of("mine"));
  CHECK(live_text(*copy, "/d/f") == "otherced");
}

TEST_CASE("open files and mappings are counted") {
  const auto machine = SimulatedPlatform::make(1);
  {
    const auto file = machine->files().create("/f");
    const auto again = machine->files().open("/f", OpenMode::read_only);
    const auto map = file->map(0, 4096);
    CHECK(machine->open_files() == 2);
    CHECK(machine->open_mappings() == 1);
  }
  CHECK(machine->open_files() == 0);
  CHECK(machine->open_mappings() == 0);
}

TEST_CASE("the same seed draws the same entropy, and the clocks move when told") {
  const auto draw = [](std::uint64_t seed) {
    std::vector<std::byte> bytes(100);
    SimulatedPlatform::make(seed)->entropy().fill(bytes);
    return bytes;
  };
  CHECK(draw(1) == draw(1));
  CHECK(draw(1) != draw(2));
  const auto machine = SimulatedPlatform::make(1);
  const auto monotonic = machine->clock().monotonic();
  const auto wall = machine->clock().wall();
  machine->advance(std::chrono::seconds(5));
  CHECK(machine->clock().monotonic() - monotonic == std::chrono::seconds(5));
  CHECK(machine->clock().wall() - wall == std::chrono::seconds(5));
}

TEST_CASE("simulated locks of memory fail on demand and charge nothing then") {
  const auto machine = SimulatedPlatform::make(1);
  auto& memory = machine->memory();
  bool fail = false;
  machine->set_lock_fault([&](std::uint64_t length) {
    MemoryLockError::Numbers numbers;
    numbers.requested_bytes = length;
    if (fail) throw MemoryLockError("simulated", numbers);
  });
  {
    const auto region = memory.reserve(10000, LockPolicy::abort, "the test");
    CHECK(region->bytes().size() == 12288);
    region->commit(0, 4096);
    std::memset(region->bytes().data(), 0x5A, 4096);
    fail = true;
    CHECK_THROWS_AS(region->commit(4096, 8192), MemoryLockError);
    CHECK(memory.account().locked_bytes == 4096);
    CHECK(memory.account().failed_locks == 1);
    fail = false;
    region->commit(4096, 8192);
    CHECK(memory.account().locked_bytes == 12288);
    region->release(0, 4096);
    CHECK(memory.account().locked_bytes == 8192);
    // It is ordinary memory, so that wiping can be seen.
    CHECK(std::all_of(region->bytes().begin(), region->bytes().begin() + 4096,
                      [](std::byte b) { return b == std::byte{0}; }));
  }
  CHECK(memory.account().locked_bytes == 0);

  fail = true;
  const auto region = memory.reserve(4096, LockPolicy::proceed_unlocked, "the test");
  region->commit(0, 4096);
  CHECK(memory.account().unlocked_plain_bytes == 4096);
  CHECK(memory.account().locked_bytes == 0);
  region->release(0, 4096);
  CHECK(memory.account().unlocked_plain_bytes == 0);
}
