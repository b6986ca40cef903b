// The write-ahead log: sealed, chained fragments on a fixed grid in segment files.
//
// A position (Lsn) is a byte offset in one endless journal; segment files of `segment_bytes` hold
// consecutive stretches of it, and are recycled under a new name when a checkpoint no longer needs them.
// A transaction is a chain of fragments; each begins on the grid (kGridBytes), has a header sealed on its
// own and a body bound to it, and only the last carries the commit mark.  journal_format.hpp has the bytes.
//
// Invariants
//   J1  A fragment is accepted only as the successor of the one before it: its header carries the
//       generation in force, its own position and the previous header's tag.
//   J2  Nothing is written over what may be durable: the writer goes back only over fragments of a
//       transaction that was abandoned before its commit mark was written.
//   J3  `durable_upto` in a header is a position that had been synced before that header was sealed.
//   J4  A bad fragment at p is damage or tampering if a verified header of this generation beyond p, or the
//       superblock, says that p was durable; otherwise it is the torn tail of a crash, and everything from
//       the last commit mark on is dropped (recovery.hpp: the decision as a table).
//   J5  Segments exist, written whole and named durably, before a fragment is written into them: a full disk
//       is found before anything is written.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "crypto/seal.hpp"
#include "platform/platform.hpp"
#include "platform/strong.hpp"

namespace coffer::journal {

inline constexpr std::uint64_t kGridBytes = 4096;
inline constexpr std::size_t kFragmentBytesMax = 64 * 1024;  ///< header and body on disk

using Generation = std::array<std::byte, 16>;

/// Where a journal begins: what the superblock says.
struct JournalStart {
  Lsn position{};  ///< of the first fragment that matters
  Generation generation{};
  crypto::Tag previous_tag{};  ///< what the first fragment's header must carry
  CommitNumber
      last_commit{};   ///< contained in the checkpoint; the next fragment belongs to the next one
  Lsn durable_upto{};  ///< proven durable by the superblock
  Epoch epoch{1};
};

/// Where a journal ends, and what it then looks like.
struct JournalEnd {
  Lsn position{};
  crypto::Tag last_tag{};
  CommitNumber last_commit{};
};

// --- Records: what a transaction's body holds, in order ---------------------------------------------

struct PageImage {  ///< *new* or *image*: the page's used bytes (without its gap)
  PageId page{};
  bool is_new = false;  ///< no version before this one
  std::span<const std::byte> used;
};
struct PageDelta {  ///< *delta*: the blocks that changed since `base`
  PageId page{};
  CommitNumber base{};     ///< PageHeader::version of the page that it applies to
  std::uint64_t mask = 0;  ///< bit i: block i of 64 follows
  std::span<const std::byte> blocks;
};
struct PageReference {  ///< *reference*: a slot that is already synced
  PageId page{};
  bool is_new = false;
  SlotId slot{};
  std::uint32_t sealed_bytes = 0;
  Epoch epoch{};
  crypto::Tag tag{};
};
struct PageFreed {
  PageId page{};
};
struct RunAllocated {  ///< slots of a large value's chunk, synced before this record
  SlotId first{};
  std::uint32_t slots = 0;
};
struct RunFreed {
  SlotId first{};
  std::uint32_t slots = 0;
  CommitNumber born{};
};
struct CommitState {  ///< the last record of every transaction
  PageId catalog_root{};
  std::uint64_t next_value_id = 0;
};

/// Receives a transaction's records in order.  Spans are valid during the call (locked memory).
class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  virtual void begin(CommitNumber commit) { static_cast<void>(commit); }
  virtual void on(const PageImage&) {}
  virtual void on(const PageDelta&) {}
  virtual void on(const PageReference&) {}
  virtual void on(const PageFreed&) {}
  virtual void on(const RunAllocated&) {}
  virtual void on(const RunFreed&) {}
  virtual void on(const CommitState&) {}
  /// `end` is the position behind the commit mark's fragment.
  virtual void commit(CommitNumber commit, Lsn end) {
    static_cast<void>(commit);
    static_cast<void>(end);
  }
};

/// Largest `used`/`blocks` payload that fits a fragment; larger pages are logged by reference.
[[nodiscard]] std::size_t record_payload_bytes_max();
/// Bytes on disk that a record with this payload takes at most, without fragment overhead.
[[nodiscard]] std::size_t record_bytes(std::size_t payload_bytes);

// --- Segments -----------------------------------------------------------------------------------------

