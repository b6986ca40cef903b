// What an increment copies is the same whether it remembers what it has found or finds it again.
#include <catch2/catch.hpp>

#include <coffer/coffer.hpp>

#include <map>
#include <random>

#include "backup/image_copier.hpp"
#include "platform/platform.hpp"
#include "tests/backup/backup_model.hpp"
#include "tests/support/temp_directory.hpp"
#include "tree/store_state.hpp"

namespace coffer::test {
namespace {

using backup::ChangedSlots;

/// Keeps each slot that it is given.
class KeptSlots final : public backup::SlotSink {
 public:
  explicit KeptSlots(std::uint32_t page_bytes)
      : page_bytes_(page_bytes), room_(backup::kRoomBytes) {}
  [[nodiscard]] std::span<std::byte> room(std::uint32_t count) override {
    return std::span(room_).first(std::size_t{count} * page_bytes_);
  }
  void took(std::span<const pager::SlotRun> runs) override {
    auto at = room_.begin();
    for (const pager::SlotRun& run : runs) {
      for (std::uint32_t i = 0; i < run.count; ++i, at += page_bytes_) {
        const bool fresh =
            slots.try_emplace(run.first.value + i, std::vector(at, at + page_bytes_)).second;
        REQUIRE(fresh);
      }
    }
  }

  std::map<std::uint64_t, std::vector<std::byte>> slots;

 private:
  std::uint32_t page_bytes_;
  std::vector<std::byte> room_;
};

TEST_CASE("an increment that cannot remember what changed copies the same as one that can") {
  const TempDirectory directory;
  Store store = Store::create(directory.path() / "store", key_from(1));
  std::mt19937_64 random(4);
  const auto put = [&](int count) {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("t");
    for (int i = 0; i < count; ++i) {
      tree.put(std::to_string(random() % 20'000), std::string(100 + random() % 200, 'v'));
    }
    tree.put("large", std::string(200'000, static_cast<char>('a' + count % 26)));
    writing.commit();
  };
  put(20'000);
  txn::Engine& engine = *store.state().engine;
  const pager::Superblock then = engine.image()->superblock();
  put(300);
  const auto image = engine.image();
  const std::uint32_t page_bytes = image->page_bytes();
  platform::LockedHeap heap(platform::native_platform().memory(),
                            backup::copier_heap_bytes(page_bytes), platform::LockPolicy::abort,
                            "a test");
  const BackupWatch watch;
  const auto copied = [&](std::size_t remembered_bytes_max) {
    KeptSlots sink(page_bytes);
    backup::Pace pace(platform::native_platform().clock(), watch, 0, 0);
    const ChangedSlots changed(*image, then.checkpoint, remembered_bytes_max);
    backup::ImageCopier copier(*image, sink, pace, heap);
    copier.copy_since(changed, then.commit);
    REQUIRE(copier.slots() == sink.slots.size());
    // The large value's pieces are found in the pages.
    REQUIRE(changed.count() + 200'000 / page_bytes <= sink.slots.size());
    return sink.slots;
  };
  const auto all = copied(ChangedSlots::kRememberedBytesMax);
  REQUIRE(all.size() > 300);
  for (const std::size_t remembered_bytes_max : {0u, 10'000u, 100'000u}) {
    CAPTURE(remembered_bytes_max);
    REQUIRE(copied(remembered_bytes_max) == all);
  }
}

}  // namespace
}  // namespace coffer::test
