// Windows only: what only Windows' files and memory show
#include <windows.h>

#include <catch2/catch.hpp>
#include <coffer/error.hpp>
#include <thread>

#include "platform/windows/guarded_copy.hpp"
#include "tests/platform/worlds.hpp"

using namespace coffer;
using namespace coffer::platform;
using namespace coffer::test;

TEST_CASE("windows: paths of any length and script lead to their files") {
  World world("native");
  auto& files = world.files();
  Path deep = world.root();
  for (int i = 0; i < 12; ++i) {
    deep /= L"größe-東京-" + std::wstring(20, L'x');
    files.make_directory(deep);
  }
  REQUIRE(deep.native().size() > 300);
  files.create(deep / "f")->write_at(0, bytes_of("kept"));
  files.rename(deep / "f", deep / L"ключ");
  CHECK(files.list(deep) == std::vector<std::string>{"ключ"});
  CHECK(text_of(*files.open(deep / L"ключ", OpenMode::read_only)) == "kept");
  files.sync_directory(deep);
  CHECK(files.free_bytes(deep) > 0);
  CHECK_THROWS_AS((void)files.lock(deep / "no" / "l", false), IoError);
  const auto lock = files.lock(deep / "l", false);
  CHECK_THROWS_AS((void)files.lock(deep / "l", false), Busy);
  files.remove(deep / L"ключ");
  CHECK_FALSE(files.exists(deep / L"ключ"));
}

TEST_CASE("windows: an error carries the system's number and text") {
  World world("native");
  try {
    (void)world.files().open(world.path("absent"), OpenMode::read_only);
    FAIL("nothing was raised");
  } catch (const IoError& refused) {
    CHECK(refused.code() == ERROR_FILE_NOT_FOUND);
    CHECK_THAT(refused.what(), Catch::Contains("(error 2)"));
  }
}

TEST_CASE("windows: a file is cut although somebody has it mapped, and can be mapped again") {
  World world("native");
  const auto file = world.files().create(world.path("f"));
  const std::uint64_t page = world.files().map_granularity_bytes();
  file->write_at(0, filled(8 * page, 3));
  file->sync();
  const auto map = file->map(0, 8 * page);
  std::vector<std::byte> out(page);
  map->copy_out(7 * page, out);
  CHECK(out == filled(page, 3));
  file->truncate(2 * page);
  CHECK(file->size() == 2 * page);
  CHECK_THROWS_AS(map->copy_out(2 * page, out), IoError);
  map->copy_out(page, out);
  CHECK(out == filled(page, 3));
  // What is added is seen in the same window, before and after a sync.
  file->write_at(2 * page, filled(6 * page, 4));
  map->copy_out(5 * page, out);
  CHECK(out == filled(page, 4));
  file->sync();
  map->copy_out(5 * page, out);
  CHECK(out == filled(page, 4));
}

TEST_CASE("windows: a page that cannot be read fails the copy and nothing else") {
  const std::size_t page = 4096;
  auto* const memory = static_cast<std::byte*>(
      ::VirtualAlloc(nullptr, 2 * page, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
  REQUIRE(memory != nullptr);
  memory[0] = std::byte{9};
  DWORD before = 0;
  REQUIRE(::VirtualProtect(memory + page, page, PAGE_NOACCESS, &before) != 0);
  std::vector<std::byte> out(2 * page);
  CHECK(windows_os::copy_guarded(std::span(out).first(page), memory));
  CHECK(out[0] == std::byte{9});
  CHECK_FALSE(windows_os::copy_guarded(out, memory));
  CHECK_FALSE(windows_os::copy_guarded(std::span(out).first(1), memory + page));
  // From several threads at once, and again afterwards.
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        std::vector<std::byte> own(2 * page);
        for (int round = 0; round < 200; ++round) {
          if (windows_os::copy_guarded(own, memory)) ++wrong;
          if (!windows_os::copy_guarded(std::span(own).first(page), memory)) ++wrong;
        }
      });
    }
  }
  CHECK(wrong == 0);
  ::VirtualFree(memory, 0, MEM_RELEASE);
}

TEST_CASE("windows: a released page is inaccessible") {
  World world("native");
  auto& memory = world.platform().memory();
  const auto region =
      memory.reserve(16 * memory.page_bytes(), LockPolicy::proceed_unlocked, "a test");
  const auto protection = [&](std::uint64_t at) {
    MEMORY_BASIC_INFORMATION information{};
    ::VirtualQuery(region->bytes().data() + at, &information, sizeof information);
    return information.State == MEM_COMMIT ? information.Protect : 0;
  };
  CHECK(protection(0) == 0);
  region->commit(0, memory.page_bytes());
  CHECK(protection(0) == PAGE_READWRITE);
  CHECK(protection(memory.page_bytes()) == 0);
  region->release(0, memory.page_bytes());
  CHECK(protection(0) == 0);
  // The guard pages.
  MEMORY_BASIC_INFORMATION guard{};
  ::VirtualQuery(region->bytes().data() - 1, &guard, sizeof guard);
  CHECK(guard.State == MEM_RESERVE);
  ::VirtualQuery(region->bytes().data() + region->bytes().size(), &guard, sizeof guard);
  CHECK(guard.State == MEM_RESERVE);
}
