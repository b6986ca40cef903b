// Slots by number: windows, runs, ends.
#include <catch2/catch.hpp>

#include "pager_support.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

using pager::PageFile;

std::vector<std::byte> pattern(std::size_t size, unsigned seed) {
  std::vector<std::byte> out(size);
  for (std::size_t i = 0; i < size; ++i)
    out[i] = static_cast<std::byte>(seed * 7 + i * 13 + i / 251);
  return out;
}

void write_slots(PageFile& file, SlotId first, std::size_t count, unsigned seed) {
  std::vector<std::vector<std::byte>> slots;
  std::vector<std::span<const std::byte>> pieces;
  for (std::size_t i = 0; i < count; ++i) {
    slots.push_back(pattern(file.page_bytes(), seed + static_cast<unsigned>(i)));
  }
  for (const auto& slot : slots) pieces.emplace_back(slot);
  file.write(first, pieces);
}

bool reads_back(const PageFile& file, SlotId slot, std::size_t bytes, unsigned seed) {
  crypto::Nonce nonce;
  std::vector<std::byte> out(bytes);
  file.read(slot, nonce, out);
  std::vector<std::byte> expected;
  while (expected.size() < bytes + nonce.size()) {
    const auto more = pattern(file.page_bytes(), seed++);
    expected.insert(expected.end(), more.begin(), more.end());
  }
  return std::equal(nonce.begin(), nonce.end(), expected.begin()) &&
         std::equal(out.begin(), out.end(), expected.begin() + crypto::kNonceBytes);
}

TEST_CASE("slots read back as written, also on both sides of a window's edge") {
  for (const std::uint32_t page_bytes : {4096u, 65536u}) {
    const auto disk = std::make_shared<SparseDisk>();
    PageFile file(std::make_unique<SparseFile>(disk), page_bytes, 65536);
    const std::uint64_t edge = (256ull << 20) / page_bytes;  // the first slot of the second window
    file.grow(3 * edge);
    write_slots(file, SlotId(0), 1, 1);
    write_slots(file, SlotId(edge - 2), 4, 10);
    write_slots(file, SlotId(3 * edge - 1), 1, 30);
    for (const std::size_t bytes :
         {std::size_t{1}, std::size_t{100}, pager::content_bytes(page_bytes)}) {
      REQUIRE(reads_back(file, SlotId(0), bytes, 1));
      for (unsigned i = 0; i < 4; ++i)
        REQUIRE(reads_back(file, SlotId(edge - 2 + i), bytes, 10 + i));
      REQUIRE(reads_back(file, SlotId(3 * edge - 1), bytes, 30));
    }
    // A run, across the edge: by position.
    REQUIRE(reads_back(file, SlotId(edge - 2), 4 * page_bytes - crypto::kNonceBytes, 10));
  }
}

TEST_CASE("slots that no window reaches any more read back too") {
  const auto disk = std::make_shared<SparseDisk>();
  // 256 TiB and a little, nearly all of it a hole.
  constexpr std::uint64_t kEdge = (std::uint64_t{1} << 48) / 4096;
  disk->size = (kEdge + 10) * 4096;
  PageFile file(std::make_unique<SparseFile>(disk), 4096, 4096);
  write_slots(file, SlotId(kEdge - 1), 3, 50);
  for (unsigned i = 0; i < 3; ++i) REQUIRE(reads_back(file, SlotId(kEdge - 1 + i), 4072, 50 + i));
}

TEST_CASE("long runs are written in few calls, none with more pieces than the system takes") {
  const auto disk = std::make_shared<SparseDisk>();
  PageFile file(std::make_unique<SparseFile>(disk), 4096, 4096);
  file.grow(3000);
  write_slots(file, SlotId(5), 2500, 3);
  REQUIRE(disk->pieces_max <= 1023);
  REQUIRE(disk->vector_writes <= 5);
  for (unsigned i = 0; i < 2500; i += 499) REQUIRE(reads_back(file, SlotId(5 + i), 50, 3 + i));
}

