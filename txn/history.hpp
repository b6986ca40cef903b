// The anchor: proving that a store's history passes through a point that the caller remembers.
//
// History is a list of openings: (generation, first commit) of each writable opening under which something
// was committed.  Within an opening one process wrote one sequence of commits, so (generation, number) names
// a commit; two copies of a store that went different ways differ in an opening.  The anchor's hash is
//
//   chain_0 = 0;  chain_i = H(anchor key, "opening" || chain_{i-1} || generation_i || first_commit_i)
//   history(n) = H(anchor key, "anchor" || instance || n || chain_j || generation_j)
//
// with j the opening that n belongs to (the last whose first commit is not after n).  So every commit of the
// openings that the superblock still lists can be verified, at the cost of 24 bytes an opening instead of 32 a
// commit.  docs/design.md says why this holds what a running hash over all commits would.
#pragma once

#include <optional>
#include <span>

#include <coffer/options.hpp>

#include "crypto/key_header.hpp"
#include "pager/pager.hpp"

namespace coffer::txn {

/// Appends the opening that commits `first` on were made under; the oldest are folded into
/// `openings_before` when the list is full.
void note_opening(pager::Superblock& superblock, const crypto::KeyRing& keys,
                  const std::array<std::byte, 16>& generation, CommitNumber first);

/// The anchor of commit `commit`, by what `superblock` lists.  Nothing when it no longer reaches back so far.
[[nodiscard]] std::optional<Anchor> anchor_of(const pager::Superblock& superblock,
                                              const crypto::KeyRing& keys, CommitNumber commit);

/// Raises Conflict unless the history up to `last` passes through `anchor`.
void check_anchor(const pager::Superblock& superblock, const crypto::KeyRing& keys,
                  CommitNumber last, const Anchor& anchor);

}  // namespace coffer::txn