/// Segment files of one store directory: `journal-<16 hex digits of the index>`; segment i holds positions
/// [i * segment_bytes, (i + 1) * segment_bytes).
struct JournalFiles {
  platform::FileSystem* files = nullptr;
  platform::Path directory;
  std::uint64_t segment_bytes = 0;  ///< a multiple of 64 KiB, fixed at creation
};

/// Bytes that the segments take, used or spare.
[[nodiscard]] std::uint64_t journal_file_bytes(const JournalFiles& files);

// --- Writing ------------------------------------------------------------------------------------------

/// Appends transactions.  reserve/begin/add/finish/abandon are called by one thread at a time (the
/// writer's); the others may be called from any meanwhile.
class JournalWriter {
 public:
  /// `staging` is locked memory of at least kFragmentBytesMax, the writer's alone.  Continues at `end`.
  /// Older segments than end.position's that exist on disk are known for recycling.
  JournalWriter(const JournalFiles& files, const crypto::Sealer& sealer, platform::Entropy& entropy,
                const Generation& generation, Epoch epoch, const JournalEnd& end,
                std::span<std::byte> staging);
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// Makes sure that segments for `bytes` beyond the end exist (J5).  NoSpace or IoError: nothing changed
  /// that matters.
  void reserve(std::uint64_t bytes);
  /// Less than half a segment is ready beyond `position`, where the journal ends.  Any thread.
  [[nodiscard]] bool room_is_short(Lsn position) const;
  /// Makes what may be used again ready beyond `position`, where the journal ends, and one more segment where that is
  /// short, so that the writer need not wait.  Any thread; errors as reserve.
  void prepare_room(Lsn position);
  /// The same, or where it is less than `bytes`, of which `recycle` keeps as many from then on.  Whether more segments are
  /// to be made: a writer that comes to the end of what is ready waits for a call, so the caller makes pauses.
  [[nodiscard]] bool prepare_room(Lsn position, std::uint64_t bytes);
  /// `nonces`: a run of the transaction's own, which outlives finish or abandon; null: one is drawn.
  void begin(CommitNumber commit, crypto::NonceRun* nonces = nullptr);
  void add(const PageImage& record);
  void add(const PageDelta& record);
  void add(const PageReference& record);
  void add(const PageFreed& record);
  void add(const RunAllocated& record);
  void add(const RunFreed& record);
  /// Adds the commit state, seals the last fragment with the commit mark and writes what is left.  When
  /// this throws `Poisoning`, bytes of the mark may have reached the file: the store must be poisoned.
  /// Any other exception (NoSpace, IoError while making room, bad_alloc) is followed by abandon().
  JournalEnd finish(const CommitState& state, Lsn durable_upto);
  /// Forgets the transaction begun; the next one is written over it.
  void abandon() noexcept;

  /// Behind the last commit mark written.
  [[nodiscard]] JournalEnd end() const;
  /// Makes everything written before this call durable.  IoError: the store must be poisoned.
  void sync();
  /// Segments wholly below `position` may be used again; keeps as many as will be wanted, removes others.  Wanted is what
  /// the interval took, or the one before if that was more, and what prepare_room was last asked for.
  void recycle(Lsn position);
  /// Before closing: gives back the room of segments that wait to be written, but one.
  void shrink();
  [[nodiscard]] std::uint64_t file_bytes() const;

  /// A write that may have left part of a commit mark failed.
  class Poisoning : public std::exception {
   public:
    explicit Poisoning(std::exception_ptr cause) : cause_(std::move(cause)) {}
    [[nodiscard]] const char* what() const noexcept override {
      return "a write to the journal failed";
    }
    [[nodiscard]] const std::exception_ptr& cause() const { return cause_; }

   private:
    std::exception_ptr cause_;
  };

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// --- Recovery -----------------------------------------------------------------------------------------

struct ScanResult {
  JournalEnd end;        ///< behind the last whole transaction
  bool dropped = false;  ///< something lay behind it that is not part of the history
  std::uint64_t fragments = 0;
  Lsn durable_upto{};  ///< the furthest position that any header proved durable
};

/// Walks the journal from `start`, verifies the chain, and hands every whole transaction to `visitor` in
/// order.
/// Tampered (Corrupted for Suite::none) when a bad fragment was durable (J4).  Writes nothing.
///
/// Pass 1: call with a visitor that collects what the records name.  Records of the last, uncommitted
/// transaction may be visited (its `commit` is not); pass 2: call again with `until` = pass 1's end, and
/// only whole transactions are visited.
ScanResult scan_journal(const JournalFiles& files, const crypto::Sealer& sealer,
                        const JournalStart& start, std::span<std::byte> body_buffer,
                        RecordVisitor& visitor, const JournalEnd* until = nullptr);

}  // namespace coffer::journal
