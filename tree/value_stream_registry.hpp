// What a transaction's open value streams must hear of: savepoints, rollbacks, freed values, its
// end.
//
// One registry belongs to each transaction; its streams share it.  Without it a stream that
// outlived a rollback would give back chunks that are already gone, and one whose value was
// replaced would report tampering where its caller made a mistake.
//
//   R1  Whoever makes or uses savepoints for the caller says so here, after the sink has done it.
//       Savepoints that a tree takes and drops inside one of its own operations need no notice.
//   R2  `transaction_ended` is called while the sink can still be used: before commit, before rollback.
//       A commit then asks `must_roll_back`.
//   R3  Only `savepoint_made` can fail (std::bad_alloc); the caller then releases the savepoint.
//
// Used by the transaction's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "txn/pages.hpp"

namespace coffer::tree {

class StreamRegistry;

enum class Ending : std::uint8_t { commit, rollback };

/// A stream in a transaction's list.  Stays where it is in memory.
class OpenStream {
 public:
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;

 protected:
  /// `registry` may be null: the stream then hears of nothing.
  explicit OpenStream(std::shared_ptr<StreamRegistry> registry) noexcept;
  virtual ~OpenStream();
  [[nodiscard]] StreamRegistry* registry() const { return registry_.get(); }
  /// True when the stream was opened after savepoint `id` was made.
  [[nodiscard]] bool younger_than(txn::SavepointId id) const {
    return born_after_ && id <= *born_after_;
  }

 private:
  friend class StreamRegistry;
  virtual void savepoint_made(txn::SavepointId id) = 0;
  virtual void rolled_back_to(txn::SavepointId id) noexcept = 0;
  virtual void value_freed(std::uint64_t value_id) noexcept = 0;
  virtual void transaction_ended(Ending ending) noexcept = 0;

  std::shared_ptr<StreamRegistry> registry_;
  std::optional<txn::SavepointId> born_after_;  // the last savepoint before it
  OpenStream* previous_ = nullptr;
  OpenStream* next_ = nullptr;
};

class StreamRegistry {
 public:
  StreamRegistry() = default;
  ~StreamRegistry() = default;
  StreamRegistry(const StreamRegistry&) = delete;
  StreamRegistry& operator=(const StreamRegistry&) = delete;

  void savepoint_made(txn::SavepointId id);
  void rolled_back_to(txn::SavepointId id) noexcept;
  /// The value was removed or replaced; its readers refuse to go on.
  void value_freed(std::uint64_t value_id) noexcept;
  /// Every stream lets go of its locked memory and of the transaction.  Before a commit, writers
  /// that were not finished give back what they had written.
  void transaction_ended(Ending ending) noexcept;

  /// Something could not be given back: committing would leave it allocated and unreachable for
  /// ever.
  void note_leak() noexcept { leaked_ = true; }
  /// True after such a failure: the transaction may only be rolled back (wholly, not to a
  /// savepoint).
  [[nodiscard]] bool must_roll_back() const { return leaked_; }

 private:
  friend class OpenStream;
  OpenStream* first_ = nullptr;
  std::optional<txn::SavepointId> last_savepoint_;
  bool leaked_ = false;
};

}  // namespace coffer::tree
