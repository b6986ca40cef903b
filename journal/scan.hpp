// Walking the journal: reading what lies at a position, collecting the evidence, and acting on the
// verdict.  `Rules` holds the checks that the history hangs on; scan.cpp has the only ones in use,
// and tests plant faults in theirs to see that they are caught.
//
// Invariants
//   C1  Nothing of a header is used before it verified; then every field is checked before use, and
//       the chain before anything is concluded from a fragment.
//   C2  Every byte is read once into a private copy and opened from there.  (A fragment at the edge of
//       the window is read again with its body; the header in use is the one that verified.)
//   C3  A transaction counts when its commit mark was accepted; a visitor hears `commit` then.
//   C4  Plaintext stays in the body buffer and is wiped behind each fragment.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <coffer/error.hpp>
#include <gsl/gsl>
#include <string>
#include <string_view>

#include "journal/fragment.hpp"
#include "journal/journal.hpp"
#include "journal/journal_reader.hpp"
#include "journal/records.hpp"
#include "journal/recovery.hpp"
#include "journal/segment_names.hpp"
#include "platform/contracts.hpp"
#include "platform/mutation.hpp"

namespace coffer::journal {

/// What the scan takes for granted about a journal.
struct TheRules {
  [[nodiscard]] static constexpr Verdict judge(const Evidence& evidence) {
    return decide(evidence);
  }
  [[nodiscard]] static bool same_generation(const Generation& ours, const Generation& found) {
    return ours == found || planted(Mutation::ignore_generation);
  }
  [[nodiscard]] static bool follows(const crypto::Tag& last, const crypto::Tag& named) {
    return last == named || planted(Mutation::drop_previous_tag);
  }
};

template <class Rules>
class Scan {
 public:
  Scan(const JournalFiles& files, const crypto::Sealer& sealer, const JournalStart& start,
       std::span<std::byte> body_buffer, RecordVisitor& visitor)
      : reader_(files),
        sealer_(sealer),
        start_(start),
        buffer_(body_buffer),
        visitor_(visitor),
        at_(start.position),
        chain_tag_(start.previous_tag) {
    Expects(body_buffer.size() >= kFragmentBytesMax);
    Expects(start.position.value % kGridBytes == 0);
    result_.end = {.position = start.position,
                   .last_tag = start.previous_tag,
                   .last_commit = start.last_commit};
    result_.durable_upto = start.durable_upto;
  }

  /// Pass 1: to wherever the history ends.
  [[nodiscard]] ScanResult to_the_end() {
    const auto wiped = gsl::finally([this] { crypto::wipe(buffer_); });
    for (;;) {
      const Fragment fragment = examine();
      if (Rules::judge({fragment, Proof::none, place()}) == Verdict::accept) {
        accept();
        continue;
      }
      const Beyond beyond = look_beyond();
      const Proof proof = proof_of(beyond);
      if (Rules::judge({fragment, proof, place()}) == Verdict::tampered) refuse(fragment, proof);
      // Something of this generation is here that does not belong to the history.
      result_.dropped = place() == Place::inside || fragment == Fragment::broken_chain ||
                        fragment == Fragment::bad_body || beyond.any;
      count_uncommitted_where_planted();
      return result_;
    }
  }

  /// Pass 2: exactly to where pass 1 had found the history's end.
  [[nodiscard]] ScanResult until(const JournalEnd& end) {
    const auto wiped = gsl::finally([this] { crypto::wipe(buffer_); });
    while (at_ < end.position) {
      if (Rules::judge({examine(), Proof::none, place()}) != Verdict::accept) refuse_change();
      accept();
    }
    count_uncommitted_where_planted();
    if (place() != Place::between || result_.end.position != end.position ||
        result_.end.last_tag != end.last_tag || result_.end.last_commit != end.last_commit) {
      refuse_change();
    }
    return result_;
  }

 private:
  /// What lies beyond a bad fragment.
  struct Beyond {
    bool any = false;    ///< a header of this generation
    Lsn durable_upto{};  ///< the furthest claim of any
  };

  [[nodiscard]] Place place() const { return index_ == 0 ? Place::between : Place::inside; }
  [[nodiscard]] std::span<std::byte, format::kHeaderBytes> header_memory() const {
    return buffer_.template subspan<format::kBodyBytesMax, format::kHeaderBytes>();
  }

  /// Reads the fragment at at_; a good one is then in header_, tag_ and the body buffer.
  [[nodiscard]] Fragment examine() {
    if (!reader_.exists(at_)) return Fragment::absent;
    const auto head = reader_.at(at_, format::kBodyAt);
    if (head.size() < format::kBodyAt) return Fragment::unreadable;
    const auto opened = open_header(sealer_, start_.epoch, at_, head, header_memory());
    if (!opened) return Fragment::unreadable;
    header_ = opened->header;
    tag_ = opened->tag;
    if (!Rules::same_generation(start_.generation, header_.generation)) {
      return Fragment::other_generation;
    }
    if (!opened->reserved_zero || !well_formed()) return Fragment::malformed;
    if (!Rules::follows(chain_tag_, header_.previous_tag)) return Fragment::broken_chain;
    if (!in_order()) return Fragment::malformed;
    const auto whole =
        reader_.at(at_, format::kFragmentOverheadBytes + std::size_t{header_.body_bytes});
    if (whole.size() < format::kFragmentOverheadBytes + header_.body_bytes) {
      return Fragment::bad_body;
    }
    return open_body(sealer_, start_.epoch, header_, whole, body()) ? Fragment::good
                                                                    : Fragment::bad_body;
  }

