// Large values: what is written comes back, what is damaged is named, and the bytes of both.
#include "tree/large_value.hpp"

#include <coffer/error.hpp>

#include "tests/tree/large_value_support.hpp"
#include "tree/page_types.hpp"

namespace coffer::tree::test {

using testing::FakePages;

TEST_CASE("a value of any length comes back, and is gone without a trace when freed",
          "[large_value]") {
  FakePages pages(small_pages());
  std::mt19937_64 random(11);
  std::vector<std::size_t> lengths = {0, 1, kSmallChunk - 1, kSmallChunk, kSmallChunk + 1};
  // 33 chunks fill two levels, 363 three.
  for (const std::size_t chunks :
       {2u, 3u, 4u, 5u, 6u, 7u, 9u, 10u, 32u, 33u, 34u, 35u, 66u, 67u, 362u, 363u, 364u}) {
    for (const std::size_t more : {0u, 1u, 6u}) lengths.push_back(chunks * kSmallChunk - 6 + more);
  }
  for (const std::size_t length : lengths) {
    INFO("length " << length);
    const Buffer bytes = pattern(length, length);
    pages.reset_peak();
    LargeValueWriter writer(pages, nullptr);
    for (std::size_t at = 0; at < length;) {
      const std::size_t piece = std::min<std::size_t>(random() % 20, length - at);
      writer.write(std::span(bytes).subspan(at, piece));
      at += piece;
      REQUIRE(writer.size() == at);
    }
    const LargeValueDescriptor value = writer.finish();
    writer.release();
    CHECK(value.length == length);
    CHECK(pages.pins_peak() <= 1);
    CHECK(pages.chunk_buffers() == 0);

    const std::uint64_t chunks = (length + kSmallChunk - 1) / kSmallChunk;
    CHECK(pages.chunk_count() == chunks);
    CHECK(pages.page_count() == small_index_pages(chunks));
    pages.commit();

    Inventory inventory;
    visit_large_value(pages, value, inventory);
    CHECK(inventory.in_order);
    CHECK(inventory.chunk_lengths.size() == chunks);
    CHECK(inventory.pages.size() == pages.page_count());
    {
      LargeValueReader reader(pages, value, nullptr);
      CHECK(read_all(reader) == bytes);
      std::byte beyond{};
      CHECK(reader.read_at(length, {&beyond, 1}) == 0);
      CHECK(reader.read_at(UINT64_MAX, {&beyond, 1}) == 0);
    }
    CHECK(pages.chunk_buffers_peak() == (length == 0 ? pages.chunk_buffers_peak() : 1));
    CHECK(pages.pins() == 0);

    free_large_value(pages, value, nullptr);
    CHECK(pages.page_count() == 0);
    CHECK(pages.chunk_count() == 0);
    pages.commit();
  }
}

TEST_CASE("reads at random places agree with the bytes that were written", "[large_value]") {
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  FakePages pages(small_pages());
  const Buffer bytes = pattern(kSmallChunk * 400 + 3, seed);
  const LargeValueDescriptor value = write_value(pages, bytes);
  pages.commit();
  LargeValueReader reader(pages, value, nullptr);
  pages.reset_peak();
  for (int i = 0; i < 3000; ++i) {
    const std::size_t offset = random() % (bytes.size() + 10);
    const std::size_t wanted = random() % 40;
    Buffer out(wanted, std::byte{0xAA});
    const std::size_t expected =
        offset >= bytes.size() ? 0 : std::min(wanted, bytes.size() - offset);
    REQUIRE(reader.read_at(offset, out) == expected);
    REQUIRE((expected == 0 || std::memcmp(out.data(), bytes.data() + offset, expected) == 0));
    REQUIRE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(expected), out.end(),
                        [](std::byte b) { return b == std::byte{0xAA}; }));
  }
  CHECK(pages.pins_peak() == 1);
  CHECK(pages.chunk_buffers_peak() == 1);
}

