// The fake must catch what it promises to catch: each rule is broken here once, on purpose.
#include "tests/support/fake_pages.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cstring>

namespace coffer::testing {

namespace {

// A page of type 2 with `used` bytes behind its header.
PageId make_page(FakePages& pages, std::uint16_t used = 100) {
  txn::MutablePage page = pages.allocate();
  std::memset(page.write(16, used).data(), 0x55, used);
  txn::PageHeader header = page.header();
  header.type = 2;
  header.gap_begin = static_cast<std::uint16_t>(16 + used);
  page.set_header(header);
  return page.id();
}

void set_gap_begin(txn::MutablePage& page, std::uint16_t value) {
  txn::PageHeader header = page.header();
  header.gap_begin = value;
  page.set_header(header);
}

}  // namespace

TEST_CASE("the fake sees a write that went past MutablePage::write", "[fake_pages]") {
  FakePages pages;
  const PageId id = make_page(pages);
  pages.commit();
  {
    txn::MutablePage page = pages.modify(id);
    const_cast<std::byte*>(page.data())[50] = std::byte{1};
  }
  CHECK_THROWS_AS(pages.commit(), ContractViolation);
}

TEST_CASE("the fake sees bytes that were taken out of the gap", "[fake_pages]") {
  FakePages pages;
  const PageId id = make_page(pages);
  pages.commit();
  {
    txn::MutablePage page = pages.modify(id);
    set_gap_begin(page, 2000);  // claims what nobody wrote
  }
  CHECK_THROWS_AS(pages.commit(), ContractViolation);
}

TEST_CASE("the fake sees a header that cannot be", "[fake_pages]") {
  for (const std::uint16_t gap_begin : {std::uint16_t{15}, std::uint16_t{4073}}) {
    FakePages pages;
    const PageId id = make_page(pages);
    {
      txn::MutablePage page = pages.modify(id);
      set_gap_begin(page, gap_begin);
    }
    CHECK_THROWS_AS(pages.commit(), ContractViolation);
  }
  FakePages pages;
  static_cast<void>(pages.allocate());  // type 0
  CHECK_THROWS_AS(pages.commit(), ContractViolation);
}

TEST_CASE("the fake's gap holds garbage when a page is looked at again", "[fake_pages]") {
  FakePages pages;
  const PageId id = make_page(pages);
  const auto gap_word = [&] {
    const txn::PagePin pin = pages.pin(id);
    std::uint64_t word = 0;
    std::memcpy(&word, pin.data() + 1000, 8);
    return word;
  };
  const std::uint64_t once = gap_word();
  CHECK(once != gap_word());
}

TEST_CASE("the fake keeps pinned bytes while the page is changed, freed and committed",
          "[fake_pages]") {
  FakePages pages;
  const PageId id = make_page(pages);
  pages.commit();
  const txn::PagePin pin = pages.pin(id);
  {
    txn::MutablePage page = pages.modify(id);
    page.write(16, 1)[0] = std::byte{9};
    CHECK(page.bytes()[16] == std::byte{9});
  }
  CHECK(pin.bytes()[16] == std::byte{0x55});
  CHECK(pages.pin(id).bytes()[16] == std::byte{9});
  pages.commit();
  pages.free(id);
  CHECK_THROWS_AS(pages.pin(id), Corrupted);
  CHECK_THROWS_AS(pages.modify(id), Corrupted);
  CHECK_THROWS_AS(pages.free(id), Corrupted);
  CHECK(pin.bytes()[16] == std::byte{0x55});
  pages.commit();
  CHECK(pin.header().version == 1);
}

TEST_CASE("the fake goes back to savepoints and to the last commit", "[fake_pages]") {
  FakePages pages;
  const PageId old_page = make_page(pages);
  pages.set_catalog_root(old_page);
  pages.commit();
  const FakePages::Image committed = pages.image();
  const PageId first = make_page(pages);
  const txn::SavepointId outer = pages.savepoint();
  const FakePages::Image at_outer = pages.image();
  pages.modify(old_page).write(20, 1)[0] = std::byte{1};
  const txn::SavepointId inner = pages.savepoint();
  const FakePages::Image at_inner = pages.image();
  pages.free(first);
  pages.set_catalog_root(kNoPage);
  static_cast<void>(make_page(pages));
  pages.rollback_to(inner);
  CHECK(pages.image() == at_inner);
  pages.free(old_page);
  pages.release(inner);
  CHECK_THROWS_AS(pages.rollback_to(inner), ContractViolation);
  pages.rollback_to(outer);
  CHECK(pages.image() == at_outer);
  pages.rollback();
  CHECK(pages.image() == committed);
}

TEST_CASE("the fake limits pins and chunk buffers", "[fake_pages]") {
  FakePagesOptions options;
  options.pins_max = 1;
  options.chunk_buffers_max = 1;
  FakePages pages(options);
  const PageId id = make_page(pages);
  const txn::PagePin pin = pages.pin(id);
  CHECK_THROWS_AS(pages.pin(id), MemoryLockError);
  CHECK_THROWS_AS(pages.modify(id), MemoryLockError);
  CHECK_THROWS_AS(pages.allocate(), MemoryLockError);
  const txn::ChunkBuffer buffer = pages.chunk_buffer();
  CHECK_THROWS_AS(pages.chunk_buffer(), MemoryLockError);
}

TEST_CASE("the fake's chunks know their value, place, birth and end", "[fake_pages]") {
  FakePages pages;
  txn::ChunkBuffer buffer = pages.chunk_buffer();
  std::memset(buffer.bytes().data(), 3, 10);
  const std::uint64_t value = pages.new_value_id();
  std::array<std::byte, 10> outside{};
  CHECK_THROWS_AS(pages.write_chunk(value, 0, outside), ContractViolation);
  CHECK_THROWS_AS(pages.write_chunk(value + 1, 0, buffer.bytes().first(10)), ContractViolation);
  const txn::ChunkRef ref = pages.write_chunk(value, 4, buffer.bytes().first(10));
  pages.commit();
  CHECK_NOTHROW(pages.read_chunk(value, 4, ref, buffer.bytes().first(10)));
  CHECK_THROWS_AS(pages.read_chunk(value, 5, ref, buffer.bytes().first(10)), Corrupted);
  txn::ChunkRef forged = ref;
  forged.tag[0] ^= std::byte{1};
  CHECK_THROWS_AS(pages.read_chunk(value, 4, forged, buffer.bytes().first(10)), Corrupted);
  CHECK_THROWS_AS(pages.free_chunk(ref, CommitNumber(2)), Corrupted);
  pages.free_chunk(ref, CommitNumber(1));
  CHECK_THROWS_AS(pages.free_chunk(ref, CommitNumber(1)), Corrupted);
  CHECK_THROWS_AS(pages.read_chunk(value, 4, ref, buffer.bytes().first(10)), Corrupted);
  pages.rollback();
  CHECK_NOTHROW(pages.read_chunk(value, 4, ref, buffer.bytes().first(10)));
}

}  // namespace coffer::testing
