// See store_image.hpp.
#include "txn/store_image.hpp"

#include <algorithm>

#include "txn/read_view.hpp"

namespace coffer::txn {

StoreImage::StoreImage(Core& core, std::vector<std::byte> key_header)
    : core_(core),
      key_header_(std::move(key_header)),
      superblock_(core.superblock),
      pin_(core.ledger->pin()),
      lookup_(*core.page_file, *core.keys, superblock_) {}

void StoreImage::walk(const pager::CheckpointWalk& walk, std::uint64_t born_after) const {
  pager::CheckpointWalker(*core_.page_file, *core_.keys, walk, born_after).all(superblock_);
}

pager::SlotRun StoreImage::run_of(std::uint64_t value_id, std::uint64_t index,
                                  const ChunkRef& ref) const {
  expect_sensible(core_, value_id, index, ref);
  return txn::run_of(ref, core_.page_bytes);
}

void StoreImage::open_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                            std::span<const std::byte> slots, std::span<std::byte> out) const {
  crypto::Nonce nonce;
  std::copy_n(slots.begin(), nonce.size(), nonce.begin());
  verify_chunk(core_, value_id, index, ref, nonce, slots.subspan(nonce.size(), ref.sealed_bytes),
               out.first(ref.sealed_bytes));
}

ImageView::~ImageView() {
  map_.for_each([this](const PageMap::Entry& entry) { core_.frames->leave(entry.frame); });
}

PagePin ImageView::pin(PageId id) {
  if (const PageMap::Entry* entry = map_.find(id);
      entry != nullptr && core_.frames->try_pin(entry->frame)) {
    return {*core_.frames, entry->frame.frame, id, core_.frames->bytes(entry->frame.frame)};
  }
  map_.reserve_one(*core_.frames);
  const auto ref = image_.lookup(id);
  if (!ref) raise_no_page(core_, id);
  const pager::SharedFrame shared = open_shared(
      core_, id, PageVersion{.ref = *ref, .has_slot = true, .buffer = {}}, pager::Claim::reader);
  map_.set(id, shared);
  return {*core_.frames, shared.frame, id, core_.frames->bytes(shared.frame)};
}

void ImageView::read_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                           std::span<std::byte> out) {
  txn::open_chunk(core_, value_id, index, ref, out);
}

pager::Superblock superblock_of_copy(platform::Platform& platform,
                                     const pager::Superblock& original,
                                     const crypto::KeyRing& keys) {
  pager::Superblock copy = original;
  platform.entropy().fill(copy.instance);
  copy.checkpoint += 1;
  // No segment goes along: the journal begins behind all that it ever held, under a generation of its own.
  const std::uint64_t segments =
      (original.journal_position.value + original.segment_bytes - 1) / original.segment_bytes;
  copy.journal_position = Lsn{segments * original.segment_bytes};
  copy.journal_durable_upto = copy.journal_position;
  copy.journal_previous_tag = {};
  platform.entropy().fill(copy.journal_generation);
  copy.key_header_hash = keys.header_hash();
  copy.openings_before = {};
  copy.openings_before_end = {};
  copy.openings.clear();
  copy.marks.clear();
  return copy;
}

}  // namespace coffer::txn
