// Moving pages from the end of the page file into free slots before them, so that closing can cut the end off: after a
// load a third of the file is what the last checkpoints could not write over.
//
// Invariants
//   E1  A page is moved as it is: the same ciphertext under the same nonce and tag, which verified when it was read.
//   E2  What it leaves stays as it is until the checkpoint that names the new places is in force.
//   E3  Nobody reads meanwhile: where a page lay is no version that a snapshot holds.
//   E4  It is work for a moment: where there is more to move than that, nothing is.
#pragma once

#include <utility>
#include <vector>

#include "pager/checkpoint_walk.hpp"
#include "txn/core.hpp"

namespace coffer::txn {

/// Most pages that are moved at a time: 256 MiB of pages of 4 KiB.
inline constexpr std::uint64_t kTailMovesMax = 65'536;

/// Whether so much of the file is free, and not at its end, that moving is worth it (an eighth of what is used, and a
/// megabyte), and no more than kTailMovesMax slots are in use behind what is.
[[nodiscard]] bool tail_moves_due(const Core& core);

using MovedPage = std::pair<PageId, pager::SlotRef>;

/// Copies pages of the checkpoint in force, which has all that was committed, from the end of the file to free slots
/// further to the front, and gives their new references in rising order of the pages.  The slots carry Hold::checkpoint,
/// which is the caller's to take off.  Under checkpoint_mutex; the page file is the caller's to sync.  None where that
/// would not shorten the file, or not enough.  A page that does not verify is left where it is.
/// Tampered, Corrupted (the page table), IoError, MemoryLockError: nothing has changed.
[[nodiscard]] std::vector<MovedPage> move_tail(Core& core);

}  // namespace coffer::txn
