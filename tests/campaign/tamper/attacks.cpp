#include "tests/campaign/tamper/attacks.hpp"

#include <algorithm>

#include "crypto/key_header_format.hpp"
#include "crypto/seal.hpp"
#include "pager/superblock_format.hpp"

namespace coffer::campaign::tamper {

namespace {

using Rng = std::mt19937_64;

constexpr std::size_t kSlot = 4096;
constexpr std::size_t kCopy = pager::kSuperblockBytes;
constexpr std::size_t kGrid = 4096;

std::size_t below(Rng& rng, std::size_t end) {
  return end == 0 ? 0 : static_cast<std::size_t>(rng() % end);
}
template <class T>
const T& any_of(const std::vector<T>& all, Rng& rng) {
  return all[below(rng, all.size())];
}

/// The store under attack as it was at some moment, old enough to have a past.
Attacked at_some_moment(const Loot& loot, Rng& rng, Must must, std::size_t from = 8) {
  const std::size_t now = from + below(rng, loot.own.size() - from);
  return {loot.own[now].files, must, &loot.own, now};
}

std::vector<std::string> segments_of(const Files& files) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) {
    if (is_segment(name)) names.push_back(name);
  }
  return names;
}

void copy_range(Bytestring& to, std::size_t at, const Bytestring& from, std::size_t from_at,
                std::size_t bytes) {
  if (at >= to.size() || from_at >= from.size()) return;
  bytes = std::min({bytes, to.size() - at, from.size() - from_at});
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(from_at), bytes,
              to.begin() + static_cast<std::ptrdiff_t>(at));
}

// --- Slots

Attacked swap_slots(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::tampered_or_latest);
  Bytestring& pages = a.files.at("pages");
  const std::size_t one = below(rng, pages.size() / kSlot) * kSlot;
  const std::size_t two = below(rng, pages.size() / kSlot) * kSlot;
  std::swap_ranges(pages.begin() + static_cast<std::ptrdiff_t>(one),
                   pages.begin() + static_cast<std::ptrdiff_t>(one + kSlot),
                   pages.begin() + static_cast<std::ptrdiff_t>(two));
  if (one == two) a.must = Must::show_latest;
  return a;
}

Attacked slot_from(const Loot& loot, Rng& rng, const std::vector<Moment>& thief) {
  Attacked a = at_some_moment(loot, rng, Must::tampered_or_latest);
  Bytestring& pages = a.files.at("pages");
  const Bytestring& theirs = any_of(thief, rng).files.at("pages");
  const std::size_t slot = below(rng, pages.size() / kSlot);
  const std::size_t from = rng() % 2 == 0 ? slot : below(rng, theirs.size() / kSlot);
  copy_range(pages, slot * kSlot, theirs, from * kSlot, kSlot);
  return a;
}
Attacked stale_slot(const Loot& loot, Rng& rng) {
  return slot_from(loot, rng, loot.own);
}
Attacked cloned_slot(const Loot& loot, Rng& rng) {
  return slot_from(loot, rng, loot.clone);
}
Attacked foreign_slot(const Loot& loot, Rng& rng) {
  return slot_from(loot, rng, rng() % 2 == 0 ? loot.other : loot.plain);
}
Attacked zero_slots(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::tampered_or_latest);
  Bytestring& pages = a.files.at("pages");
  const std::size_t at = below(rng, pages.size() / kSlot) * kSlot;
  const std::size_t bytes = std::min(pages.size() - at, kSlot * (1 + below(rng, 3)));
  std::fill_n(pages.begin() + static_cast<std::ptrdiff_t>(at), bytes, std::byte{0});
  return a;
}
Attacked old_pages(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
  a.files["pages"] = any_of(loot.own, rng).files.at("pages");
  return a;
}

// --- The superblock