TEST_CASE("several values live side by side and keep to themselves", "[large_value]") {
  FakePages pages(small_pages());
  const Buffer a = pattern(300, 1);
  const Buffer b = pattern(500, 2);
  const LargeValueDescriptor first = write_value(pages, a);
  pages.commit();
  const LargeValueDescriptor second = write_value(pages, b);
  CHECK(first.value_id != second.value_id);
  CHECK(first.born == CommitNumber(1));
  CHECK(second.born == CommitNumber(2));
  pages.commit();
  free_large_value(pages, first, nullptr);  // ContractViolation if `born` were not the value's own
  pages.commit();
  LargeValueReader reader(pages, second, nullptr);
  CHECK(read_all(reader) == b);
}

TEST_CASE("a chunk is sealed only when more follows", "[large_value]") {
  FakePages pages(small_pages());
  LargeValueWriter writer(pages, nullptr);
  const Buffer bytes = pattern(kSmallChunk + 1);
  REQUIRE(writer.unsealed());
  CHECK(writer.unsealed()->empty());
  writer.write(std::span(bytes).first(kSmallChunk));
  REQUIRE(writer.unsealed());
  CHECK(std::ranges::equal(*writer.unsealed(), std::span(bytes).first(kSmallChunk)));
  CHECK(pages.chunk_count() == 0);
  writer.write(std::span(bytes).last(1));
  CHECK_FALSE(writer.unsealed());
  CHECK(pages.chunk_count() == 1);
}

TEST_CASE("a writer that is dropped gives back what it had written", "[large_value]") {
  FakePages pages(small_pages());
  for (std::size_t chunks = 0; chunks < 120; ++chunks) {
    for (const bool finish : {false, true}) {
      {
        LargeValueWriter writer(pages, nullptr);
        writer.write(pattern(chunks * kSmallChunk + 2));
        if (finish) static_cast<void>(writer.finish());
      }
      REQUIRE(pages.page_count() == 0);
      REQUIRE(pages.chunk_count() == 0);
      REQUIRE(pages.chunk_buffers() == 0);
    }
  }
  pages.commit();
}

TEST_CASE("a sealed value takes nothing more, and describes itself again", "[large_value]") {
  FakePages pages(small_pages());
  LargeValueWriter writer(pages, nullptr);
  writer.write(pattern(100));
  const LargeValueDescriptor once = writer.finish();
  const LargeValueDescriptor twice = writer.finish();
  CHECK(once.root == twice.root);
  CHECK(once.length == 100);
  CHECK_THROWS_AS(writer.write(pattern(1)), InvalidArgument);
  writer.release();
  CHECK_THROWS_AS(writer.write(pattern(1)), InvalidArgument);
  CHECK_THROWS_AS(writer.finish(), InvalidArgument);
}

// --- damage

TEST_CASE("an index page that cannot be is Corrupted, and named", "[large_value][damage]") {
  const Buffer bytes = pattern(kSmallChunk * 70);
  struct Change {
    std::size_t offset;
    unsigned value;
  };
  // gap_begin, gap_end, type, level, count, and an entry (a page number; a chunk's length).
  const Change changes[] = {{0, 17}, {2, 99}, {4, 9}, {5, 7}, {6, 12}, {7, 1}, {22, 5}};
  for (const Change change : changes) {
    INFO("byte " << change.offset << " = " << change.value);
    FakePages pages(small_pages());
    const LargeValueDescriptor value = write_value(pages, bytes);
    pages.commit();
    Inventory whole;
    visit_large_value(pages, value, whole);
    for (const auto& [page, level] : whole.pages) {
      INFO("page " << page << " level " << level);
      FakePages damaged(small_pages());
      const LargeValueDescriptor same = write_value(damaged, bytes);
      damaged.commit();
      damaged.damage_page(PageId(page), change.offset, static_cast<std::byte>(change.value));
      Inventory seen;
      CHECK_THROWS_AS(visit_large_value(damaged, same, seen), Corrupted);
      LargeValueReader reader(damaged, same, nullptr);
      Buffer out(bytes.size());
      CHECK_THROWS_AS(reader.read_at(0, out), Corrupted);
      const FakePages::Image before = damaged.image();
      CHECK_THROWS_AS(free_large_value(damaged, same, nullptr), Corrupted);
      CHECK(damaged.image() == before);
      if (change.offset < 16) {
        CHECK_THROWS_WITH(visit_large_value(damaged, same, seen),
                          Catch::StartsWith("page " + std::to_string(page) + ":"));
      }
    }
  }
}

