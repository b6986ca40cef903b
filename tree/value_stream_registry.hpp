// What a transaction's open value streams must hear of: savepoints, rollbacks, freed values, its
// end.
//
// One registry belongs to each transaction; its streams share it.  Without it a stream that
// outlived a rollback would give back chunks that are already gone, and one whose value was
// replaced would report tampering where its caller made a mistake.
//
//   R1  Whoever makes, uses or drops savepoints for the caller says so here, after the sink has
//   done it.
//       Savepoints that a tree takes and drops inside one of its own operations need no notice.
//   R2  `transaction_ended` is called while the transaction's pages can still be given back: before
//       commit and before rollback.
//   R3  Only `savepoint_made` can fail (std::bad_alloc); the caller then releases the savepoint.
//
// Used by the transaction's thread only.
#pragma once

#include <cstdint>

#include "txn/pages.hpp"

namespace coffer::tree {

class StreamRegistry;

/// A stream in a transaction's list.  Stays where it is in memory.
class OpenStream {
 public:
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;

 protected:
  OpenStream() = default;
  ~OpenStream() { leave(); }
  void join(StreamRegistry& registry) noexcept;
  void leave() noexcept;

 private:
  friend class StreamRegistry;
  virtual void savepoint_made(txn::SavepointId id) = 0;
  virtual void rolled_back_to(txn::SavepointId id) noexcept = 0;
  virtual void value_freed(std::uint64_t value_id) noexcept = 0;
  virtual void transaction_ended() noexcept = 0;

  StreamRegistry* registry_ = nullptr;
  OpenStream* previous_ = nullptr;
  OpenStream* next_ = nullptr;
};

class StreamRegistry {
 public:
  StreamRegistry() = default;
  ~StreamRegistry() { transaction_ended(); }
  StreamRegistry(const StreamRegistry&) = delete;
  StreamRegistry& operator=(const StreamRegistry&) = delete;

  void savepoint_made(txn::SavepointId id);
  void rolled_back_to(txn::SavepointId id) noexcept;
  /// The value was removed or replaced; its readers refuse to go on.
  void value_freed(std::uint64_t value_id) noexcept;
  /// Every stream lets go of its locked memory and of the transaction.  Writers that were not
  /// finished give back what they had written.
  void transaction_ended() noexcept;

  /// The last savepoint that `savepoint_made` was told of; 0 before any.
  [[nodiscard]] txn::SavepointId last_savepoint() const { return last_savepoint_; }

  /// Something could not be given back: committing would leave it allocated and unreachable for
  /// ever.
  void note_leak() noexcept { leaked_ = true; }
  /// True after such a failure: the transaction may only be rolled back (wholly, not to a
  /// savepoint).
  [[nodiscard]] bool must_roll_back() const { return leaked_; }

 private:
  friend class OpenStream;
  OpenStream* first_ = nullptr;
  txn::SavepointId last_savepoint_{};
  bool leaked_ = false;
};

}  // namespace coffer::tree
