// What concurrent transactions did and saw, and whether that is snapshot isolation with one writer.
//
// The checker knows nothing of the engine: it replays the committed writes in the order of their numbers and compares
// what each transaction read with the states in between, and the times at which things were asked for and answered.
//
//   H1  Writers exclude each other: one begins after the one before has asked to commit or rolled back, and the commits'
//       numbers have the order of their beginnings.
//   H2  A writer sees the state that the commit before it left, under its own changes.
//   H3  All that a reader sees, from its beginning to its end, is the state after the one commit that it names.
//   H4  That commit is no older than the last one that was durable when the reader was asked for (for a reader of the
//       latest state: that had been committed), and was asked for before the reader began.
//   H5  A reader that was asked for after another one of its kind had ended does not see an older state.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace coffer::campaign::process {

using Moment = std::int64_t;  ///< nanoseconds of a clock that all threads share
using HistoryKey = std::uint64_t;
using Contents = std::map<HistoryKey, std::uint64_t>;  ///< absent keys are not in it

/// What one look-up found; 0: nothing.  Every value is written once in all histories.
struct Seen {
  HistoryKey key = 0;
  std::uint64_t value = 0;
};

struct WriterRecord {
  Moment asked = 0;
  Moment begun = 0;
  Moment ending = 0;              ///< when it asked to commit or to roll back
  Moment committed = 0;           ///< when that had returned
  Moment durable = 0;             ///< when it was told that the commit is durable; 0: never
  std::uint64_t number = 0;       ///< of its commit; 0: rolled back
  std::vector<Seen> seen_before;  ///< before it changed anything
  std::vector<Seen> seen_after;   ///< after its changes
  Contents changes;               ///< 0: erased
};

struct ReaderRecord {
  Moment asked = 0;
  Moment begun = 0;
  Moment ended = 0;
  bool latest = false;
  std::uint64_t number = 0;
  std::vector<Seen> seen;
};

/// Everything committed before `called` was durable at `returned`.
struct SyncRecord {
  Moment called = 0;
  Moment returned = 0;
};

struct History {
  std::uint64_t base = 0;  ///< the last commit before it, which is durable
  Contents contents;       ///< that this left
  std::vector<WriterRecord> writers;
  std::vector<ReaderRecord> readers;
  std::vector<SyncRecord> syncs;
};

/// What is wrong with it; nothing when it is snapshot isolation.
[[nodiscard]] std::optional<std::string> violation_in(const History& history);

/// Ways to spoil a history, each of which a checker must notice.
struct Spoiler {
  const char* name;
  /// False where this history offers nothing to spoil in this way.
  bool (*apply)(History& history);
};
[[nodiscard]] const std::vector<Spoiler>& spoilers();

}  // namespace coffer::campaign::process
