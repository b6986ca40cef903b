// Appending transactions (JournalWriter; invariants J1 to J5 in journal.hpp).
//
// Records are staged in locked memory until a fragment is full; it is then sealed into a batch of
// ciphertext in ordinary memory, and batches go to the file with one write each (two where a batch
// crosses into the next segment).
//
//          begin               add: staging full            batch full, or finish
//     idle ------> collecting ---------------------> sealed -----------------------> written
//      ^                                                                                |
//      +--- finish: the last fragment carries the commit mark; its write decides -------+
//
//   W1  Room is made before every write of a batch, so that a full disk is met before the commit
//       mark is written.
//   W2  What fails before a byte of the commit mark's fragment goes to the file leaves a tail that no
//       commit mark follows: `abandon` goes back to the last commit, and the next transaction is
//       written over it.  What fails from there on poisons: nobody can tell whether it counts.
//   W3  `end` moves only when a commit mark has been written whole, after its segments were noted as
//       unsynced: a sync that saw the new end syncs them.
//   W4  A fragment's nonces are drawn before it is sealed, from a run of its transaction's own; going
//       back draws anew, so that what is written over never shares a nonce with what was there.
//   W5  begin, add and finish of a small commit allocate nothing: two AEAD calls, one write, and one
//       draw of entropy unless the transaction brings its run of nonces along.
//
// Locks: sync_mutex_ (held for a whole sync, so that a second caller does not return before the
// first's is done) before mutex_ (short).  Segments has its own below these.
#include <algorithm>
#include <atomic>
#include <coffer/error.hpp>
#include <utility>

#include "journal/fragment.hpp"
#include "journal/journal.hpp"
#include "journal/records.hpp"
#include "journal/segments.hpp"
#include "platform/contracts.hpp"
#include "platform/mutation.hpp"

namespace coffer::journal {
namespace {

/// A batch is written when it has grown to this, or at the end of its transaction.
constexpr std::size_t kBatchBytes = 256 * 1024;

}  // namespace

/// Not in the unnamed namespace: a member of State is one.
enum class WriterPhase {
  idle,        ///< no transaction
  collecting,  ///< between begin and finish
  failed,      ///< something threw: only abandon helps
};

struct JournalWriter::State {
  State(const JournalFiles& files, const crypto::Sealer& with, platform::Entropy& entropy,
        const Generation& of, Epoch key_epoch, const JournalEnd& at, std::span<std::byte> memory)
      : segments(files, at.position),
        sealer(with),
        own_nonces(entropy),
        generation(of),
        epoch(key_epoch),
        staging(memory),
        batch(kBatchBytes + kFragmentBytesMax),
        batch_at(at.position),
        chain_tag(at.last_tag),
        end(at) {}

  Segments segments;
  const crypto::Sealer sealer;
  crypto::NonceRun own_nonces;
  crypto::NonceRun* nonces = &own_nonces;  ///< of the transaction
  const Generation generation;
  const Epoch epoch;
  const std::span<std::byte> staging;

  // The writer's thread's.
  WriterPhase phase = WriterPhase::idle;
  CommitNumber commit{};
  std::size_t staged_bytes = 0;
  std::uint32_t fragment_index = 0;
  std::vector<std::byte> batch;
  Lsn batch_at{};               ///< where the batch will be written
  std::size_t batch_bytes = 0;  ///< a multiple of the grid: where its next fragment begins
  crypto::Tag chain_tag{};      ///< of the last header sealed

  std::mutex sync_mutex;
  mutable std::mutex mutex;
  JournalEnd end;      ///< under mutex
  Lsn durable_upto{};  ///< under mutex: known to be durable
  std::atomic<bool> poisoned{false};

  void check_usable() const {
    if (poisoned) {
      throw Poisoned("the journal in " + segments.files().directory.string() +
                     " could not be written or synced earlier; close the store and open it again, "
                     "which recovers what was durable");
    }
  }
  [[nodiscard]] JournalEnd current_end() const {
    const std::lock_guard lock(mutex);
    return end;
  }
  [[nodiscard]] Lsn known_durable() const {
    const std::lock_guard lock(mutex);
    return durable_upto;
  }
  void rewind(const JournalEnd& to) noexcept {
    crypto::wipe(staging.first(staged_bytes));
    nonces = &own_nonces;
    staged_bytes = 0;
    fragment_index = 0;
    batch_at = to.position;
    batch_bytes = 0;
    chain_tag = to.last_tag;
    phase = WriterPhase::idle;
  }

