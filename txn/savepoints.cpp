// Savepoints: before a page is changed for the first time since the newest savepoint, its state is noted
// there, sealed.  Going back puts those states in force again, newest savepoint first.
#include <algorithm>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "txn/write_view.hpp"

namespace coffer::txn {

using pager::Hold;
using pager::kNoFrame;

std::size_t WriteView::index_of(SavepointId id) const {
  const auto found =
      std::find(level_ids_.begin(), level_ids_.end(), static_cast<std::uint32_t>(id));
  if (found == level_ids_.end()) {
    throw InvalidArgument("this savepoint is no longer there; it was released or undone");
  }
  return static_cast<std::size_t>(found - level_ids_.begin());
}

SavepointId WriteView::savepoint() {
  Expects(!ended_);
  reserve_more(level_ids_, 1);
  Level level;
  level.catalog_root = catalog_root_;
  level.runs_allocated = own_runs_.size();
  level.runs_freed = freed_runs_.size();
  levels_.push_back(std::move(level));
  level_ids_.push_back(next_savepoint_);
  return SavepointId{next_savepoint_++};
}

/// Called before a page of ours changes (or goes).
void WriteView::note_undo(PageId id, Page* page) {
  if (levels_.empty() || page->level >= levels_.size()) return;
  auto& undo = levels_.back().undo;
  reserve_more(undo, 1);
  if (!page->freed && !page->sealed_valid) {
    const PageToSeal one{id, page};
    seal_pages({&one, 1});
  }
  Undo note{.page = id, .existed = true, .before = *page};
  note.before.frame = kNoFrame;
  undo.push_back(std::move(note));
  // The sealed form belongs to the savepoint now.
  page->sealed = {};
  page->sealed_valid = false;
  page->level = static_cast<std::uint32_t>(levels_.size());
}

void WriteView::restore(Undo& undo) {
  const auto mine = pages_.find(undo.page);
  Expects(mine != pages_.end());
  Page& page = mine->second;
  drop_sealed(page);
  if (page.frame != kNoFrame) {
    core_.frames->retire(page.frame);
    --private_frames_;
    map_.forget(undo.page);
  }
  if (undo.existed) {
    page = undo.before;
  } else {
    pages_.erase(mine);
  }
}

void WriteView::rollback_to(SavepointId id) {
  Expects(!ended_);
  chunk_writes_.finish();
  const std::size_t index = index_of(id);
  for (std::size_t at = levels_.size(); at-- > index;) {
    auto& undo = levels_[at].undo;
    while (!undo.empty()) {
      restore(undo.back());
      undo.pop_back();
    }
  }
  Level& level = levels_[index];
  catalog_root_ = level.catalog_root;
  for (std::size_t i = level.runs_freed; i < freed_runs_.size(); ++i) {
    if (!freed_runs_[i].own) continue;
    const auto own = own_run_at_.find(freed_runs_[i].run.first.value);
    if (own != own_run_at_.end()) own_runs_[own->second].freed = false;
  }
  freed_runs_.resize(level.runs_freed);
  for (std::size_t i = level.runs_allocated; i < own_runs_.size(); ++i) {
    own_run_at_.erase(own_runs_[i].run.first.value);
    if (!own_runs_[i].released) core_.ledger->release(own_runs_[i].run, Hold::transaction);
  }
  own_runs_.resize(level.runs_allocated);
  levels_.resize(index + 1);
  level_ids_.resize(index + 1);
  ++changes_;
}

void WriteView::release(SavepointId id) {
  Expects(!ended_);
  const std::size_t index = index_of(id);
  for (std::size_t at = index; at < levels_.size(); ++at) {
    for (Undo& undo : levels_[at].undo) {
      if (const auto mine = pages_.find(undo.page); mine != pages_.end()) {
        mine->second.level = std::min(mine->second.level, static_cast<std::uint32_t>(index));
      }
      if (index == 0) {
        drop_sealed(undo.before);
      } else {
        // Restored newest first, so a page noted at both ends as the older savepoint knew it.
        levels_[index - 1].undo.push_back(std::move(undo));
      }
    }
    levels_[at].undo.clear();
  }
  levels_.resize(index);
  level_ids_.resize(index);
}

}  // namespace coffer::txn
