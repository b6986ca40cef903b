// Large values when calls fail, and when transactions go back: nothing is lost, nothing is left behind.
#include "tree/large_value.hpp"

#include <coffer/error.hpp>

#include "tests/tree/large_value_support.hpp"

namespace coffer::tree::test {

using testing::FakePages;

// --- failures

TEST_CASE("when any one call fails, a dropped writer leaves no page and no chunk behind",
          "[large_value][faults]") {
  const Buffer bytes = pattern(kSmallChunk * 70 + 3);  // three levels
  std::uint64_t nth = 1;
  for (bool failed = true; failed; ++nth) {
    INFO("call " << nth);
    FakePages pages(small_pages());
    const LargeValueDescriptor other = write_value(pages, pattern(200, 3));
    pages.commit();
    const FakePages::Image before = pages.image();
    pages.fail_call(nth);
    failed = false;
    try {
      LargeValueWriter writer(pages, nullptr);
      writer.write(bytes);
      static_cast<void>(writer.finish());
      failed = pages.calls() >= nth;  // the fault struck while giving back: see the next test
    } catch (const testing::InjectedFault&) {
      failed = true;
      REQUIRE(pages.image() == before);
    }
    REQUIRE(pages.pins() == 0);
    REQUIRE(pages.chunk_buffers() == 0);
    if (pages.calls() < nth) failed = false;
    pages.stop_failing();
    LargeValueReader reader(pages, other, nullptr);
    REQUIRE(read_all(reader) == pattern(200, 3));
  }
  CHECK(nth > 150);
}

TEST_CASE("what cannot be given back is reported, and a rollback takes care of it",
          "[large_value][faults]") {
  std::uint64_t reported = 0;
  std::uint64_t nth = 1;
  for (bool done = false; !done; ++nth) {
    INFO("from call " << nth);
    FakePages pages(small_pages());
    const FakePages::Image before = pages.image();
    auto registry = std::make_shared<StreamRegistry>();
    pages.fail_call(nth, true);
    try {
      LargeValueWriter writer(pages, registry);
      writer.write(pattern(kSmallChunk * 40));
      static_cast<void>(writer.finish());
    } catch (const testing::InjectedFault&) {
    }
    done = pages.calls() < nth;
    pages.stop_failing();
    REQUIRE((registry->must_roll_back() || pages.image() == before));
    reported += registry->must_roll_back() ? 1 : 0;
    pages.rollback();
    REQUIRE(pages.image() == before);
  }
  CHECK(reported > 50);
}

TEST_CASE("after a failed call a writer goes on where its size says", "[large_value][faults]") {
  const Buffer bytes = pattern(kSmallChunk * 70 + 3);
  std::uint64_t nth = 1;
  for (bool failed = true; failed; ++nth) {
    INFO("call " << nth);
    FakePages pages(small_pages());
    pages.fail_call(nth);
    failed = false;
    LargeValueWriter writer(pages, nullptr);
    while (writer.size() < bytes.size()) {
      try {
        writer.write(std::span(bytes).subspan(static_cast<std::size_t>(writer.size())));
      } catch (const testing::InjectedFault&) {
        failed = true;
      }
    }
    LargeValueDescriptor value;
    try {
      value = writer.finish();
    } catch (const testing::InjectedFault&) {
      failed = true;
      value = writer.finish();
    }
    writer.release();
    pages.stop_failing();
    REQUIRE(pages.chunk_count() == 71);
    REQUIRE(pages.page_count() == small_index_pages(71));
    pages.commit();
    LargeValueReader reader(pages, value, nullptr);
    REQUIRE(read_all(reader) == bytes);
  }
  CHECK(nth > 150);
}

TEST_CASE("freeing a value frees all of it or nothing", "[large_value][faults]") {
  FakePages pages(small_pages());
  const Buffer bytes = pattern(kSmallChunk * 40);
  auto registry = std::make_shared<StreamRegistry>();
  const LargeValueDescriptor value = write_value(pages, bytes);
  pages.commit();
  const FakePages::Image before = pages.image();
  LargeValueReader reader(pages, value, registry);
  std::uint64_t nth = 1;
  for (;; ++nth) {
    pages.fail_call(nth);
    try {
      free_large_value(pages, value, registry.get());
      break;
    } catch (const testing::InjectedFault&) {
      REQUIRE(pages.image() == before);
      pages.stop_failing();
      REQUIRE(read_all(reader) == bytes);
    }
  }
  CHECK(nth > 50);
  pages.stop_failing();
  CHECK(pages.page_count() == 0);
  CHECK(pages.chunk_count() == 0);
  CHECK_FALSE(registry->must_roll_back());
  std::byte out{};
  CHECK_THROWS_AS(reader.read_at(0, {&out, 1}), InvalidArgument);
}

TEST_CASE("a failed undo of a half freed value is reported", "[large_value][faults]") {
  FakePages pages(small_pages());
  const LargeValueDescriptor value = write_value(pages, pattern(kSmallChunk * 40));
  pages.commit();
  const FakePages::Image before = pages.image();
  StreamRegistry registry;
  pages.set_undo_may_fail(true);
  pages.fail_call(20, true);
  CHECK_THROWS_AS(free_large_value(pages, value, &registry), testing::InjectedFault);
  CHECK(registry.must_roll_back());
  pages.stop_failing();
  pages.rollback();
  CHECK(pages.image() == before);
}

TEST_CASE("a reader survives failures of every call", "[large_value][faults]") {
  FakePages pages(small_pages());
  const Buffer bytes = pattern(kSmallChunk * 40 + 1);
  const LargeValueDescriptor value = write_value(pages, bytes);
  pages.commit();
  LargeValueReader reader(pages, value, nullptr);
  std::uint64_t nth = 1;
  for (bool failed = true; failed; ++nth) {
    failed = false;
    pages.fail_call(nth);
    Buffer out(bytes.size());
    try {
      reader.read_at(0, out);
      REQUIRE(out == bytes);
    } catch (const testing::InjectedFault&) {
      failed = true;
    }
    pages.stop_failing();
    Buffer one(1);
    REQUIRE(reader.read_at(nth % bytes.size(), one) == 1);
    REQUIRE(one[0] == bytes[nth % bytes.size()]);
  }
  CHECK(nth > 100);
}

TEST_CASE("no chunk buffer to be had is a MemoryLockError, and passes", "[large_value][faults]") {
  FakePages pages(small_pages());
  {
    const txn::ChunkBuffer one = pages.chunk_buffer();
    const txn::ChunkBuffer two = pages.chunk_buffer();
    LargeValueWriter writer(pages, nullptr);
    CHECK_THROWS_AS(writer.write(pattern(3)), MemoryLockError);
    CHECK(writer.size() == 0);
  }
  LargeValueWriter writer(pages, nullptr);
  writer.write(pattern(3));
  CHECK(writer.size() == 3);
}

// --- what a transaction tells its streams

TEST_CASE("rolling back to a savepoint in the middle of a value loses neither chunk nor page",
          "[large_value][savepoints]") {
  const std::size_t steps[] = {0, 1, 2, 3, 4, 5, 10, 32, 33, 34, 40};
  for (const std::size_t before : steps) {
    for (const std::size_t after : steps) {
      INFO(before << " chunks, a savepoint, " << after << " chunks");
      FakePages pages(small_pages());
      auto registry = std::make_shared<StreamRegistry>();
      const FakePages::Image empty = pages.image();
      {
        LargeValueWriter writer(pages, registry);
        writer.write(pattern(before * kSmallChunk + 1));
        const txn::SavepointId savepoint = pages.savepoint();
        registry->savepoint_made(savepoint);
        if (after != 0) writer.write(pattern(after * kSmallChunk));
        const txn::SavepointId inner = pages.savepoint();
        registry->savepoint_made(inner);
        pages.rollback_to(savepoint);
        registry->rolled_back_to(savepoint);
        if (after == 0) {
          writer.write(pattern(1));  // nothing of the value was undone: it goes on
          CHECK(writer.size() == before * kSmallChunk + 2);
        } else {
          CHECK_THROWS_AS(writer.write(pattern(1)), InvalidArgument);
          CHECK_THROWS_AS(writer.finish(), InvalidArgument);
          CHECK(pages.chunk_buffers() == 0);
        }
      }
      REQUIRE(pages.image() == empty);
      REQUIRE_FALSE(registry->must_roll_back());
      pages.commit();
    }
  }
}

TEST_CASE("a stream opened after a savepoint ends with a rollback to it",
          "[large_value][savepoints]") {
  FakePages pages(small_pages());
  auto registry = std::make_shared<StreamRegistry>();
  const LargeValueDescriptor old_value = write_value(pages, pattern(50), registry);
  pages.commit();
  const FakePages::Image before = pages.image();
  LargeValueReader elder(pages, old_value, registry);
  const txn::SavepointId savepoint = pages.savepoint();
  registry->savepoint_made(savepoint);
  {
    LargeValueWriter writer(pages, registry);
    const LargeValueDescriptor value = write_value(pages, pattern(90), registry);
    LargeValueReader reader(pages, value, registry);
    writer.write(pattern(100));
    Buffer out(1);
    CHECK(reader.read_at(0, out) == 1);
    pages.rollback_to(savepoint);
    registry->rolled_back_to(savepoint);
    CHECK_THROWS_AS(writer.write(pattern(1)), InvalidArgument);
    CHECK_THROWS_AS(reader.read_at(0, out), InvalidArgument);
  }
  CHECK(pages.image() == before);
  CHECK(read_all(elder) == pattern(50));
}

TEST_CASE("going back in two steps gives back what each had left", "[large_value][savepoints]") {
  FakePages pages(small_pages());
  auto registry = std::make_shared<StreamRegistry>();
  const FakePages::Image empty = pages.image();
  {
    LargeValueWriter writer(pages, registry);
    std::vector<txn::SavepointId> savepoints;
    for (int i = 0; i < 4; ++i) {
      writer.write(pattern(kSmallChunk * 9));
      savepoints.push_back(pages.savepoint());
      registry->savepoint_made(savepoints.back());
    }
    writer.write(pattern(kSmallChunk));
    for (const std::size_t back : {3u, 1u}) {
      pages.rollback_to(savepoints[back]);
      registry->rolled_back_to(savepoints[back]);
    }
  }
  CHECK(pages.image() == empty);
}

TEST_CASE("a commit takes back unfinished values; a rollback leaves them to the engine",
          "[large_value][savepoints]") {
  FakePages pages(small_pages());
  const FakePages::Image empty = pages.image();
  for (const Ending ending : {Ending::commit, Ending::rollback}) {
    auto registry = std::make_shared<StreamRegistry>();
    LargeValueWriter writer(pages, registry);
    writer.write(pattern(300));
    registry->transaction_ended(ending);
    CHECK(pages.chunk_buffers() == 0);
    CHECK((pages.image() == empty) == (ending == Ending::commit));
    ending == Ending::commit ? pages.commit() : pages.rollback();
    CHECK_THROWS_AS(writer.write(pattern(1)), InvalidArgument);
    CHECK(pages.image() == empty);
  }
  CHECK(pages.image() == empty);  // and the destructors did nothing more
}

}  // namespace coffer::tree::test