  [[nodiscard]] bool is_short_of_room(Lsn position) const {
    return segments.ready_upto() < position.next(segments.files().segment_bytes / 2);
  }
  bool prepare_room(Lsn position, std::uint64_t bytes);

  template <class Record>
  void stage(const Record& record);
  void seal_staged(bool with_commit_mark);
  void write_batch(Lsn commit_mark_at);
};

/// Puts a record behind those staged; seals those first when it does not fit any more.
template <class Record>
void JournalWriter::State::stage(const Record& record) {
  Expects(phase == WriterPhase::collecting);
  const std::size_t bytes = encoded_bytes(record);
  Expects(bytes <= format::kBodyBytesMax);
  if (bytes > format::kBodyBytesMax - staged_bytes) {
    seal_staged(false);
    // A position that no batch reaches: none of these fragments has a commit mark.
    if (batch_bytes >= kBatchBytes) write_batch(Lsn{UINT64_MAX});
  }
  encode(staging.subspan(staged_bytes, bytes), record);
  staged_bytes += bytes;
}

void JournalWriter::State::seal_staged(bool with_commit_mark) {
  const std::size_t body_bytes = format::padded_body_bytes(staged_bytes);
  crypto::wipe(staging.subspan(staged_bytes, body_bytes - staged_bytes));
  const std::size_t bytes = format::kFragmentOverheadBytes + body_bytes;
  Ensures(batch.size() - batch_bytes >= bytes);
  FragmentHeader header{.position = batch_at.next(batch_bytes),
                        .commit = commit,
                        .generation = generation,
                        .previous_tag = chain_tag,
                        .durable_upto = known_durable(),
                        .body_bytes = 0,
                        .index = fragment_index,
                        .count = with_commit_mark ? fragment_index + 1 : 0,
                        .flags = with_commit_mark ? format::kCommitMark : 0,
                        .body_tag = {}};
  chain_tag = seal_fragment(sealer, *nonces, epoch, header, staging.first(body_bytes),
                            staging.subspan<format::kBodyBytesMax, format::kHeaderBytes>(),
                            std::span(batch).subspan(batch_bytes, bytes));
  crypto::wipe(staging.first(staged_bytes));
  staged_bytes = 0;
  ++fragment_index;

  const std::size_t fragment_end = batch_bytes + bytes;
  batch_bytes = static_cast<std::size_t>(format::round_up_to_grid(fragment_end));
  std::fill(batch.begin() + static_cast<std::ptrdiff_t>(fragment_end),
            batch.begin() + static_cast<std::ptrdiff_t>(batch_bytes), std::byte{0});
}

/// Writes the batch, in whole blocks of the grid: part of a block would have to be read first where the
/// operating system does not have it in memory.  From `commit_mark_at` on a failure is a Poisoning.
void JournalWriter::State::write_batch(Lsn commit_mark_at) {
  segments.make_room(batch_at, batch_at.next(batch_bytes));
  const std::span<const std::byte> bytes = std::span(batch).first(batch_bytes);
  for (std::size_t written = 0; written < bytes.size();) {
    const Lsn from = batch_at.next(written);
    try {
      written += segments.write(from, bytes.subspan(written));
    } catch (...) {
      const std::uint64_t segment_bytes = segments.files().segment_bytes;
      const std::uint64_t segment_end = (from.value / segment_bytes + 1) * segment_bytes;
      const std::uint64_t piece_end = std::min(segment_end, batch_at.value + bytes.size());
      if (piece_end <= commit_mark_at.value) throw;
      poisoned = true;
      throw Poisoning(std::current_exception());
    }
  }
  batch_at = batch_at.next(batch_bytes);
  batch_bytes = 0;
}

JournalWriter::JournalWriter(const JournalFiles& files, const crypto::Sealer& sealer,
                             platform::Entropy& entropy, const Generation& generation, Epoch epoch,
                             const JournalEnd& end, std::span<std::byte> staging) {
  Expects(staging.size() >= kFragmentBytesMax);
  Expects(end.position.value % kGridBytes == 0);
  state_ = std::make_unique<State>(files, sealer, entropy, generation, epoch, end, staging);
}

JournalWriter::~JournalWriter() {
  abandon();
}

void JournalWriter::reserve(std::uint64_t bytes) {
  state_->check_usable();
  if (bytes == 0) return;
  const Lsn from = state_->batch_at.next(state_->batch_bytes);
  state_->segments.make_room(from, from.next(bytes));
}

bool JournalWriter::room_is_short(Lsn position) const {
  return state_->is_short_of_room(position);
}

void JournalWriter::prepare_room(Lsn position) {
  static_cast<void>(state_->prepare_room(position, 0));
}

bool JournalWriter::prepare_room(Lsn position, std::uint64_t bytes) {
  state_->segments.keep_ahead(bytes);
  return state_->prepare_room(position, bytes);
}

bool JournalWriter::State::prepare_room(Lsn position, std::uint64_t bytes) {
  check_usable();
  // Where the first segment begins is the writer's to say.
  if (segments.ready_upto() == Lsn{}) return false;
  segments.name_spares();
  const auto enough = [&] {
    return !is_short_of_room(position) && position.next(bytes) <= segments.ready_upto();
  };
  if (enough()) return false;
  const Lsn ready = segments.ready_upto();
  segments.make_room(ready, ready.next(segments.files().segment_bytes));
  return !enough();
}

void JournalWriter::begin(CommitNumber commit, crypto::NonceRun* nonces) {
  State& state = *state_;
  state.check_usable();
  Expects(state.phase == WriterPhase::idle);
  Expects(commit == state.current_end().last_commit.next());
  state.commit = commit;
  state.own_nonces.renew();
  state.nonces = nonces != nullptr ? nonces : &state.own_nonces;
  state.phase = WriterPhase::collecting;
}

namespace {

/// Runs a step of a transaction; when it throws, only `abandon` may follow.
template <class Step>
void step_or_fail(WriterPhase& phase, const Step& step) {
  try {
    step();
  } catch (...) {
    phase = WriterPhase::failed;
    throw;
  }
}

}  // namespace

void JournalWriter::add(const PageImage& record) {
  state_->check_usable();
  step_or_fail(state_->phase, [&] { state_->stage(record); });
}
void JournalWriter::add(const PageDelta& record) {
  state_->check_usable();
  step_or_fail(state_->phase, [&] { state_->stage(record); });
}
void JournalWriter::add(const PageReference& record) {
  state_->check_usable();
  step_or_fail(state_->phase, [&] { state_->stage(record); });
}
void JournalWriter::add(const PageFreed& record) {
  state_->check_usable();
  step_or_fail(state_->phase, [&] { state_->stage(record); });
}
void JournalWriter::add(const RunAllocated& record) {
  state_->check_usable();
  step_or_fail(state_->phase, [&] { state_->stage(record); });
}
void JournalWriter::add(const RunFreed& record) {
  state_->check_usable();
  step_or_fail(state_->phase, [&] { state_->stage(record); });
}

JournalEnd JournalWriter::finish(const CommitState& commit_state, Lsn durable_upto) {
  State& state = *state_;
  state.check_usable();
  {
    const std::lock_guard lock(state.mutex);
    // J3, and what recovery relies on: it is where an earlier transaction ends.
    Expects(durable_upto <= state.end.position);
    state.durable_upto = std::max(state.durable_upto, durable_upto);
  }
  step_or_fail(state.phase, [&] {
    state.stage(commit_state);
    const Lsn commit_mark_at = state.batch_at.next(state.batch_bytes);
    state.seal_staged(true);
    state.write_batch(commit_mark_at);
  });
  const JournalEnd end{
      .position = state.batch_at, .last_tag = state.chain_tag, .last_commit = state.commit};
  {
    const std::lock_guard lock(state.mutex);
    state.end = end;
  }
  state.rewind(end);
  return end;
}

void JournalWriter::abandon() noexcept {
  state_->rewind(state_->current_end());
}

JournalEnd JournalWriter::end() const {
  return state_->current_end();
}

void JournalWriter::sync() {
  State& state = *state_;
  const std::lock_guard one_at_a_time(state.sync_mutex);
  state.check_usable();
  const JournalEnd covered = state.current_end();
  try {
    state.segments.sync();
  } catch (...) {
    // A sync that is tried again may report success after the data are gone.
    state.poisoned = !planted(Mutation::retry_failed_sync);
    throw;
  }
  {
    const std::lock_guard lock(state.mutex);
    state.durable_upto = std::max(state.durable_upto, covered.position);
  }
  state.segments.close_below(covered.position);
}

void JournalWriter::recycle(Lsn position) {
  state_->check_usable();
  const JournalEnd end = state_->current_end();
  Expects(position <= end.position);
  state_->segments.retire_below(position, end.position);
}

void JournalWriter::shrink() {
  Expects(state_->phase == WriterPhase::idle);
  state_->segments.shrink(state_->current_end().position);
}

std::uint64_t JournalWriter::file_bytes() const {
  return state_->segments.file_bytes();
}

}  // namespace coffer::journal