TEST_CASE("random damage to index pages never goes beyond an error", "[large_value][damage]") {
  const std::uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const Buffer bytes = pattern(kSmallChunk * 40 + 2);
  int caught = 0;
  for (int i = 0; i < 400; ++i) {
    FakePages pages(small_pages());
    const LargeValueDescriptor value = write_value(pages, bytes);
    pages.commit();
    const std::vector<PageId> all = pages.pages();
    pages.damage_page(all[random() % all.size()], random() % kSmallContent,
                      static_cast<std::byte>(random()));
    LargeValueReader reader(pages, value, nullptr);
    Buffer out(bytes.size());
    try {
      reader.read_at(0, out);
      REQUIRE(out == bytes);  // the gap, the version, or the same byte again
    } catch (const Corrupted&) {
      ++caught;
    }
  }
  CHECK(caught > 100);
}

// --- layout

TEST_CASE("the index's depth follows from the number of chunks", "[large_value][format]") {
  // 4072 bytes of content: (4072 - 16) / 30 = 135 references, (4072 - 16) / 8 = 507 numbers.
  const LargeValueGeometry geometry(4072, 65512);
  CHECK(geometry.fanout(0) == 135);
  CHECK(geometry.fanout(1) == 507);
  CHECK(geometry.chunk_count(0) == 0);
  CHECK(geometry.chunk_count(65512) == 1);
  CHECK(geometry.chunk_count(65513) == 2);
  CHECK(geometry.chunk_count(std::uint64_t{2} << 30) == 32781);
  CHECK(geometry.root_level(3) == 0);
  CHECK(geometry.root_level(135) == 0);
  CHECK(geometry.root_level(136) == 1);
  CHECK(geometry.root_level(32781) == 1);
  CHECK(geometry.root_level(68445) == 1);
  CHECK(geometry.root_level(68446) == 2);
  CHECK(geometry.chunk_length(65513, 1) == 1);
  CHECK(geometry.descriptor_bytes(0) == 24);
  CHECK(geometry.descriptor_bytes(1) == 54);
  CHECK(geometry.descriptor_bytes(2 * 65512) == 84);
  CHECK(geometry.descriptor_bytes(2 * 65512 + 1) == 32);
  // Lengths that no disk holds, as damage may claim them, end in a number all the same.
  CHECK(geometry.chunk_count(UINT64_MAX) == 281578093688326);
  CHECK(LargeValueGeometry(kSmallContent, 1).root_level(UINT64_MAX) == 19);  // 3 * 11^19 > 2^64
}

TEST_CASE("descriptors have the bytes that the format says", "[large_value][format]") {
  const LargeValueGeometry geometry(4072, 65512);
  LargeValueDescriptor value;
  value.length = 65512 + 0x0102;
  value.value_id = 0x1122334455667788;
  value.born = CommitNumber(0xA1A2);
  value.inline_chunks[0].first_slot = SlotId(0x010203040506);
  value.inline_chunks[0].sealed_bytes = 65512;
  value.inline_chunks[0].epoch = Epoch(0x0A0B0C0D);
  value.inline_chunks[0].tag.fill(std::byte{0xEE});
  value.inline_chunks[1].first_slot = SlotId(7);
  value.inline_chunks[1].sealed_bytes = 0x0102;
  value.inline_chunks[1].epoch = Epoch(1);
  value.inline_chunks[1].tag.fill(std::byte{0xDD});
  const unsigned char expected[84] = {
      0xEA, 0x00, 0x01, 0,    0,    0,    0,    0,     // 65512 + 258 = 65770
      0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,  // value id
      0xA2, 0xA1, 0,    0,    0,    0,    0,    0,     // born
      0x06, 0x05, 0x04, 0x03, 0x02, 0x01,              // slot
      0xE8, 0xFF, 0x00, 0x00,                          // 65512
      0x0D, 0x0C, 0x0B, 0x0A,                          // epoch
      0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE,  //
      0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE,  // tag
      0x07, 0,    0,    0,    0,    0,                 //
      0x02, 0x01, 0,    0,                             //
      0x01, 0,    0,    0,                             //
      0xDD, 0xDD, 0xDD, 0xDD, 0xDD, 0xDD, 0xDD, 0xDD,  //
      0xDD, 0xDD, 0xDD, 0xDD, 0xDD, 0xDD, 0xDD, 0xDD};
  std::array<std::byte, kLargeDescriptorBytesMax> out{};
  REQUIRE(encode_large_value(geometry, value, out) == 84);
  CHECK(std::memcmp(out.data(), expected, 84) == 0);
  const LargeValueDescriptor back = decode_large_value(geometry, out, PageId(5));
  CHECK(back.length == value.length);
  CHECK(back.value_id == value.value_id);
  CHECK(back.born == value.born);
  CHECK(back.inline_chunks[0].first_slot == SlotId(0x010203040506));
  CHECK(back.inline_chunks[1].sealed_bytes == 0x0102);

  value.length = 3 * 65512;
  value.root = PageId(0x0908);
  REQUIRE(encode_large_value(geometry, value, out) == 32);
  const unsigned char root[8] = {0x08, 0x09, 0, 0, 0, 0, 0, 0};
  CHECK(std::memcmp(out.data() + 24, root, 8) == 0);
  CHECK(decode_large_value(geometry, std::span(out).first(32), PageId(5)).root == PageId(0x0908));
}

