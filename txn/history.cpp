#include "txn/history.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <coffer/bytes.hpp>
#include <coffer/error.hpp>

#include "platform/mutation.hpp"

namespace coffer::txn {

namespace {

std::array<std::byte, 8> little_endian(std::uint64_t value) {
  std::array<std::byte, 8> out;
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::byte>(value >> (8 * i));
  return out;
}

crypto::Hash extend(const crypto::KeyRing& keys, const crypto::Hash& chain,
                    const pager::Opening& opening) {
  return keys.anchor_hash(
      {Bytes("opening"), chain, opening.generation, little_endian(opening.first_commit.value)});
}

}  // namespace

void note_opening(pager::Superblock& superblock, const crypto::KeyRing& keys,
                  const std::array<std::byte, 16>& generation, CommitNumber first) {
  auto& openings = superblock.openings;
  if (!openings.empty() && openings.back().generation == generation) return;
  if (openings.size() == pager::kOpeningsMax) {
    superblock.openings_before = extend(keys, superblock.openings_before, openings.front());
    openings.erase(openings.begin());
    superblock.openings_before_end = openings.front().first_commit;
  }
  openings.push_back({generation, first});
}

std::optional<Anchor> anchor_of(const pager::Superblock& superblock, const crypto::KeyRing& keys,
                                CommitNumber commit) {
  Anchor anchor;
  anchor.instance = superblock.instance;
  anchor.commit = commit.value;
  if (commit < superblock.openings_before_end) return std::nullopt;
  crypto::Hash chain = superblock.openings_before;
  pager::Opening in_force;  // commit 0, before any opening: a generation of zeros
  for (const pager::Opening& opening : superblock.openings) {
    if (opening.first_commit > commit) break;
    chain = extend(keys, chain, opening);
    in_force = opening;
  }
  const crypto::Hash history =
      keys.anchor_hash({Bytes("anchor"), superblock.instance, little_endian(commit.value), chain,
                        in_force.generation});
  std::copy(history.begin(), history.end(), anchor.history.begin());
  return anchor;
}

void check_anchor(const pager::Superblock& superblock, const crypto::KeyRing& keys,
                  CommitNumber last, const Anchor& anchor) {
  if (anchor.instance != superblock.instance) {
    throw Conflict(
        "the anchor belongs to another instance of this store; if this copy was restored on "
        "purpose, "
        "open it without the anchor and keep its new one");
  }
  if (anchor.commit > last.value) {
    throw Conflict(
        fmt::format("the store ends at commit {}, before the anchor's commit {}: it was rolled "
                    "back or cut; restore "
                    "the newest copy, or open it without the anchor to accept the loss",
                    last.value, anchor.commit));
  }
  const auto here = anchor_of(superblock, keys, CommitNumber{anchor.commit});
  if (!here) {
    throw Conflict(
        fmt::format("the anchor's commit {} is older than the history that the store keeps ({} "
                    "openings); open it "
                    "without the anchor once and keep its new one",
                    anchor.commit, pager::kOpeningsMax));
  }
  if (!(*here == anchor) && !planted(Mutation::skip_anchor_history)) {
    throw Conflict(fmt::format(
        "the store's history does not pass through the anchor's commit {}: this is a copy that "
        "went "
        "another way; restore the right one, or open it without the anchor to accept this one",
        anchor.commit));
  }
}

}  // namespace coffer::txn
