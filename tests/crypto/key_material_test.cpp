// Slots and the key page by themselves: what is no longer needed is wiped.
#include "crypto/key_material.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <utility>

#include "crypto/key_ring.hpp"
#include "crypto/key_secret.hpp"
#include "crypto/key_slot.hpp"
#include "header_support.hpp"

using namespace coffer;
using namespace coffer::crypto;
using namespace coffer::test;

namespace {

const KeyBytes kWiped{};

bool caller_part_is_wiped(const KeyMaterial& keys) {
  return keys.key_encryption == kWiped && keys.commitment == kWiped && keys.wrapping == kWiped;
}

KeyPage new_page() {
  return {platform::native_platform().memory(), kPolicy};
}

}  // namespace

TEST_CASE("writing and trying a slot leave nothing of the caller's secret") {
  const Key key = golden_key();
  const Key other = filled_key(9);
  const StoreId store = to_array<StoreId>(counting(16));
  CountingEntropy entropy;
  ByteVector copy(layout::kCopyBytes);
  KeyPage page = new_page();
  page->data.fill(std::byte{0x77});
  write_slot(copy, store, 3, key.secret(), 1, *page, entropy);
  CHECK(caller_part_is_wiped(*page));

  page->data.fill(std::byte{0});
  CHECK(open_slot(copy, store, 3, other.secret(), *page) == SlotOutcome::not_ours);
  CHECK(caller_part_is_wiped(*page));
  CHECK(page->data == kWiped);
  CHECK(open_slot(copy, store, 3, key.secret(), *page) == SlotOutcome::opened);
  CHECK(caller_part_is_wiped(*page));
  CHECK(page->data[0] == std::byte{0x77});
  CHECK(page->data[31] == std::byte{0x77});
}

TEST_CASE("a ring keeps its sub-keys, all different, and no data key and nothing of the caller's") {
  KeyPage page = new_page();
  page->key_encryption.fill(std::byte{1});
  derive_slot_keys(*page);
  CHECK(page->commitment != page->wrapping);
  page->data.fill(std::byte{2});
  derive_header_keys(*page);
  derive_base_epoch(*page);
  const KeyBytes first = page->pages[0];
  const KeyBytes first_journal = page->journal;
  derive_further_epoch(*page, 1, 2, std::array<std::byte, layout::kEpochSaltBytes>{});
  CHECK(page->derived == kWiped);
  CHECK(page->pages[0] == first);
  CHECK(page->pages[2] == kWiped);
  const KeyMaterial* const keys = &*page;
  const std::set<KeyBytes> all{
      keys->commitment, keys->wrapping, keys->data,    keys->header,  keys->epochs,
      keys->pages[0],   keys->pages[1], keys->journal, first_journal, keys->superblock,
      keys->anchor,     keys->backup,   kWiped};
  CHECK(all.size() == 13);

  page->derived.fill(std::byte{3});
  const auto ring = make_key_ring({.suite = Suite::xchacha20poly1305,
                                   .store = {},
                                   .base_epoch = 1,
                                   .epoch = 2,
                                   .header_hash = {}},
                                  std::move(page));
  CHECK(key_material_of(*ring) == keys);
  CHECK(caller_part_is_wiped(*keys));
  CHECK(keys->data == kWiped);
  CHECK(keys->derived == kWiped);
  // These two are for a further epoch.
  CHECK(keys->header != kWiped);
  CHECK(keys->epochs != kWiped);
  CHECK(keys->pages[0] != kWiped);
  CHECK(keys->pages[1] != kWiped);
  CHECK(keys->journal != kWiped);
  CHECK(keys->superblock != kWiped);
  CHECK(keys->anchor != kWiped);
  CHECK(keys->backup != kWiped);
}
