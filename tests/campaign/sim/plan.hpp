// What the tasks of a simulated program do to a store, as a seed decides it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/campaign/sim/state.hpp"

namespace coffer::campaign::sim {

enum class Doing : std::uint8_t {
  write,          ///< a transaction, committed durably
  write_relaxed,  ///< committed, not waited for
  write_async,    ///< waited for later
  write_nothing,  ///< rolled back
  read,           ///< a snapshot of what is durable, compared, held and compared again
  read_latest,
  sync,
  checkpoint,
  check,
  anchor,
  snapshot,  ///< a backup into a directory, which is opened
  // Into files, and out of them (copies.cpp).
  archive,
  increment,  ///< of what is there; otherwise the same as archive
  logical,
  logical_increment,
  restore,
};

struct Action {
  Doing doing = Doing::write;
  std::uint64_t seed = 0;
};

/// One list for each task; the first task is the one that opens and closes the store.
struct Plan {
  std::uint64_t seed = 0;
  std::vector<std::vector<Action>> tasks;
  Sizes sizes;
  bool background_checkpoints = true;
  std::uint64_t checkpoint_journal_bytes = 96 * 1024;
  std::uint64_t switch_one_in = 4;

  [[nodiscard]] std::size_t actions() const;
};

/// What kind of plan.
struct Shape {
  std::size_t writers = 2;
  std::size_t others = 2;  ///< readers, who also sync, check and make checkpoints and snapshots
  std::size_t actions_each = 12;
  bool snapshots = true;
  bool backups = false;  ///< the others do nothing but these, and checkpoints
};
[[nodiscard]] Plan make_plan(std::uint64_t seed, const Shape& shape);

/// Those actions only whose place, counted through all tasks, is set.  Empty: all.
[[nodiscard]] Plan kept_of(Plan plan, const std::vector<bool>& kept);
/// Without what is false at the end.
[[nodiscard]] std::string text_of(const std::vector<bool>& bits);
[[nodiscard]] std::vector<bool> bits_of(std::string_view text);

}  // namespace coffer::campaign::sim