  /// What every header of ours fulfils, in the chain or not.
  [[nodiscard]] bool well_formed() const {
    const bool marked = header_.has_commit_mark();
    return header_.position == at_ && (header_.flags & ~format::kCommitMark) == 0 &&
           header_.body_bytes >= 1 && header_.body_bytes <= format::kBodyBytesMax &&
           header_.count == (marked ? header_.index + 1 : 0) &&
           header_.durable_upto <= header_.position;
  }
  /// What the successor of what was accepted fulfils besides.
  [[nodiscard]] bool in_order() const {
    return header_.commit == result_.end.last_commit.next() && header_.index == index_ &&
           header_.durable_upto <= result_.end.position;
  }

  [[nodiscard]] std::span<std::byte> body() const { return buffer_.first(header_.body_bytes); }

  void accept() {
    if (index_ == 0) visitor_.begin(header_.commit);
    const bool marked = header_.has_commit_mark();
    if (!decode_records(body(), marked, visitor_)) {
      throw Corrupted(where(at_) +
                      ": a record that no Coffer writes; the software that wrote it is at "
                      "fault; restore the store from a backup");
    }
    crypto::wipe(body());
    chain_tag_ = tag_;
    at_ = Lsn{
        format::round_up_to_grid(at_.value + format::kFragmentOverheadBytes + header_.body_bytes)};
    ++index_;
    ++result_.fragments;
    result_.durable_upto = std::max(result_.durable_upto, header_.durable_upto);
    if (marked) count_transaction();
  }

  /// What was accepted since the last one is a whole transaction.
  void count_transaction() {
    const CommitNumber commit = result_.end.last_commit.next();
    index_ = 0;
    result_.end = {.position = at_, .last_tag = chain_tag_, .last_commit = commit};
    visitor_.commit(commit, at_);
  }

  void count_uncommitted_where_planted() {
    if (planted(Mutation::replay_uncommitted_tail) && place() == Place::inside) count_transaction();
  }

  /// Opens a header at every position on the grid beyond at_, whatever files hold it.
  [[nodiscard]] Beyond look_beyond() {
    Beyond beyond;
    const std::uint64_t segment_bytes = reader_.files().segment_bytes;
    for (const std::uint64_t index : reader_.segments()) {
      const std::uint64_t first = std::max(index * segment_bytes, at_.value + kGridBytes);
      for (std::uint64_t p = first; p < (index + 1) * segment_bytes; p += kGridBytes) {
        const auto head = reader_.at(Lsn{p}, format::kBodyAt);
        if (head.size() < format::kBodyAt) break;
        const auto opened = open_header(sealer_, start_.epoch, Lsn{p}, head, header_memory());
        if (!opened || !Rules::same_generation(start_.generation, opened->header.generation)) {
          continue;
        }
        beyond.any = true;
        beyond.durable_upto = std::max(beyond.durable_upto, opened->header.durable_upto);
      }
    }
    return beyond;
  }

  [[nodiscard]] Proof proof_of(const Beyond& beyond) const {
    // Claims are ends of commits: one beyond the last commit accepted names one that is missing.
    if (start_.durable_upto > result_.end.position) return Proof::superblock;
    return beyond.durable_upto > result_.end.position ? Proof::later_header : Proof::none;
  }

  [[nodiscard]] std::string where(Lsn position) const {
    const std::uint64_t segment_bytes = reader_.files().segment_bytes;
    return fmt::format("{}, offset {} (journal position {})",
                       segment_path(reader_.files(), position.value / segment_bytes).string(),
                       position.value % segment_bytes, position.value);
  }

  [[noreturn]] void raise(const std::string& message) const {
    if (sealer_.suite() == crypto::Suite::none) throw Corrupted(message);
    throw Tampered(message);
  }
  [[noreturn]] void refuse(Fragment fragment, Proof proof) const {
    if (fragment == Fragment::malformed) {
      throw Corrupted(where(at_) +
                      ": a fragment's header that no Coffer writes; the software that "
                      "wrote it is at fault; restore the store from a backup");
    }
    raise(fmt::format(
        "{}: expected the fragment that follows commit {}, which {} shows to have "
        "been durable, but {}; restore the store from a backup",
        where(at_), result_.end.last_commit.value,
        proof == Proof::superblock ? "the superblock" : "a later fragment", described(fragment)));
  }
  [[noreturn]] void refuse_change() const {
    raise(where(at_) +
          ": the journal changed between recovery's two readings; close whatever else "
          "writes to the store and open it again");
  }
  [[nodiscard]] static std::string_view described(Fragment fragment) {
    switch (fragment) {
      case Fragment::absent:
        return "the segment file is missing";
      case Fragment::unreadable:
        return "no genuine header is there";
      case Fragment::other_generation:
        return "a fragment of another generation is there";
      case Fragment::broken_chain:
        return "a fragment with another predecessor is there";
      case Fragment::bad_body:
        return "its body is not genuine";
      case Fragment::malformed:
      case Fragment::good:
        break;
    }
    return "something else is there";
  }

  JournalReader reader_;
  const crypto::Sealer& sealer_;
  const JournalStart start_;
  const std::span<std::byte> buffer_;
  RecordVisitor& visitor_;

  Lsn at_;
  crypto::Tag chain_tag_;    ///< of the last header accepted
  std::uint32_t index_ = 0;  ///< of the next fragment in its transaction
  FragmentHeader header_{};  ///< examined last
  crypto::Tag tag_{};
  ScanResult result_{};
};

}  // namespace coffer::journal