TEST_CASE("a slot beyond the end is damage, and the message says that the file was cut") {
  const auto disk = std::make_shared<SparseDisk>();
  PageFile file(std::make_unique<SparseFile>(disk), 4096, 4096);
  file.grow(10);
  crypto::Nonce nonce;
  std::vector<std::byte> out(4072);
  REQUIRE_NOTHROW(file.read(SlotId(9), nonce, out));
  REQUIRE_THROWS_AS(file.read(SlotId(10), nonce, out), Tampered);
  REQUIRE_THROWS_AS(file.read(SlotId(~0ull), nonce, out), Tampered);
  REQUIRE_THROWS_WITH(file.read(SlotId(10), nonce, out),
                      Catch::Contains("was cut: it has 10 slots of 4096 bytes, and slot 10"));
  std::vector<std::byte> run(65536 - 24);
  REQUIRE_THROWS_AS(file.read(SlotId(9), nonce, run), Tampered);
  file.set_suite(crypto::Suite::none);
  REQUIRE_THROWS_AS(file.read(SlotId(10), nonce, out), Corrupted);
  REQUIRE_THROWS_AS(file.read(SlotId(9), nonce, run), Corrupted);
}

TEST_CASE("a file that is cut while it is open is damage, a failing disk is not") {
  const auto disk = std::make_shared<SparseDisk>();
  PageFile file(std::make_unique<SparseFile>(disk), 4096, 4096);
  file.grow(10);
  crypto::Nonce nonce;
  std::vector<std::byte> out(4072);
  std::vector<std::byte> run(2 * 4096 - 24);
  REQUIRE_NOTHROW(file.read(SlotId(9), nonce, out));
  disk->unreadable = true;
  REQUIRE_THROWS_AS(file.read(SlotId(4), nonce, out), IoError);
  disk->unreadable = false;
  disk->size = 5 * 4096;
  REQUIRE_NOTHROW(file.read(SlotId(4), nonce, out));
  REQUIRE_THROWS_AS(file.read(SlotId(5), nonce, out), Tampered);
  REQUIRE_THROWS_AS(file.read(SlotId(4), nonce, run), Tampered);
  REQUIRE_THROWS_WITH(file.read(SlotId(9), nonce, out),
                      Catch::Contains("it has 5 slots of 4096 bytes, and slot 9"));
  std::vector<std::byte> slots(2 * 4096);
  REQUIRE_NOTHROW(file.read_slots({SlotId(3), 2}, slots));
  REQUIRE_THROWS_AS(file.read_slots({SlotId(4), 2}, slots), Tampered);
}

TEST_CASE("a file on the real disk that is cut under its mapping is damage too") {
  const TempDirectory directory;
  platform::Platform& platform = platform::native_platform();
  const auto path = directory.path() / "pages";
  PageFile file(platform.files().create(path), 4096, platform.files().map_granularity_bytes());
  file.grow(64);
  crypto::Nonce nonce;
  std::vector<std::byte> out(4072);
  REQUIRE_NOTHROW(file.read(SlotId(63), nonce, out));
  std::filesystem::resize_file(path, 16 * 4096);
  REQUIRE_NOTHROW(file.read(SlotId(15), nonce, out));
  REQUIRE_THROWS_AS(file.read(SlotId(16), nonce, out), Tampered);
  REQUIRE_THROWS_WITH(file.read(SlotId(63), nonce, out),
                      Catch::Contains("it has 16 slots of 4096 bytes, and slot 63"));
}

TEST_CASE("the file grows by allocating, and stays as it was when there is no room") {
  const auto disk = std::make_shared<SparseDisk>();
  disk->capacity = 100 * 4096;
  disk->size = 4096 * 3 + 100;  // a torn end is no slot
  PageFile file(std::make_unique<SparseFile>(disk), 4096, 4096);
  REQUIRE(file.slot_count() == 3);
  file.grow(100);
  REQUIRE(disk->size == 100 * 4096);
  REQUIRE_THROWS_AS(file.grow(101), NoSpace);
  file.grow(100);
  REQUIRE(file.slot_count() == 100);
  file.shrink(7);
  REQUIRE(file.slot_count() == 7);
  REQUIRE(disk->size == 7 * 4096);
}

}  // namespace
}  // namespace coffer::test
