#include "txn/write_view.hpp"

#include <algorithm>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "txn/read_view.hpp"

namespace coffer::txn {

using pager::Claim;
using pager::FrameIndex;
using pager::Hold;
using pager::kNoFrame;
using pager::SharedFrame;

namespace {

/// Chunks that a transaction writes before it has a second thread write them.
constexpr std::size_t kChunksAtOnce = 8;

}  // namespace

WriteView::WriteView(Core& core)
    : core_(core),
      snapshot_(CommitNumber{core.latest_commit.load()}),
      nonces_(core.platform.entropy()),
      second_nonces_(core.platform.entropy()),
      catalog_root_(PageId{core.catalog_root.load()}),
      next_page_(core.state.next_page),
      next_value_id_(core.state.next_value_id),
      chunk_writes_(*core.page_file) {
  commit_ = snapshot_.next();
}

WriteView::~WriteView() {
  rollback();
}

std::size_t WriteView::chunk_bytes() const {
  return pager::chunk_bytes(core_.page_bytes);
}

// --- Frames ---------------------------------------------------------------------------------------------

/// A private frame, with pages spilled to make room where needed.
FrameIndex WriteView::take_frame() {
  if (private_frames_ >= core_.frames->private_frames_max()) spill_some();
  for (;;) {
    if (const auto frame = core_.frames->try_take(Claim::writer)) return *frame;
    if (!spill_some()) core_.frames->raise_exhausted();
  }
}

/// The page lives in this private frame from now on.  Callers have made room with reserve_one and in
/// `resident_`.
void WriteView::adopt(PageId id, Page& page, FrameIndex frame) noexcept {
  page.frame = frame;
  map_.set(id, {frame, core_.frames->generation(frame)});
  ++private_frames_;
}

void WriteView::drop_sealed(Page& page) noexcept {
  if (!page.sealed_valid) return;
  if (page.sealed.has_slot) {
    core_.ledger->release({page.sealed.ref.slot, 1}, Hold::transaction);
  } else if (page.sealed.buffer) {
    spilled_in_memory_ -= page.sealed.buffer->ciphertext().size();
  }
  page.sealed = {};
  page.sealed_valid = false;
}

/// Brings a spilled page back into a frame; its sealed form stays good until it is changed.
void WriteView::load(PageId id, Page& page) {
  Expects(page.sealed_valid && page.frame == kNoFrame);
  map_.reserve_one(*core_.frames);
  resident_.push_back(id);
  const FrameIndex frame = take_frame();
  open_private(core_, id, page.sealed, frame);
  adopt(id, page, frame);
}

// --- Reading --------------------------------------------------------------------------------------------

PagePin WriteView::pin(PageId id) {
  if (const PageMap::Entry* entry = map_.find(id);
      entry != nullptr && core_.frames->try_pin(entry->frame)) {
    return {*core_.frames, entry->frame.frame, id, core_.frames->bytes(entry->frame.frame)};
  }
  return pin_slowly(id);
}

PagePin WriteView::pin_slowly(PageId id) {
  Expects(!ended_);
  if (const auto mine = pages_.find(id); mine != pages_.end()) {
    Page& page = mine->second;
    if (page.freed) raise_no_page(core_, id);
    if (page.frame == kNoFrame) load(id, page);
    core_.frames->add_pin(page.frame);
    return {*core_.frames, page.frame, id, core_.frames->bytes(page.frame)};
  }
  map_.reserve_one(*core_.frames);
  SharedFrame shared;
  for (;;) {
    try {
      shared = open_seen(core_, id, snapshot_, Claim::writer);
      break;
    } catch (const MemoryLockError&) {
      if (!spill_some()) throw;
    }
  }
  map_.set(id, shared);
  return {*core_.frames, shared.frame, id, core_.frames->bytes(shared.frame)};
}

void WriteView::read_chunk(std::uint64_t value_id, std::uint64_t index, const ChunkRef& ref,
                           std::span<std::byte> out) {
  chunk_writes_.finish();
  open_chunk(core_, value_id, index, ref, out);
}

// --- Changing -------------------------------------------------------------------------------------------

MutablePage WriteView::hand_out(PageId id, Page& page) {
  core_.frames->add_pin(page.frame);
  const auto bytes = core_.frames->bytes(page.frame);
  return {PagePin(*core_.frames, page.frame, id, bytes), bytes, &page.dirty};
}

/// Enters a page that this transaction has not changed yet, in a private frame: the shared one when nobody
/// else has it, else a copy.
WriteView::Page& WriteView::first_change(PageId id) {
  PagePin pinned = pin(id);
  const SharedFrame shared = map_.find(id)->frame;
  resident_.push_back(id);
  const auto [entry, fresh] = pages_.try_emplace(id);
  Expects(fresh);
  Page& page = entry->second;
  try {
    page.base = CommitNumber{pinned.header().version};
    if (core_.frames->make_private(shared)) {
      pinned.release();  // its pin is the transaction's own from now on
      adopt(id, page, shared.frame);
    } else {
      const FrameIndex frame = take_frame();
      const auto from = pinned.bytes();
      std::copy(from.begin(), from.end(), core_.frames->bytes(frame).begin());
      adopt(id, page, frame);
      pinned.reset();
      core_.frames->leave(shared);
    }
  } catch (...) {
    pages_.erase(entry);
    throw;
  }
  return page;
}

/// Handles on the page keep what they see: the transaction goes on with a copy (P2).
void WriteView::unshare(PageId id, Page& page) {
  if (core_.frames->pins(page.frame) == 1) return;
  core_.frames->add_pin(page.frame);  // not to be spilled while we look for a frame
  FrameIndex copy = kNoFrame;
  try {
    copy = take_frame();
  } catch (...) {
    core_.frames->unpin(page.frame);
    throw;
  }
  core_.frames->unpin(page.frame);
  const auto from = core_.frames->bytes(page.frame);
  std::copy(from.begin(), from.end(), core_.frames->bytes(copy).begin());
  core_.frames->retire(page.frame);
  --private_frames_;
  adopt(id, page, copy);
}

MutablePage WriteView::modify(PageId id) {
  Expects(!ended_);
  const auto mine = pages_.find(id);
  if (mine == pages_.end()) {
    Page& page = first_change(id);
    if (!levels_.empty()) {
      try {
        levels_.back().undo.push_back({.page = id, .existed = false, .before = {}});
      } catch (...) {
        // Changed by nobody yet: forget that it was to be.
        core_.frames->retire(page.frame);
        --private_frames_;
        map_.forget(id);
        pages_.erase(id);
        throw;
      }
    }
    page.level = static_cast<std::uint32_t>(levels_.size());
    ++changes_;
    return hand_out(id, page);
  }
  Page& page = mine->second;
  if (page.freed) raise_no_page(core_, id);
  if (page.frame == kNoFrame) load(id, page);
  note_undo(id, &page);
  unshare(id, page);
  drop_sealed(page);
  ++changes_;
  return hand_out(id, page);
}

/// A number that no page has: freed earlier, never used, or found empty in the table.
PageId WriteView::find_page_number() {
  const std::scoped_lock lock(core_.publish_mutex);
  if (!core_.freed_pages.empty()) {
    reserve_more(taken_, 1);
    taken_.push_back(core_.freed_pages.back());
    core_.freed_pages.pop_back();
    return taken_.back().page;
  }
  // Only numbers below what the table covers can be found there; those that commits since have taken have
  // a chain in the overlay.
  while (const auto found =
             core_.metadata->find_empty(core_.search_from, core_.superblock.next_page)) {
    core_.search_from = found->next();
    if (core_.overlay->knows(*found) || pages_.contains(*found)) continue;
    if (lowest_found_ == kNoPage || *found < lowest_found_) lowest_found_ = *found;
    return *found;
  }
  core_.search_from = std::max(core_.search_from, core_.superblock.next_page);
  const PageId fresh = next_page_;
  next_page_ = next_page_.next();
  return fresh;
}

MutablePage WriteView::allocate() {
  Expects(!ended_);
  if (!levels_.empty()) reserve_more(levels_.back().undo, 1);
  map_.reserve_one(*core_.frames);
  const FrameIndex frame = take_frame();
  PageId id{};
  try {
    id = find_page_number();
    resident_.push_back(id);
    pages_.try_emplace(id);
  } catch (...) {
    core_.frames->retire(frame);
    throw;
  }
  Page& page = pages_.at(id);
  page.is_new = true;
  page.level = static_cast<std::uint32_t>(levels_.size());
  if (!levels_.empty()) levels_.back().undo.push_back({.page = id, .existed = false, .before = {}});
  adopt(id, page, frame);
  page.dirty.mask = ~0ull;
  const pager::PageHeader header{.gap_begin = pager::kPageHeaderBytes,
                                 .gap_end = static_cast<std::uint16_t>(core_.content_bytes),
                                 .type = 0,
                                 .level = 0,
                                 .count = 0,
                                 .version = 0};
  std::memcpy(core_.frames->bytes(frame).data(), &header, sizeof header);
  ++changes_;
  return hand_out(id, page);
}

void WriteView::free(PageId id) {
  Expects(!ended_);
  auto mine = pages_.find(id);
  if (mine == pages_.end()) {
    if (!core_.resolve(id, snapshot_).present) raise_no_page(core_, id);
    if (!levels_.empty()) reserve_more(levels_.back().undo, 1);
    mine = pages_.try_emplace(id).first;
    map_.leave(id, *core_.frames);
    if (!levels_.empty())
      levels_.back().undo.push_back({.page = id, .existed = false, .before = {}});
    mine->second.level = static_cast<std::uint32_t>(levels_.size());
  } else {
    Page& page = mine->second;
    if (page.freed) raise_no_page(core_, id);
    note_undo(id, &page);
    drop_sealed(page);
    if (page.frame != kNoFrame) {
      core_.frames->retire(page.frame);
      page.frame = kNoFrame;
      --private_frames_;
      map_.forget(id);
    }
  }
  mine->second.freed = true;
  mine->second.dirty = {};
  ++changes_;
}

void WriteView::add(BatchWriter& writer) {
  Expects(!ended_ && levels_.empty() && writer.commit_ == commit_);
  writer.finish();
  for (; !writer.written_.empty(); writer.written_.pop_back()) {
    const auto& [id, ref] = writer.written_.back();
    const auto [entry, fresh] = pages_.try_emplace(id);
    Expects(fresh);
    Page& page = entry->second;
    page.is_new = true;
    page.dirty.mask = ~0ull;
    page.sealed = {.ref = ref, .has_slot = true, .buffer = {}};
    page.sealed_valid = true;
  }
  ++changes_;
}

void WriteView::set_catalog_root(PageId id) {
  catalog_root_ = id;
  ++changes_;
}

std::uint64_t WriteView::new_value_id() {
  return next_value_id_++;
}

// --- Large values ---------------------------------------------------------------------------------------

ChunkRef WriteView::write_chunk(std::uint64_t value_id, std::uint64_t index,
                                std::span<const std::byte> plaintext) {
  Expects(!ended_ && !plaintext.empty() && plaintext.size() <= chunk_bytes());
  const std::uint32_t slots = pager::slots_for(core_.page_bytes, plaintext.size());
  reserve_more(own_runs_, 1);
  const std::span whole = chunk_writes_.room(std::size_t{slots} * core_.page_bytes);

  const crypto::Nonce nonce = nonces_.next();
  const Epoch epoch{core_.keys->current_epoch()};
  const std::span body = whole.subspan(crypto::kNonceBytes, plaintext.size());
  ChunkRef ref;
  ref.tag =
      core_.keys->pages(epoch.value)
          ->seal(
              body, plaintext,
              {.role = crypto::Role::value_chunk, .epoch = epoch.value, .a = value_id, .b = index},
              nonce);
  std::copy(nonce.begin(), nonce.end(), whole.begin());
  crypto::Filler filler(core_.platform.entropy());
  filler.fill(whole.subspan(crypto::kNonceBytes + plaintext.size()));
  ref.sealed_bytes = static_cast<std::uint32_t>(plaintext.size());
  ref.epoch = epoch;

  const pager::SlotRun run = core_.ledger->allocate(slots, Hold::transaction);
  ref.first_slot = run.first;
  try {
    own_run_at_[run.first.value] = own_runs_.size();  // may throw
    chunk_writes_.write(run, whole, own_runs_.size() < kChunksAtOnce ? nullptr : second_thread());
  } catch (...) {
    own_run_at_.erase(run.first.value);
    core_.ledger->release(run, Hold::transaction);
    throw;
  }
  own_runs_.push_back({.run = run});
  ++changes_;
  return ref;
}

void WriteView::free_chunk(const ChunkRef& ref, CommitNumber born) {
  Expects(!ended_);
  const pager::SlotRun run = run_of(ref, core_.page_bytes);
  ++changes_;
  const auto own = own_run_at_.find(run.first.value);
  if (own == own_run_at_.end()) {
    freed_runs_.push_back({.run = run, .born = born, .own = false});
    return;
  }
  chunk_writes_.finish();
  OwnRun& mine = own_runs_[own->second];
  if (levels_.empty()) {
    // Nothing can bring it back: its slots are free for the rest of this transaction.
    mine.freed = mine.released = true;
    own_run_at_.erase(own);
    core_.ledger->release(run, Hold::transaction);
  } else {
    freed_runs_.push_back({.run = run, .born = born, .own = true});
    mine.freed = true;
  }
}

// --- The end --------------------------------------------------------------------------------------------

void WriteView::give_back_page_numbers() noexcept {
  const std::scoped_lock lock(core_.publish_mutex);
  for (const FreedPage& taken : taken_) {
    const auto mine = pages_.find(taken.page);
    const bool used = mine != pages_.end() && !mine->second.freed;
    // What a checkpoint has meanwhile made empty in the table is found there.
    const bool only_here = taken.commit > core_.superblock.commit;
    if ((!used || !ended_with_commit_) && only_here) core_.freed_pages.push_back(taken);
  }
  if (lowest_found_ != kNoPage) core_.search_from = std::min(core_.search_from, lowest_found_);
}

void WriteView::forget_runs() noexcept {
  for (const OwnRun& own : own_runs_) {
    if (!own.released) core_.ledger->release(own.run, Hold::transaction);
  }
  own_runs_.clear();
}

/// Wipes every frame and gives the turn to the next writer.
void WriteView::end() noexcept {
  ended_ = true;
  const bool may_stay = ended_with_commit_ && core_.options.residency != Residency::strict;
  for (auto& [id, page] : pages_) {
    if (page.frame == kNoFrame) continue;
    map_.forget(id);
    if (may_stay && page.sealed_valid && core_.frames->pins(page.frame) == 1) {
      pager::PageHeader header;
      std::memcpy(&header, core_.frames->bytes(page.frame).data(), sizeof header);
      const SharedFrame shared =
          core_.frames->share(page.frame, id, page.sealed.ref.tag, header.level > 0);
      core_.frames->unpin(shared.frame);
      core_.frames->leave(shared);
    } else {
      core_.frames->retire(page.frame);
    }
    page.frame = kNoFrame;
  }
  map_.for_each([this](const PageMap::Entry& entry) { core_.frames->leave(entry.frame); });
  for (Level& level : levels_) {
    for (Undo& undo : level.undo) drop_sealed(undo.before);
  }
  core_.writer_turn.give();
}

void WriteView::rollback() noexcept {
  if (ended_) return;
  chunk_writes_.abandon();
  for (auto& [id, page] : pages_) drop_sealed(page);
  forget_runs();
  give_back_page_numbers();
  end();
}

}  // namespace coffer::txn
