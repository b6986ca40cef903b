// Transactions: a snapshot to read, or the one writer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <coffer/export.hpp>
#include <coffer/options.hpp>
#include <coffer/statistics.hpp>
#include <coffer/tree.hpp>

namespace coffer {

/// An unchanging view of the store as one commit left it.  Never waits for the writer.  Used by one
/// thread at a time; ends with its destructor, which wipes what only it had decrypted.  Must end before
/// the Store does.
class COFFER_API ReadTransaction {
 public:
  ReadTransaction(ReadTransaction&&) noexcept;
  ReadTransaction& operator=(ReadTransaction&&) noexcept;
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;
  ~ReadTransaction();

  /// The number of the commit that this view shows.
  [[nodiscard]] std::uint64_t commit_number() const;
  /// The tree of that name; nothing when there is none.
  [[nodiscard]] std::optional<Tree> find_tree(Bytes name);
  /// The same, for a tree that must be there (InvalidArgument).
  [[nodiscard]] Tree tree(Bytes name);
  [[nodiscard]] std::vector<TreeInfo> trees();

  struct State;
  explicit ReadTransaction(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// A commit on its way to the disk.
class COFFER_API CommitTicket {
 public:
  CommitTicket(CommitTicket&&) noexcept;
  CommitTicket& operator=(CommitTicket&&) noexcept;
  CommitTicket(const CommitTicket&) = delete;
  CommitTicket& operator=(const CommitTicket&) = delete;
  ~CommitTicket();
  [[nodiscard]] std::uint64_t commit_number() const;
  [[nodiscard]] bool durable() const;
  /// Returns when the commit is durable; Poisoned or IoError when it never will be.
  void wait();

  struct State;
  explicit CommitTicket(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// A point inside a write transaction to go back to.
struct Savepoint {
  std::uint32_t id = 0;
};

/// The writer.  There is one at a time; it sees all earlier commits and its own changes.  Its destructor
/// rolls back what was not committed; rolling back cannot fail.  Used by one thread at a time.
class COFFER_API WriteTransaction {
 public:
  WriteTransaction(WriteTransaction&&) noexcept;
  WriteTransaction& operator=(WriteTransaction&&) noexcept;
  WriteTransaction(const WriteTransaction&) = delete;
  WriteTransaction& operator=(const WriteTransaction&) = delete;
  ~WriteTransaction();

  [[nodiscard]] std::optional<Tree> find_tree(Bytes name);
  /// The tree of that name, which must be there (InvalidArgument).
  [[nodiscard]] Tree tree(Bytes name);
  /// The tree of that name, created when absent; InvalidArgument when it is there with other options.
  /// Names are 1 to 255 bytes.
  Tree create_tree(Bytes name, TreeOptions options = {});
  /// Removes a tree and everything in it; false when there is none.  Its handles must be gone.
  bool drop_tree(Bytes name);
  [[nodiscard]] std::vector<TreeInfo> trees();

  [[nodiscard]] Savepoint savepoint();
  /// Undoes everything since; the savepoint stays.  Trees and cursors made since must be gone.
  void rollback_to(Savepoint savepoint);
  void release(Savepoint savepoint);

  /// Makes the changes a commit.  Returns its number when it is as durable as the store's options ask,
  /// or as `durability` says.  After a failure before that the transaction can only be rolled back.
  std::uint64_t commit();
  std::uint64_t commit(Durability durability);
  /// Hands the commit over and returns at once; the next writer may begin.
  [[nodiscard]] CommitTicket commit_async();
  void rollback() noexcept;

  struct State;  // the library's own view
  explicit WriteTransaction(std::unique_ptr<State> state);
  [[nodiscard]] State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace coffer
