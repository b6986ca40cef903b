// See superblock.hpp for the rules and superblock_format.hpp for the bytes.
#include "pager/superblock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <coffer/error.hpp>
#include <cstring>
#include <memory>
#include <optional>

#include "pager/superblock_format.hpp"
#include "platform/mutation.hpp"

namespace coffer::pager {

namespace superblock_format {

namespace {

using format::get_little_endian;
using format::put_little_endian;

constexpr std::uint64_t kSegmentGrid = 65536;
constexpr std::uint64_t kJournalGrid = 4096;  // fragments begin on it

template <std::size_t N>
void put_bytes(std::byte* out, const std::array<std::byte, N>& bytes) {
  std::copy(bytes.begin(), bytes.end(), out);
}
template <std::size_t N>
void get_bytes(const std::byte* in, std::array<std::byte, N>& bytes) {
  std::copy_n(in, N, bytes.begin());
}
std::uint64_t u64(const Plain& in, std::size_t at) {
  return get_little_endian<std::uint64_t>(in.data() + at);
}

bool sensible_root(const SlotRef& root, unsigned levels, unsigned levels_max, const Superblock& s) {
  if (levels > levels_max || (levels == 0) != (root.sealed_bytes == 0)) return false;
  return levels == 0 ||
         (root.slot.value < s.slot_count && root.sealed_bytes >= format::kNodeHeaderBytes &&
          root.sealed_bytes <= content_bytes(s.page_bytes));
}

/// What is wrong with a superblock; nullptr when it makes sense.  Asked before writing and after
/// reading.
const char* nonsense(const Superblock& s) {
  if (!std::has_single_bit(s.page_bytes) || s.page_bytes < format::kPageBytesMin ||
      s.page_bytes > format::kPageBytesMax) {
    return "page size";
  }
  if (s.segment_bytes == 0 || s.segment_bytes % kSegmentGrid != 0) return "segment size";
  if (s.slot_count > format::kNumbersEnd) return "slot count";
  if (!sensible_root(s.table_root, s.table_levels, format::table_shape(s.page_bytes).levels_max(),
                     s)) {
    return "root of the page table";
  }
  if (!sensible_root(s.free_root, s.free_levels, format::free_map_shape(s.page_bytes).levels_max(),
                     s)) {
    return "root of the free map";
  }
  if (s.next_page.value == 0 || s.next_page.value > format::kNumbersEnd) return "next page number";
  if (s.page_count >= s.next_page.value) return "page count";
  if ((s.page_count == 0) != (s.table_levels == 0)) return "page count";
  if (s.catalog_root.value >= s.next_page.value) return "root of the catalog";
  if (s.journal_position.value % kJournalGrid != 0) return "position in the journal";
  if (s.openings.size() > kOpeningsMax) return "number of openings";
  if (s.marks.size() > kMarksMax) return "number of marks";
  if (s.checkpoint >= format::kCheckpointsEnd) return "checkpoint number";
  return nullptr;
}

}  // namespace

void encode(const Superblock& s, Plain& out) {
  Expects(s.format_version == kVersion);
  Expects(nonsense(s) == nullptr);
  out.fill(std::byte{0});
  std::byte* const p = out.data();
  std::memcpy(p + kMagicAt, kMagic.data(), kMagic.size());
  put_little_endian(p + kVersionAt, s.format_version);
  put_little_endian(p + kPageBytesAt, s.page_bytes);
  put_little_endian(p + kSegmentBytesAt, s.segment_bytes);
  put_bytes(p + kInstanceAt, s.instance);
  put_little_endian(p + kCheckpointAt, s.checkpoint);
  put_little_endian(p + kCommitAt, s.commit.value);
  format::put_ref(p + kTableRootAt, s.table_root);
  format::put_ref(p + kFreeRootAt, s.free_root);
  put_little_endian(p + kTableLevelsAt, s.table_levels);
  put_little_endian(p + kFreeLevelsAt, s.free_levels);
  put_little_endian(p + kSlotCountAt, s.slot_count);
  put_little_endian(p + kPageCountAt, s.page_count);
  put_little_endian(p + kNextPageAt, s.next_page.value);
  put_little_endian(p + kCatalogRootAt, s.catalog_root.value);
  put_little_endian(p + kNextValueIdAt, s.next_value_id);
  put_little_endian(p + kJournalPositionAt, s.journal_position.value);
  put_bytes(p + kJournalGenerationAt, s.journal_generation);
  put_bytes(p + kJournalPreviousTagAt, s.journal_previous_tag);
  put_little_endian(p + kJournalDurableUptoAt, s.journal_durable_upto.value);
  put_bytes(p + kKeyHeaderHashAt, s.key_header_hash);
  put_bytes(p + kOpeningsBeforeAt, s.openings_before);
  put_little_endian(p + kOpeningsBeforeEndAt, s.openings_before_end.value);
  put_little_endian(p + kOpeningsCountAt, static_cast<std::uint32_t>(s.openings.size()));
  std::byte* at = p + kOpeningsAt;
  for (const auto& opening : s.openings) {
    put_bytes(at, opening.generation);
    put_little_endian(at + opening.generation.size(), opening.first_commit.value);
    at += kOpeningBytes;
  }
  put_little_endian(p + kMarksCountAt, static_cast<std::uint32_t>(s.marks.size()));
  at = p + kMarksAt;
  for (const auto& mark : s.marks) {
    put_little_endian(at, mark.checkpoint);
    put_bytes(at + sizeof mark.checkpoint, mark.identity);
    at += kMarkBytes;
  }
}

Superblock decode(const Plain& in) {
  const std::byte* const p = in.data();
  if (std::memcmp(p + kMagicAt, kMagic.data(), kMagic.size()) != 0) {
    throw Corrupted("the superblock verifies but is none; restore the store from a backup");
  }
  Superblock s;
  s.format_version = get_little_endian<std::uint32_t>(p + kVersionAt);
  if (s.format_version != kVersion) {
    throw VersionUnsupported(
        fmt::format("the store has format version {}, this build knows version {}; use a newer one",
                    s.format_version, kVersion));
  }
  s.page_bytes = get_little_endian<std::uint32_t>(p + kPageBytesAt);
  s.segment_bytes = u64(in, kSegmentBytesAt);
  get_bytes(p + kInstanceAt, s.instance);
  s.checkpoint = u64(in, kCheckpointAt);
  s.commit = CommitNumber(u64(in, kCommitAt));
  s.table_root = format::get_ref(p + kTableRootAt);
  s.free_root = format::get_ref(p + kFreeRootAt);
  s.table_levels = std::to_integer<std::uint8_t>(p[kTableLevelsAt]);
  s.free_levels = std::to_integer<std::uint8_t>(p[kFreeLevelsAt]);
  s.slot_count = u64(in, kSlotCountAt);
  s.page_count = u64(in, kPageCountAt);
  s.next_page = PageId(u64(in, kNextPageAt));
  s.catalog_root = PageId(u64(in, kCatalogRootAt));
  s.next_value_id = u64(in, kNextValueIdAt);
  s.journal_position = Lsn(u64(in, kJournalPositionAt));
  get_bytes(p + kJournalGenerationAt, s.journal_generation);
  get_bytes(p + kJournalPreviousTagAt, s.journal_previous_tag);
  s.journal_durable_upto = Lsn(u64(in, kJournalDurableUptoAt));
  get_bytes(p + kKeyHeaderHashAt, s.key_header_hash);
  get_bytes(p + kOpeningsBeforeAt, s.openings_before);
  s.openings_before_end = CommitNumber(u64(in, kOpeningsBeforeEndAt));
  const auto openings = get_little_endian<std::uint32_t>(p + kOpeningsCountAt);
  s.openings.resize(std::min<std::size_t>(openings, kOpeningsMax));
  const std::byte* at = p + kOpeningsAt;
  for (auto& opening : s.openings) {
    get_bytes(at, opening.generation);
    opening.first_commit =
        CommitNumber(get_little_endian<std::uint64_t>(at + opening.generation.size()));
    at += kOpeningBytes;
  }
  const auto marks = get_little_endian<std::uint32_t>(p + kMarksCountAt);
  s.marks.resize(std::min<std::size_t>(marks, kMarksMax));
  at = p + kMarksAt;
  for (auto& mark : s.marks) {
    mark.checkpoint = get_little_endian<std::uint64_t>(at);
    get_bytes(at + sizeof mark.checkpoint, mark.identity);
    at += kMarkBytes;
  }
  const char* wrong = openings > kOpeningsMax ? "number of openings"
                      : marks > kMarksMax     ? "number of marks"
                                              : nonsense(s);
  if (wrong != nullptr) {
    throw Corrupted(fmt::format(
        "the superblock verifies but its {} cannot be; restore the store from a backup", wrong));
  }
  return s;
}

}  // namespace superblock_format

namespace {

namespace layout = superblock_format;

crypto::AssociatedData place_of(std::size_t copy) {
  // No epoch: nothing refers to the superblock that could name one, and its key is the current
  // one's.
  return {crypto::Role::superblock, static_cast<std::uint8_t>(copy), 0, 0, 0};
}

/// The copy as it was written; nothing when it does not verify.
std::optional<Superblock> read_copy(const platform::File& file, std::size_t copy,
                                    const crypto::KeyRing& keys) {
  crypto::Nonce nonce;
  crypto::Tag tag;
  const auto bytes = std::make_unique<layout::Plain>();
  const std::uint64_t at = copy * kSuperblockBytes;
  if (file.read_at(at, nonce) != nonce.size() ||
      file.read_at(at + nonce.size(), *bytes) != bytes->size() ||
      file.read_at(at + nonce.size() + bytes->size(), tag) != tag.size() ||
      !keys.superblock().open(*bytes, *bytes, tag, place_of(copy), nonce)) {
    return std::nullopt;
  }
  return layout::decode(*bytes);
}

bool differ(const Superblock& a, const Superblock& b) {
  return a != b || identity_of(a) != identity_of(b);
}

}  // namespace

crypto::Hash identity_of(const Superblock& superblock) {
  const auto bytes = std::make_unique<layout::Plain>();
  layout::encode(superblock, *bytes);
  return crypto::hash({}, {std::span(*bytes).first(layout::kOpeningsCountAt)});
}

FoundSuperblock read_superblock(const platform::File& file, const crypto::KeyRing& keys) {
  const std::uint64_t size = file.size();
  if (size != layout::kFileBytes) {
    raise_damaged(keys.suite(), fmt::format("'{}' has {} bytes and must have {}",
                                            file.path().string(), size, layout::kFileBytes));
  }
  std::array<std::optional<Superblock>, layout::kCopies> copies;
  for (std::size_t copy = 0; copy < copies.size(); ++copy) {
    copies[copy] = read_copy(file, copy, keys);
  }
  auto& [first, second] = copies;
  if (!first && !second) {
    raise_damaged(keys.suite(), fmt::format("neither copy in '{}' verifies", file.path().string()));
  }
  if (first && second && first->checkpoint == second->checkpoint && differ(*first, *second) &&
      !planted(Mutation::accept_differing_copies)) {
    raise_damaged(keys.suite(),
                  fmt::format("the copies in '{}' verify as checkpoint {} both, and differ",
                              file.path().string(), first->checkpoint));
  }
  FoundSuperblock found;
  const bool second_newer =
      first && second &&
      (planted(Mutation::take_older_superblock) ? second->checkpoint < first->checkpoint
                                                : second->checkpoint > first->checkpoint);
  const bool take_second = !first || second_newer;
  if (!first || !second) {
    found.other = FoundSuperblock::Other::damaged;
  } else if (first->checkpoint != second->checkpoint) {
    found.other = FoundSuperblock::Other::older;
  }
  found.copy = take_second ? 1 : 0;
  found.superblock = std::move(take_second ? *second : *first);
  if (found.superblock.key_header_hash != keys.header_hash()) {
    raise_damaged(
        keys.suite(),
        fmt::format("'{}' belongs to another version of the file of keys beside it (one of "
                    "the two was replaced by an older one, or by another store's)",
                    file.path().string()));
  }
  return found;
}

void settle_superblock(platform::File& file, const FoundSuperblock& found,
                       const crypto::KeyRing& keys, crypto::NonceRun& nonces) {
  const auto write = [&](int copy) {
    write_superblock(file, copy, found.superblock, keys, nonces);
    file.sync();
  };
  // What a killed process wrote is made durable; what a failed sync lost is not, and has to be written again.
  file.sync();
  switch (found.other) {
    case FoundSuperblock::Other::same:
      // Copy 0 was durable before copy 1 was touched (B2).
      write(1);
      break;
    case FoundSuperblock::Other::older:
      // The older copy is durable, and good until the newer one is.
      write(found.copy);
      write(1 - found.copy);
      break;
    case FoundSuperblock::Other::damaged:
      // It was being written, so the one that was taken is durable.
      write(1 - found.copy);
      break;
  }
}

void write_superblock(platform::File& file, int copy, const Superblock& superblock,
                      const crypto::KeyRing& keys, crypto::NonceRun& nonces) {
  Expects(copy == 0 || copy == 1);
  const auto at = static_cast<std::size_t>(copy);
  const auto bytes = std::make_unique<layout::Plain>();
  layout::encode(superblock, *bytes);
  const crypto::Nonce nonce = nonces.next();
  const crypto::Tag tag = keys.superblock().seal(*bytes, *bytes, place_of(at), nonce);
  const std::array<std::span<const std::byte>, 3> pieces = {nonce, *bytes, tag};
  file.write_vector_at(at * kSuperblockBytes, pieces);
}

}  // namespace coffer::pager
