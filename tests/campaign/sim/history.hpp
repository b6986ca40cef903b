// The oracle: which commits a store was given, and which of them it has promised to keep.
//
// A commit is begun before it is handed over, acknowledged when its durability was promised (by the commit's own
// return, a sync, a checkpoint, a close, or by showing it to a reader who asked for durable things only), and
// withdrawn when the engine has said that it failed and left nothing.  Places in time are steps of the machine.
// What a power cut at a step may leave: the state of exactly one commit, not older than the last one acknowledged by
// then, not newer than the last one begun.
#pragma once

#include <coffer/options.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/platform.hpp"
#include "tests/campaign/sim/state.hpp"

namespace coffer::campaign::sim {

/// A backup, or a store that was restored from one: the whole of one commit or, until it is done, nothing.
struct Copy {
  std::string path;
  std::vector<platform::Path>
      chain{};               ///< of a backup: from the full one to itself; empty: a store
  bool snapshot = false;     ///< not logical
  std::uint64_t commit = 0;  ///< of a backup: once it is done
  std::uint64_t begun_at = 0;
  std::uint64_t done_at = std::numeric_limits<std::uint64_t>::max();
};

class History {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  History() { commits_.push_back({std::make_shared<const State>(), 0, 0, 0}); }

  [[nodiscard]] std::uint64_t last() const { return commits_.size() - 1; }
  [[nodiscard]] const State& state(std::uint64_t commit) const {
    return *commits_.at(commit).state;
  }
  [[nodiscard]] bool knows(std::uint64_t commit) const { return commit < commits_.size(); }

  /// Later ones, which failed, are forgotten.  Gives what tells this attempt from others at the same number.
  std::uint64_t begun(std::uint64_t commit, State state, std::uint64_t step) {
    auto kept = std::make_shared<const State>(std::move(state));
    commits_.resize(commit);
    commits_.push_back({std::move(kept), step, kNever, ++attempts_});
    return attempts_;
  }
  /// This one and all before it.
  void acknowledged(std::uint64_t commit, std::uint64_t step) {
    for (std::uint64_t c = commit; commits_.at(c).acknowledged_at == kNever; --c) {
      commits_[c].acknowledged_at = step;
    }
  }
  void withdrawn(std::uint64_t commit, std::uint64_t attempt) {
    if (knows(commit) && commits_[commit].attempt == attempt) commits_.resize(commit);
  }
  /// After a recovery that found this commit: the machine begins anew, and time with it.
  void recovered(std::uint64_t commit) {
    commits_.resize(commit + 1);
    for (Commit& c : commits_) c.begun_at = c.acknowledged_at = 0;
    std::erase_if(anchors_, [&](const Kept& kept) { return kept.anchor.commit > commit; });
    for (Kept& kept : anchors_) kept.step = 0;
  }

  struct Range {
    std::uint64_t must = 0;
    std::uint64_t may = 0;
  };
  [[nodiscard]] Range at(std::uint64_t step) const {
    Range range;
    for (std::uint64_t c = 0; c < commits_.size(); ++c) {
      if (commits_[c].acknowledged_at <= step) range.must = c;
      if (commits_[c].begun_at <= step) range.may = c;
    }
    return range;
  }

  void anchored(const Anchor& anchor, std::uint64_t step) { anchors_.push_back({anchor, step}); }
  /// The newest that was handed out by then.
  [[nodiscard]] std::optional<Anchor> anchor_at(std::uint64_t step) const {
    std::optional<Anchor> newest;
    for (const Kept& kept : anchors_) {
      if (kept.step <= step) newest = kept.anchor;
    }
    return newest;
  }

  /// Gives its place in `copies`.
  std::size_t copy_begun(Copy copy, std::uint64_t step) {
    copy.begun_at = step;
    copies_.push_back(std::move(copy));
    return copies_.size() - 1;
  }
  void copy_done(std::size_t place, std::uint64_t commit, std::uint64_t step) {
    copies_.at(place).commit = commit;
    copies_[place].done_at = step;
  }
  [[nodiscard]] const std::vector<Copy>& copies() const { return copies_; }

 private:
  struct Commit {
    std::shared_ptr<const State> state;
    std::uint64_t begun_at = 0;
    std::uint64_t acknowledged_at = kNever;
    std::uint64_t attempt = 0;
  };
  struct Kept {
    Anchor anchor;
    std::uint64_t step = 0;
  };
  std::vector<Commit> commits_;
  std::vector<Kept> anchors_;
  std::vector<Copy> copies_;
  std::uint64_t attempts_ = 0;
};

}  // namespace coffer::campaign::sim
