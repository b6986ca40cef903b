// A file that is written in aligned pieces is the bytes that were appended.
#include "backup/piece_writer.hpp"

#include <catch2/catch.hpp>
#include <coffer/error.hpp>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "platform/simulated/simulated.hpp"

namespace coffer::test {
namespace {

using backup::PieceWriter;
using Writes = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

constexpr std::size_t kPiece = PieceWriter::kPieceBytes;
constexpr std::size_t kRoom = 70'000;

std::vector<std::byte> random_bytes(std::mt19937_64& random, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

/// Appends pieces of those sizes in both ways; every write that reached the file, and what was appended.
class Written {
 public:
  explicit Written(const std::vector<std::size_t>& sizes, std::uint64_t seed = 1)
      : machine_(platform::SimulatedPlatform::make(seed)) {
    std::mt19937_64 random(seed);
    const auto file = machine_->files().create("/file");
    machine_->set_fault([this](const std::string& operation, const platform::Path&,
                               std::uint64_t at, std::uint64_t count) {
      if (operation == "write") writes.emplace_back(at, count);
    });
    PieceWriter writer(*file, kRoom);
    for (const std::size_t size : sizes) {
      const auto bytes = random_bytes(random, size);
      if (size <= kRoom && random() % 2 == 0) {
        std::ranges::copy(bytes, writer.room(size).begin());
        writer.wrote(size);
      } else {
        writer.write(bytes);
      }
      appended.insert(appended.end(), bytes.begin(), bytes.end());
    }
    length = writer.finish();
    machine_->set_fault({});
  }
  [[nodiscard]] std::vector<std::byte> contents() const { return machine_->contents("/file"); }

  Writes writes;
  std::vector<std::byte> appended;
  std::uint64_t length = 0;

 private:
  std::unique_ptr<platform::SimulatedPlatform> machine_;
};

TEST_CASE("pieces of every size are in the file as they were appended, in aligned writes") {
  std::mt19937_64 random(3);
  std::vector<std::vector<std::size_t>> cases = {
      {},
      {0},
      {1},
      {kPiece},
      {kPiece - 1, 1},
      {kPiece - 1, 2},
      {1, kPiece},
      {3 * kPiece + 5, 0, 2 * kPiece - 5},
      {4608, 4 * kPiece, 8209, 4 * kPiece, 8209, 25},
  };
  for (int i = 0; i < 40; ++i) {
    std::vector<std::size_t> sizes(random() % 20);
    for (std::size_t& size : sizes) size = random() % (i % 2 == 0 ? kRoom + 1 : 3 * kPiece);
    cases.push_back(sizes);
  }
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i, cases[i]);
    const Written written(cases[i], i + 1);
    REQUIRE(written.contents() == written.appended);
    REQUIRE(written.length == written.appended.size());
    std::uint64_t end = 0;
    for (const auto& [offset, length] : written.writes) {
      REQUIRE(offset == end);
      REQUIRE(offset % kPiece == 0);
      end = offset + length;
      REQUIRE((length == kPiece || end == written.length));
    }
  }
}

TEST_CASE("a piece that cannot be written is said at once") {
  const auto machine = platform::SimulatedPlatform::make(1);
  const auto file = machine->files().create("/file");
  machine->set_fault(
      [](const std::string& operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        if (operation == "write") throw NoSpace("no room in " + path.string());
      });
  PieceWriter writer(*file, kRoom);
  writer.write(std::vector<std::byte>(kPiece - 1));
  REQUIRE_THROWS_AS(writer.write(std::vector<std::byte>(1)), NoSpace);
  PieceWriter at_the_end(*file, kRoom);
  at_the_end.write(std::vector<std::byte>(1));
  REQUIRE_THROWS_AS(at_the_end.finish(), NoSpace);
}

}  // namespace
}  // namespace coffer::test
