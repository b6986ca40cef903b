// See history.hpp.
#include "tests/campaign/process/history.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace coffer::campaign::process {
namespace {

void change(Contents& contents, const Contents& changes) {
  for (const auto& [key, value] : changes) {
    if (value == 0) {
      contents.erase(key);
    } else {
      contents[key] = value;
    }
  }
}

/// The first thing that was seen and is not in `contents`.
std::optional<std::string> difference(const std::vector<Seen>& seen, const Contents& contents) {
  for (const Seen& one : seen) {
    const auto there = contents.find(one.key);
    const std::uint64_t value = there == contents.end() ? 0 : there->second;
    if (value != one.value) {
      return fmt::format("key {} was seen with value {}, it had {}", one.key, one.value, value);
    }
  }
  return std::nullopt;
}

class HistoryChecker {
 public:
  explicit HistoryChecker(const History& history) : history_(history) {}

  std::optional<std::string> check() {
    if (auto wrong = check_writers()) return wrong;
    for (const ReaderRecord& reader : history_.readers) {
      if (auto wrong = check_reader(reader)) return wrong;
    }
    return check_order_of_readers();
  }

 private:
  /// H1 and H2; fills the states.
  std::optional<std::string> check_writers() {
    std::vector<const WriterRecord*> order;
    for (const WriterRecord& writer : history_.writers) order.push_back(&writer);
    std::ranges::sort(order, {}, &WriterRecord::begun);
    Contents contents = history_.contents;
    std::uint64_t last = history_.base;
    states_[last] = contents;
    Moment free_from = 0;
    for (const WriterRecord* writer : order) {
      if (writer->begun < free_from) {
        return "two writers overlap";
      }
      free_from = writer->ending;
      if (auto wrong = difference(writer->seen_before, contents)) {
        return fmt::format("a writer after commit {}: {}", last, *wrong);
      }
      Contents own = contents;
      change(own, writer->changes);
      if (auto wrong = difference(writer->seen_after, own)) {
        return fmt::format("a writer after commit {}, its own changes: {}", last, *wrong);
      }
      if (writer->number == 0) continue;
      // Who changes nothing (erases what is not there) makes no commit, and gets the number of the last one.
      if (writer->number == last && own == contents) continue;
      if (writer->number <= last) {
        return fmt::format("commit {} came after commit {}", writer->number, last);
      }
      last = writer->number;
      contents = std::move(own);
      states_[last] = contents;
      commits_[last] = writer;
    }
    return std::nullopt;
  }

  /// Was the commit acknowledged as durable before `moment`?
  [[nodiscard]] bool durable_before(const WriterRecord& writer, Moment moment) const {
    if (writer.durable != 0 && writer.durable <= moment) return true;
    return std::ranges::any_of(history_.syncs, [&](const SyncRecord& sync) {
      return writer.committed <= sync.called && sync.returned <= moment;
    });
  }

  /// H3 and H4.
  std::optional<std::string> check_reader(const ReaderRecord& reader) const {
    const auto state = states_.find(reader.number);
    if (state == states_.end()) return fmt::format("no commit has number {}", reader.number);
    if (auto wrong = difference(reader.seen, state->second)) {
      return fmt::format("a reader at commit {}: {}", reader.number, *wrong);
    }
    for (const auto& [number, writer] : commits_) {
      const bool must_show =
          reader.latest ? writer->committed <= reader.asked : durable_before(*writer, reader.asked);
      if (must_show && number > reader.number) {
        return fmt::format("a reader at commit {} was asked for after commit {} was {}",
                           reader.number, number, reader.latest ? "committed" : "durable");
      }
      if (number <= reader.number && writer->ending > reader.begun) {
        return fmt::format("a reader saw commit {} before that was asked for", number);
      }
    }
    return std::nullopt;
  }

  /// H5.
  std::optional<std::string> check_order_of_readers() const {
    for (const ReaderRecord& first : history_.readers) {
      for (const ReaderRecord& second : history_.readers) {
        if (first.latest == second.latest && first.ended <= second.asked &&
            first.number > second.number) {
          return fmt::format("a reader at commit {} was asked for after one at commit {} had ended",
                             second.number, first.number);
        }
      }
    }
    return std::nullopt;
  }