Attacked stale_superblock_copy(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::show_latest);
  const Moment& older = loot.own[below(rng, a.now)];
  const std::size_t at = below(rng, 2) * kCopy;
  copy_range(a.files.at("superblock"), at, older.files.at("superblock"), at, kCopy);
  return a;
}
Attacked stale_superblock(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
  a.files["superblock"] = loot.own[below(rng, a.now)].files.at("superblock");
  return a;
}
Attacked swap_superblock_copies(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_as_tampered);
  Bytestring& bytes = a.files.at("superblock");
  std::rotate(bytes.begin(), bytes.begin() + kCopy, bytes.end());
  return a;
}
Attacked superblock_from(const Loot& loot, Rng& rng, const Moment& thief) {
  Attacked a = at_some_moment(loot, rng, Must::refuse);
  a.files["superblock"] = thief.files.at("superblock");
  return a;
}
Attacked cloned_superblock(const Loot& loot, Rng& rng) {
  // One that was written after they had parted.
  return superblock_from(loot, rng, loot.clone[4 + below(rng, loot.clone.size() - 4)]);
}
Attacked foreign_superblock(const Loot& loot, Rng& rng) {
  return superblock_from(loot, rng, any_of(rng() % 2 == 0 ? loot.other : loot.plain, rng));
}
Attacked two_histories(const Loot& loot, Rng& rng) {
  // Two checkpoints with one number, of the store and of its clone.
  for (;;) {
    Attacked a = at_some_moment(loot, rng, Must::refuse_as_tampered, Loot::kCloned + 1);
    const Moment& theirs = loot.clone[4 + below(rng, loot.clone.size() - 4)];
    if (loot.own[a.now].checkpoint != theirs.checkpoint) continue;
    const std::size_t at = below(rng, 2) * kCopy;
    copy_range(a.files.at("superblock"), at, theirs.files.at("superblock"), at, kCopy);
    return a;
  }
}

// --- The journal

Attacked swap_segments(const Loot& loot, Rng& rng) {
  for (;;) {
    Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
    const auto names = segments_of(a.files);
    if (names.size() < 2) continue;
    const std::size_t one = below(rng, names.size() - 1);
    std::swap(a.files.at(names[one]), a.files.at(names[one + 1]));
    return a;
  }
}
Attacked segments_from(const Loot& loot, Rng& rng, const Files& thief) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
  if (rng() % 2 == 0) std::erase_if(a.files, [](const auto& f) { return is_segment(f.first); });
  for (const std::string& name : segments_of(thief)) a.files[name] = thief.at(name);
  return a;
}
Attacked stale_segments(const Loot& loot, Rng& rng) {
  return segments_from(loot, rng, any_of(loot.own, rng).files);
}
Attacked foreign_segments(const Loot& loot, Rng& rng) {
  return segments_from(loot, rng, any_of(rng() % 2 == 0 ? loot.other : loot.plain, rng).files);
}
Attacked cloned_segments(const Loot& loot, Rng& rng) {
  // Beside the moment from which the clone went its way, too: there its commits would follow.
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment, Loot::kCloned - 2);
  if (rng() % 2 == 0) a = {loot.own[Loot::kCloned + 1].files, a.must, a.moments, Loot::kCloned + 1};
  const Files& theirs = loot.clone[below(rng, rng() % 2 == 0 ? 4 : loot.clone.size())].files;
  for (const std::string& name : segments_of(theirs)) a.files[name] = theirs.at(name);
  return a;
}
Attacked moved_fragments(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
  const auto names = segments_of(a.files);
  const Bytestring from = a.files.at(any_of(names, rng));
  Bytestring& to = a.files.at(any_of(names, rng));
  const std::size_t blocks = from.size() / kGrid;
  copy_range(to, below(rng, blocks) * kGrid, from, below(rng, blocks) * kGrid,
             kGrid * (1 + below(rng, 3)));
  return a;
}
Attacked lost_durable_commit(const Loot& loot, Rng& rng) {
  // Of several commits since a checkpoint the first one: those behind it show that it was durable.
  for (;;) {
    Attacked a = at_some_moment(loot, rng, Must::refuse_as_tampered);
    const Moment& now = loot.own[a.now];
    std::size_t since = 0;
    while (since < a.now && loot.own[a.now - since - 1].checkpoint == now.checkpoint) ++since;
    if (since < 2) continue;
    const Moment& first = loot.own[a.now - since];
    const Moment& second = loot.own[a.now - since + 1];
    bool gone = false;
    for (auto& [name, bytes] : a.files) {
      if (!is_segment(name) || !first.files.contains(name) || !second.files.contains(name))
        continue;
      // What the second commit wrote, zeroed: the third one says that it was durable.
      const Bytestring& before = first.files.at(name);
      const Bytestring& after = second.files.at(name);
      for (std::size_t at = 0; at + kGrid <= bytes.size(); at += kGrid) {
        if (std::equal(before.begin() + static_cast<std::ptrdiff_t>(at),
                       before.begin() + static_cast<std::ptrdiff_t>(at + kGrid),
                       after.begin() + static_cast<std::ptrdiff_t>(at))) {
          continue;
        }
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), kGrid, std::byte{0});
        gone = true;
      }
    }
    if (gone) return a;
  }
}
/// Fragments of an attempt that was given up, among those of the transaction that was written over it.
Attacked two_attempts_spliced(const Loot& loot, Rng& rng) {
  Attacked a{loot.attempts[1].files, Must::refuse_or_any_moment, &loot.attempts, 1};
  // Fragments that are full take 16 blocks, and cross from segment to segment; where they begin is tried.
  constexpr std::size_t kFragmentBlocks = 16;
  const std::size_t phase = below(rng, kFragmentBlocks);
  const bool whole = rng() % 4 != 0;
  std::size_t block = 0;
  bool take = false;
  for (auto& [name, bytes] : a.files) {
    if (!is_segment(name) || !loot.first_attempt.contains(name)) continue;
    for (std::size_t at = 0; at < bytes.size(); at += kGrid, ++block) {
      if (!whole || block % kFragmentBlocks == phase) take = rng() % 2 == 0;
      if (take) copy_range(bytes, at, loot.first_attempt.at(name), at, kGrid);
    }
  }
  return a;
}