TEST_CASE("a descriptor that cannot be is Corrupted", "[large_value][format]") {
  const LargeValueGeometry geometry(4072, 65512);
  std::array<std::byte, 84> bytes{};
  const auto decode = [&](std::size_t length) {
    return decode_large_value(geometry, std::span(bytes).first(length), PageId(77));
  };
  CHECK(decode(24).length == 0);
  CHECK_THROWS_WITH(decode(23), Catch::StartsWith("page 77:"));
  CHECK_THROWS_AS(decode(0), Corrupted);
  CHECK_THROWS_AS(decode(54), Corrupted);  // a chunk too many
  bytes[0] = std::byte{1};
  CHECK_THROWS_AS(decode(24), Corrupted);  // a chunk too few
  CHECK_THROWS_AS(decode(54), Corrupted);  // the chunk's own length is 0
  bytes[30] = std::byte{1};
  CHECK(decode(54).inline_chunks[0].sealed_bytes == 1);
  bytes[5] = std::byte{1};  // 2^40 bytes
  CHECK_THROWS_AS(decode(54), Corrupted);
  bytes[24] = bytes[30] = std::byte{0};
  CHECK_THROWS_AS(decode(32), Corrupted);  // no root
}

TEST_CASE("index pages have the bytes that the format says", "[large_value][format]") {
  FakePages pages(small_pages());
  const LargeValueDescriptor value = write_value(pages, pattern(kSmallChunk * 4));
  Inventory inventory;
  visit_large_value(pages, value, inventory);
  // Two leaves of 3 and 1 chunks below a root.
  REQUIRE(inventory.pages.size() == 3);
  REQUIRE(inventory.pages[0] == std::pair<std::uint64_t, unsigned>(value.root.value, 1));
  const auto starts_with = [&](PageId id, std::vector<unsigned char> expected) {
    const txn::PagePin pin = pages.pin(id);
    return std::memcmp(pin.data(), expected.data(), expected.size()) == 0;
  };
  const auto left = static_cast<unsigned char>(inventory.pages[1].first);
  const auto right = static_cast<unsigned char>(inventory.pages[2].first);
  CHECK(starts_with(value.root, {32,   0, 106, 0, 3, 1, 2, 0, 0,     0, 0, 0, 0, 0, 0, 0,  //
                                 left, 0, 0,   0, 0, 0, 0, 0, right, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(starts_with(PageId(left), {106, 0, 106, 0, 4, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(starts_with(PageId(right), {46, 0, 106, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  const txn::PagePin pin = pages.pin(PageId(right));
  const auto slot = static_cast<std::uint64_t>(pin.bytes()[16]) +
                    (static_cast<std::uint64_t>(pin.bytes()[17]) << 8);
  CHECK(slot == *pages.live_chunks().rbegin());
  CHECK(pin.bytes()[22] == std::byte{kSmallChunk});
}

}  // namespace coffer::tree::test
