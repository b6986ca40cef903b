#include "txn/read_view.hpp"

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"

namespace coffer::txn {

using pager::Claim;
using pager::FrameIndex;
using pager::SharedFrame;

void raise_no_page(const Core& core, PageId page) {
  pager::raise_damaged(core.keys->suite(),
                       fmt::format("page {} is referred to in {} but does not exist", page.value,
                                   core.files.pages().string()));
}

void open_private(Core& core, PageId page, const PageVersion& version, FrameIndex frame) {
  try {
    core.sealer->open(page, version, core.frames->bytes(frame));
  } catch (...) {
    core.frames->retire(frame);
    throw;
  }
  core.pages_opened.fetch_add(1, std::memory_order_relaxed);
}

SharedFrame open_shared(Core& core, PageId page, const PageVersion& version, Claim claim) {
  if (const auto found = core.frames->find(page, version.ref.tag)) return *found;
  const FrameIndex frame = core.frames->take(claim);
  open_private(core, page, version, frame);
  pager::PageHeader header;
  std::memcpy(&header, core.frames->bytes(frame).data(), sizeof header);
  return core.frames->share(frame, page, version.ref.tag, header.level > 0);
}

void expect_sensible(const Core& core, std::uint64_t value_id, std::uint64_t index,
                     const ChunkRef& ref) {
  if (core.keys->pages(ref.epoch.value) != nullptr && ref.sealed_bytes != 0 &&
      ref.sealed_bytes <= pager::chunk_bytes(core.page_bytes)) {
    return;
  }
  pager::raise_damaged(
      core.keys->suite(),
      fmt::format("the reference to chunk {} of value {} cannot be", index, value_id));
}

void verify_chunk(const Core& core, std::uint64_t value_id, std::uint64_t index,
                  const ChunkRef& ref, const crypto::Nonce& nonce,
                  std::span<const std::byte> ciphertext, std::span<std::byte> out) {
  if (!core.keys->pages(ref.epoch.value)
           ->open(out, ciphertext, ref.tag,
                  {.role = crypto::Role::value_chunk,
                   .epoch = ref.epoch.value,
                   .a = value_id,
                   .b = index},
                  nonce)) {
    core.page_file->raise_unverified(
        fmt::format("chunk {} of value {} in slot {} of {} does not verify", index, value_id,
                    ref.first_slot.value, core.files.pages().string()));
  }
}

void open_chunk(const Core& core, std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                std::span<std::byte> out) {
  Expects(out.size() == ref.sealed_bytes);
  expect_sensible(core, value_id, index, ref);
  crypto::Nonce nonce;
  core.page_file->read(ref.first_slot, nonce, out);
  verify_chunk(core, value_id, index, ref, nonce, out, out);
}

namespace {

/// A frame that has stayed: nobody has to ask the page table when the overlay does not know the page and the frame is
/// what the table names, which it still is if no checkpoint has taken force when both have been seen.
std::optional<SharedFrame> find_kept(Core& core, PageId page) {
  if (!core.frames->keeps_pages()) return std::nullopt;
  const std::uint64_t seen_in = core.table_state();
  if (core.overlay->knows(page)) return std::nullopt;
  const auto found = core.frames->find_current(page, seen_in);
  if (!found || core.table_state() == seen_in) return found;
  core.frames->leave(*found);
  core.frames->unpin(found->frame);
  return std::nullopt;
}

}  // namespace

SharedFrame open_seen(Core& core, PageId page, CommitNumber snapshot, Claim claim) {
  if (const auto kept = find_kept(core, page)) return *kept;
  const Resolved resolved = core.resolve(page, snapshot);
  if (!resolved.present) raise_no_page(core, page);
  const SharedFrame shared = open_shared(core, page, resolved.version, claim);
  if (resolved.table_state != 0 && core.frames->keeps_pages()) {
    core.frames->note_current(shared, resolved.table_state);
  }
  return shared;
}

ReadView::ReadView(Core& core, bool latest) : core_(core) {
  ticket_ = core.snapshots.begin(latest ? core.latest_commit : core.durable_commit);
  catalog_root_ = core.catalog_at(ticket_.commit);
}

ReadView::~ReadView() {
  ahead_.reset();
  map_.for_each([this](const PageMap::Entry& entry) { core_.frames->leave(entry.frame); });
  core_.snapshots.end(ticket_);
}

PagePin ReadView::pin(PageId id) {
  if (const PageMap::Entry* entry = map_.find(id);
      entry != nullptr && core_.frames->try_pin(entry->frame)) {
    return {*core_.frames, entry->frame.frame, id, core_.frames->bytes(entry->frame.frame)};
  }
  return pin_slowly(id);
}

void ReadView::read_ahead(std::span<const PageId> pages) noexcept {
  if (!std::exchange(ahead_tried_, true)) ahead_ = ReadAhead::start(core_, ticket_.commit);
  if (ahead_) ahead_->expect(pages);
}

PagePin ReadView::pin_slowly(PageId id) {
  map_.reserve_one(*core_.frames);
  std::optional<SharedFrame> opened;
  if (ahead_) opened = ahead_->take(id);
  const SharedFrame shared = opened ? *opened : open_seen(core_, id, ticket_.commit, Claim::reader);
  map_.set(id, shared);
  return {*core_.frames, shared.frame, id, core_.frames->bytes(shared.frame)};
}

std::size_t ReadView::chunk_bytes() const {
  return pager::chunk_bytes(core_.page_bytes);
}

void ReadView::read_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                          std::span<std::byte> out) {
  open_chunk(core_, value_id, index, ref, out);
}

}  // namespace coffer::txn