/// What a process left that was killed in the middle of a long transaction: fragments that verify, and no commit mark.
Attacked uncommitted_tail(const Loot& loot, Rng&) {
  return {loot.first_attempt, Must::show_latest, &loot.attempts, 0};
}

// --- Keys

void seal_with_checksum(Bytestring& file, std::size_t copy) {
  namespace layout = crypto::key_header_format;
  const std::size_t at = copy * layout::kCopyBytes;
  const crypto::Hash checksum =
      crypto::hash({}, {std::span(file).subspan(at, layout::kChecksumAt)});
  std::copy(checksum.begin(), checksum.end(),
            file.begin() + static_cast<std::ptrdiff_t>(at + layout::kChecksumAt));
}
Attacked keys_from(const Loot& loot, Rng& rng, const Files& thief) {
  Attacked a = at_some_moment(loot, rng, Must::refuse);
  a.files["keys"] = thief.at("keys");
  return a;
}
Attacked foreign_keys(const Loot& loot, Rng& rng) {
  return keys_from(loot, rng, any_of(rng() % 2 == 0 ? loot.other : loot.plain, rng).files);
}
Attacked altered_keys(const Loot& loot, Rng& rng) {
  namespace layout = crypto::key_header_format;
  Attacked a = at_some_moment(loot, rng, Must::refuse);
  Bytestring& file = a.files.at("keys");
  // A field in front, or anything: version, suite, page size, epoch, generation, slots, salts.
  const std::size_t at = rng() % 2 == 0 ? 8 + below(rng, 40) : below(rng, layout::kChecksumAt);
  const auto mask = static_cast<std::byte>(1u << (rng() % 8));
  for (const std::size_t copy : {0u, 1u}) {
    file[copy * layout::kCopyBytes + at] ^= mask;
    seal_with_checksum(file, copy);
  }
  return a;
}
Attacked suite_downgrade(const Loot& loot, Rng& rng) {
  const std::size_t now = below(rng, loot.plain.size());
  return {loot.plain[now].files, Must::refuse, &loot.plain, now};
}
Attacked old_keys_with_new_pages(const Loot& loot, Rng& rng) {
  Attacked a{loot.renewed[0].files, Must::refuse, &loot.renewed, 0};
  a.files["keys"] = any_of(loot.own, rng).files.at("keys");
  return a;
}
Attacked renewed_keys_with_old_pages(const Loot& loot, Rng& rng) {
  return keys_from(loot, rng, loot.renewed[0].files);
}

// --- Whole files, and no plan