  const History& history_;
  std::map<std::uint64_t, Contents> states_;  ///< after each commit
  std::map<std::uint64_t, const WriterRecord*> commits_;
};

// --- Spoilers --------------------------------------------------------------------------------------

/// The commits in their order, each with who made it: not those who changed nothing and were given the last number.
std::map<std::uint64_t, WriterRecord*> commits_of(History& history) {
  std::map<std::uint64_t, WriterRecord*> commits;
  for (WriterRecord& writer : history.writers) {
    if (writer.number <= history.base) continue;
    WriterRecord*& made_by = commits[writer.number];
    if (made_by == nullptr || writer.begun < made_by->begun) made_by = &writer;
  }
  return commits;
}

/// Two commits of a history that both change some key; nothing without such.
struct Rewrite {
  HistoryKey key = 0;
  const WriterRecord* earlier = nullptr;
  const WriterRecord* later = nullptr;
};
std::optional<Rewrite> find_rewrite(History& history) {
  const auto commits = commits_of(history);
  for (auto earlier = commits.begin(); earlier != commits.end(); ++earlier) {
    for (auto later = std::next(earlier); later != commits.end(); ++later) {
      for (const auto& [key, value] : earlier->second->changes) {
        const auto again = later->second->changes.find(key);
        if (again != later->second->changes.end() && again->second != value) {
          return Rewrite{key, earlier->second, later->second};
        }
      }
    }
  }
  return std::nullopt;
}

ReaderRecord* reader_of_something(History& history) {
  const auto found = std::ranges::find_if(
      history.readers, [](const ReaderRecord& reader) { return reader.seen.size() > 1; });
  return found == history.readers.end() ? nullptr : &*found;
}

WriterRecord* committed_writer(History& history, bool first) {
  const auto commits = commits_of(history);
  if (commits.empty()) return nullptr;
  return first ? commits.begin()->second : commits.rbegin()->second;
}

Moment end_of(const History& history) {
  Moment end = 0;
  for (const auto& writer : history.writers) end = std::max(end, writer.committed);
  for (const auto& reader : history.readers) end = std::max(end, reader.ended);
  return end + 1;
}

/// A reader between the two commits of a rewrite that sees the later one's value.
bool see_the_future(History& history) {
  const auto rewrite = find_rewrite(history);
  if (!rewrite) return false;
  ReaderRecord reader;
  reader.latest = true;
  reader.number = rewrite->earlier->number;
  reader.asked = reader.begun = reader.ended = rewrite->earlier->committed;
  reader.seen = {{rewrite->key, rewrite->later->changes.at(rewrite->key)}};
  history.readers.push_back(reader);
  return true;
}
/// The last thing that a reader sees is of another state than the rest.
bool tear_a_snapshot(History& history) {
  ReaderRecord* const reader = reader_of_something(history);
  if (reader == nullptr) return false;
  for (const WriterRecord& writer : history.writers) {
    for (const auto& [key, value] : writer.changes) {
      if (key == reader->seen.back().key && value != reader->seen.back().value) {
        reader->seen.back().value = value;
        return true;
      }
    }
  }
  return false;
}
/// Something of a transaction that was rolled back shows.
bool show_what_was_rolled_back(History& history) {
  ReaderRecord* const reader = reader_of_something(history);
  for (const WriterRecord& writer : history.writers) {
    if (reader == nullptr || writer.number != 0) continue;
    for (const auto& [key, value] : writer.changes) {
      if (value == 0) continue;
      reader->seen.push_back({key, value});
      return true;
    }
  }
  return false;
}
/// A commit's changes are lost for whoever comes later.
bool lose_an_update(History& history) {
  const WriterRecord* const last = committed_writer(history, false);
  if (last == nullptr) return false;
  for (const auto& [key, value] : last->changes) {
    const auto before = history.contents.find(key);
    const std::uint64_t old = before == history.contents.end() ? 0 : before->second;
    if (old == value) continue;
    ReaderRecord reader;
    reader.latest = true;
    reader.number = last->number;
    reader.asked = reader.begun = reader.ended = end_of(history);
    reader.seen = {{key, old}};
    history.readers.push_back(reader);
    return true;
  }
  return false;
}
/// A reader that begins after everything sees the state before everything.
bool go_stale(History& history) {
  const auto commits = commits_of(history);
  if (std::ranges::none_of(commits, [](const auto& one) { return one.second->durable != 0; })) {
    return false;
  }
  ReaderRecord reader;
  reader.number = history.base;
  reader.asked = reader.begun = reader.ended = end_of(history);
  history.readers.push_back(reader);
  return true;
}
/// A commit shows before it was asked for.
bool show_early(History& history) {
  const WriterRecord* const last = committed_writer(history, false);
  if (last == nullptr) return false;
  ReaderRecord reader;
  reader.latest = true;
  reader.number = last->number;
  reader.asked = reader.begun = reader.ended = last->ending - 1;
  history.readers.push_back(reader);
  return true;
}
/// Two commits change their numbers.
bool swap_commits(History& history) {
  WriterRecord* const first = committed_writer(history, true);
  WriterRecord* const last = committed_writer(history, false);
  if (first == last) return false;
  std::swap(first->number, last->number);
  return true;
}
/// A writer begins while another one is at work.
bool overlap_writers(History& history) {
  WriterRecord* const first = committed_writer(history, true);
  WriterRecord* const last = committed_writer(history, false);
  if (first == last || first->ending - first->begun < 2) return false;
  last->begun = first->begun + 1;
  return true;
}
/// A writer does not see its own change.
bool forget_own_change(History& history) {
  for (WriterRecord& writer : history.writers) {
    for (Seen& seen : writer.seen_after) {
      if (!writer.changes.contains(seen.key)) continue;
      seen.value += 1;
      return true;
    }
  }
  return false;
}
/// A later reader of the same kind sees less.
bool go_back(History& history) {
  for (const ReaderRecord& reader : history.readers) {
    if (reader.latest || reader.number <= history.base) continue;
    ReaderRecord later;
    later.number = history.base;
    later.asked = later.begun = later.ended = reader.ended;
    history.readers.push_back(later);
    return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> violation_in(const History& history) {
  return HistoryChecker(history).check();
}

const std::vector<Spoiler>& spoilers() {
  static const std::vector<Spoiler> all{
      {"a reader sees a later commit's value", see_the_future},
      {"a snapshot is torn", tear_a_snapshot},
      {"a rolled-back change shows", show_what_was_rolled_back},
      {"a commit's change is lost", lose_an_update},
      {"a snapshot is older than what was durable", go_stale},
      {"a commit shows before it was asked for", show_early},
      {"two commits have each other's numbers", swap_commits},
      {"two writers overlap", overlap_writers},
      {"a writer does not see its own change", forget_own_change},
      {"a later reader sees an older state", go_back},
  };
  return all;
}

}  // namespace coffer::campaign::process
