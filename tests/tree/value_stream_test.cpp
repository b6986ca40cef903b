#include "tree/value_stream.hpp"

#include <coffer/error.hpp>
#include <optional>

#include "tests/tree/large_value_support.hpp"
#include "tree/page_types.hpp"

namespace coffer::tree::test {

using testing::FakePages;

namespace {

// Stands for the tree: remembers what was put in place, and fails when told to.
struct Placed {
  std::optional<Buffer> inside;
  std::optional<LargeValueDescriptor> large;
  bool fail_next = false;
};

class TestPlacer final : public ValuePlacer {
 public:
  TestPlacer(Placed& placed, std::size_t inline_max) : placed_(placed), inline_max_(inline_max) {}
  [[nodiscard]] std::size_t inline_bytes_max() const override { return inline_max_; }
  void place_inline(std::span<const std::byte> value) override {
    may_fail();
    placed_.inside.emplace(value.begin(), value.end());
  }
  void place_large(const LargeValueDescriptor& value) override {
    may_fail();
    placed_.large = value;
  }

 private:
  void may_fail() {
    if (std::exchange(placed_.fail_next, false)) throw NoSpace("the tree has no room");
  }
  Placed& placed_;
  std::size_t inline_max_;
};

ValueWriter begin(FakePages& pages, Placed& placed, std::size_t inline_max = 5,
                  std::shared_ptr<StreamRegistry> registry = nullptr) {
  return make_value_writer(pages, std::move(registry),
                           std::make_unique<TestPlacer>(placed, inline_max));
}

}  // namespace

TEST_CASE("a written value goes into its page when it fits there, and into chunks when not",
          "[value_stream]") {
  for (const std::size_t inline_max : {0u, 5u, 7u, 20u}) {
    for (std::size_t length = 0; length < 40; ++length) {
      INFO(length << " bytes, " << inline_max << " fit");
      FakePages pages(small_pages());
      Placed placed;
      const Buffer bytes = pattern(length);
      {
        ValueWriter writer = begin(pages, placed, inline_max);
        for (const std::byte& b : bytes) writer.write(std::span(&b, 1));
        CHECK(writer.size() == length);
        writer.finish();
        CHECK(writer.size() == length);
        CHECK_THROWS_AS(writer.finish(), InvalidArgument);
        CHECK_THROWS_AS(writer.write(bytes), InvalidArgument);
      }
      // What is longer than a chunk has been sealed already, and stays so.
      if (length <= inline_max && length <= kSmallChunk) {
        REQUIRE(placed.inside);
        CHECK(*placed.inside == bytes);
        CHECK_FALSE(placed.large);
        CHECK(pages.chunk_count() == 0);
      } else {
        REQUIRE(placed.large);
        CHECK_FALSE(placed.inside);
        ValueReader reader = make_large_reader(pages, *placed.large, nullptr);
        CHECK(reader.size() == length);
        Buffer back(length);
        CHECK(reader.read(back) == length);
        CHECK(back == bytes);
        CHECK(reader.read(back) == 0);
      }
      CHECK(pages.pins() == 0);
    }
  }
}

TEST_CASE("a value writer that never finishes leaves nothing and places nothing",
          "[value_stream]") {
  FakePages pages(small_pages());
  Placed placed;
  {
    ValueWriter writer = begin(pages, placed);
    writer.write(pattern(200));
    ValueWriter moved = std::move(writer);
    moved.write(pattern(50));
    CHECK(moved.size() == 250);
  }
  CHECK_FALSE(placed.inside);
  CHECK_FALSE(placed.large);
  CHECK(pages.page_count() == 0);
  CHECK(pages.chunk_count() == 0);
}

TEST_CASE("a finish that fails can be tried again, or be forgotten", "[value_stream]") {
  for (const std::size_t length : {3u, 100u}) {
    for (const bool again : {true, false}) {
      INFO(length << " bytes, again: " << again);
      FakePages pages(small_pages());
      Placed placed;
      placed.fail_next = true;
      {
        ValueWriter writer = begin(pages, placed);
        writer.write(pattern(length));
        CHECK_THROWS_AS(writer.finish(), NoSpace);
        if (again) writer.finish();
      }
      CHECK((placed.inside || placed.large) == again);
      CHECK((pages.chunk_count() != 0) == (again && length == 100));
    }
  }
}

TEST_CASE("a value writer outlives its transaction without harm", "[value_stream]") {
  FakePages pages(small_pages());
  Placed placed;
  auto registry = std::make_shared<StreamRegistry>();
  ValueWriter writer = begin(pages, placed, 5, registry);
  writer.write(pattern(60));
  registry->transaction_ended(Ending::rollback);
  pages.rollback();
  registry.reset();
  CHECK_THROWS_AS(writer.finish(), InvalidArgument);
  CHECK_FALSE(placed.large);
}

TEST_CASE("a reader inside a page keeps its bytes when the page changes", "[value_stream]") {
  FakePages pages(small_pages());
  const Buffer bytes = pattern(20);
  PageId id;
  {
    txn::MutablePage page = pages.allocate();
    id = page.id();
    std::ranges::copy(bytes, page.write(16, 20).begin());
    txn::PageHeader header = page.header();
    header.type = kPageTypeLeaf;
    header.gap_begin = 36;
    page.set_header(header);
  }
  pages.commit();
  txn::PagePin pin = pages.pin(id);
  const std::span<const std::byte> inside = pin.bytes().subspan(16, 20);
  ValueReader reader = make_inline_reader(std::move(pin), inside);
  {
    txn::MutablePage page = pages.modify(id);
    std::memset(page.write(16, 20).data(), 0, 20);
  }
  pages.free(id);
  CHECK(reader.size() == 20);
  Buffer out(13);
  CHECK(reader.read(out) == 13);
  CHECK(std::ranges::equal(out, std::span(bytes).first(13)));
  CHECK(reader.read(out) == 7);
  CHECK(std::ranges::equal(std::span(out).first(7), std::span(bytes).last(7)));
  CHECK(reader.read(out) == 0);
  CHECK(reader.read_at(19, out) == 1);
  CHECK(out[0] == bytes[19]);
  CHECK(reader.read_at(20, out) == 0);
  CHECK(reader.read_at(0, {}) == 0);
}

}  // namespace coffer::tree::test