Attacked cut(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
  auto it = a.files.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(below(rng, a.files.size())));
  if (it->first == "keys" || it->first == "superblock") a.must = Must::refuse;
  if (it->first == "pages") a.must = Must::tampered_or_latest;
  if (!it->second.empty()) it->second.resize(below(rng, it->second.size()));
  if (it->first == "lock") a.must = Must::show_latest;
  return a;
}
Attacked extended(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_latest);
  auto it = a.files.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(below(rng, a.files.size())));
  if (it->first == "keys" || it->first == "superblock") a.must = Must::refuse;
  if (it->first == "pages") a.must = Must::show_latest;
  const std::size_t more = 1 + below(rng, 100'000);
  const bool zeros = rng() % 2 == 0;
  for (std::size_t i = 0; i < more; ++i) {
    it->second.push_back(zeros ? std::byte{0} : static_cast<std::byte>(rng()));
  }
  return a;
}
Attacked missing(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
  auto it = a.files.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(below(rng, a.files.size())));
  if (!is_segment(it->first) && it->first != "lock") a.must = Must::refuse;
  a.files.erase(it);
  return a;
}
Attacked garbage(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
  auto it = a.files.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(below(rng, a.files.size())));
  if (it->first == "pages") a.must = Must::tampered_or_latest;
  if (it->second.empty()) return a;
  const std::size_t at = below(rng, it->second.size());
  const std::size_t end = std::min(it->second.size(), at + 1 + below(rng, 9000));
  const bool zeros = rng() % 3 == 0;
  for (std::size_t i = at; i < end; ++i) {
    it->second[i] = zeros ? std::byte{0} : static_cast<std::byte>(rng());
  }
  return a;
}
Attacked mixed(const Loot& loot, Rng& rng) {
  Attacked a = at_some_moment(loot, rng, Must::refuse_or_any_moment);
  // All of the clone's is another whole state, and only an anchor would tell.
  a.moments = &loot.family;
  for (auto& [name, bytes] : a.files) {
    const Moment& thief = any_of(loot.family, rng);
    const auto found = thief.files.find(name);
    if (found != thief.files.end() && rng() % 2 == 0) bytes = found->second;
  }
  return a;
}

bool refused(const Heard& heard) {
  static const std::vector<std::string> kTyped = {
      "Tampered", "Corrupted", "WrongKey", "VersionUnsupported", "InvalidArgument", "Conflict"};
  return std::ranges::find(kTyped, heard.error) != kTyped.end();
}

}  // namespace

const std::vector<Attack>& attacks() {
  static const std::vector<Attack> all = {
      {"swap-slots", swap_slots},
      {"stale-slot", stale_slot},
      {"cloned-slot", cloned_slot},
      {"foreign-slot", foreign_slot},
      {"zero-slots", zero_slots},
      {"old-pages", old_pages},
      {"stale-superblock-copy", stale_superblock_copy},
      {"stale-superblock", stale_superblock},
      {"swap-superblock-copies", swap_superblock_copies},
      {"cloned-superblock", cloned_superblock},
      {"foreign-superblock", foreign_superblock},
      {"two-histories", two_histories},
      {"swap-segments", swap_segments},
      {"stale-segments", stale_segments},
      {"foreign-segments", foreign_segments},
      {"cloned-segments", cloned_segments},
      {"moved-fragments", moved_fragments},
      {"lost-durable-commit", lost_durable_commit},
      {"two-attempts", two_attempts_spliced},
      {"uncommitted-tail", uncommitted_tail},
      {"foreign-keys", foreign_keys},
      {"altered-keys", altered_keys},
      {"suite-downgrade", suite_downgrade},
      {"old-keys-with-new-pages", old_keys_with_new_pages},
      {"renewed-keys-with-old-pages", renewed_keys_with_old_pages},
      {"cut", cut},
      {"extended", extended},
      {"missing", missing},
      {"garbage", garbage},
      {"mixed", mixed},
  };
  return all;
}

std::string verdict(const Attacked& attacked, const Heard& heard) {
  const std::vector<Moment>& moments = *attacked.moments;
  if (heard.took > kLongest) return "it took longer than a second";
  if (!heard.opened()) {
    const bool tampered = heard.error == "Tampered";
    if (!refused(heard)) return "it ended with " + heard.error + ": " + heard.text;
    if (!only_truth(heard.contents, moments)) return "something false was read before the error";
    switch (attacked.must) {
      case Must::refuse_as_tampered:
      case Must::tampered_or_latest:
        return tampered ? "" : "refused as " + heard.error + ", not Tampered: " + heard.text;
      case Must::show_latest:
        return "refused, though nothing that counts was touched: " + heard.text;
      default:
        return "";
    }
  }
  if (attacked.must == Must::refuse || attacked.must == Must::refuse_as_tampered) {
    return "it opened as if nothing had happened";
  }
  if (attacked.must == Must::refuse_or_any_moment) {
    return moment_of(heard.contents, moments) ? "" : "it shows a state that never was";
  }
  return heard.contents == moments[attacked.now].contents ? "" : "it shows another state";
}

}  // namespace coffer::campaign::tamper
