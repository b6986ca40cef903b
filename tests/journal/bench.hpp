// What the journal's tests share: a journal on a simulated machine, and a model of what it holds.
//
// The model describes records as text in a way of its own, so that what recovery hands out is
// compared with what the test put in, not with the code under test.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "journal/journal.hpp"
#include "journal/scan.hpp"
#include "platform/simulated/simulated.hpp"

namespace coffer::journal::testing {

using Random = std::mt19937_64;

inline std::size_t pick(Random& random, std::size_t below) {
  return static_cast<std::size_t>(random() % below);
}

inline std::vector<std::byte> random_bytes(Random& random, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (auto& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

inline std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// --- The model ----------------------------------------------------------------------------------

inline std::string describe(const PageImage& r) {
  return fmt::format("image page {} new {} size {}: ", r.page.value, r.is_new, r.used.size()) +
         text(r.used);
}
inline std::string describe(const PageDelta& r) {
  return fmt::format("delta page {} base {} mask {:x} size {}: ", r.page.value, r.base.value,
                     r.mask, r.blocks.size()) +
         text(r.blocks);
}
inline std::string describe(const PageReference& r) {
  return fmt::format("reference page {} new {} slot {} sealed {} epoch {}: ", r.page.value,
                     r.is_new, r.slot.value, r.sealed_bytes, r.epoch.value) +
         text(r.tag);
}
inline std::string describe(const PageFreed& r) {
  return fmt::format("freed {}", r.page.value);
}
inline std::string describe(const RunAllocated& r) {
  return fmt::format("allocated {}+{}", r.first.value, r.slots);
}
inline std::string describe(const RunFreed& r) {
  return fmt::format("run freed {}+{} born {}", r.first.value, r.slots, r.born.value);
}
inline std::string describe(const CommitState& r) {
  return fmt::format("state {} {}", r.catalog_root.value, r.next_value_id);
}

struct Transaction {
  std::uint64_t commit = 0;
  std::vector<std::string> records;
  std::uint64_t end = 0;
  friend bool operator==(const Transaction&, const Transaction&) = default;
};
using History = std::vector<Transaction>;

/// Collects whole transactions.
class Collector : public RecordVisitor {
 public:
  void begin(CommitNumber commit) override {
    open_ = Transaction{.commit = commit.value, .records = {}, .end = 0};
    ++begun;
  }
  void on(const PageImage& r) override { open_.records.push_back(describe(r)); }
  void on(const PageDelta& r) override { open_.records.push_back(describe(r)); }
  void on(const PageReference& r) override { open_.records.push_back(describe(r)); }
  void on(const PageFreed& r) override { open_.records.push_back(describe(r)); }
  void on(const RunAllocated& r) override { open_.records.push_back(describe(r)); }
  void on(const RunFreed& r) override { open_.records.push_back(describe(r)); }
  void on(const CommitState& r) override { open_.records.push_back(describe(r)); }
  void commit(CommitNumber commit, Lsn end) override {
    if (commit.value != open_.commit) open_.records.push_back("commit of another transaction");
    open_.end = end.value;
    history.push_back(std::move(open_));
    open_ = {};
  }

  History history;
  std::size_t begun = 0;

 private:
  Transaction open_;
};

inline bool is_prefix(const History& shorter, const History& longer) {
  return shorter.size() <= longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

// --- A store's journal -------------------------------------------------------------------------

/// Memory that stands in for the arena's.
using Memory = std::vector<std::byte>;

struct Identity {
  std::array<std::byte, crypto::kKeyBytes> key{};
  crypto::StoreId store{};
  crypto::Suite suite = crypto::Suite::xchacha20poly1305;

  explicit Identity(std::uint64_t seed, crypto::Suite with = crypto::Suite::xchacha20poly1305)
      : suite(with) {
    Random random(seed);
    for (auto& b : key) b = static_cast<std::byte>(random());
    for (auto& b : store) b = static_cast<std::byte>(random());
  }
  [[nodiscard]] crypto::Sealer sealer() const {
    return {suite, store,
            suite == crypto::Suite::none ? std::span<const std::byte>{}
                                         : std::span<const std::byte>(key)};
  }
};

inline Generation generation_from(std::uint64_t seed) {
  Random random(seed);
  Generation generation;
  for (auto& b : generation) b = static_cast<std::byte>(random());
  return generation;
}

inline constexpr const char* kDirectory = "/store";
inline constexpr std::uint64_t kSegmentBytes = 64 * 1024;

inline JournalFiles files_on(platform::Platform& machine, platform::Path directory = kDirectory,
                             std::uint64_t segment_bytes = kSegmentBytes) {
  return {
      .files = &machine.files(), .directory = std::move(directory), .segment_bytes = segment_bytes};
}

inline JournalEnd end_of(const JournalStart& start) {
  return {
      .position = start.position, .last_tag = start.previous_tag, .last_commit = start.last_commit};
}

struct Scanned {
  ScanResult result;
  History history;
};

template <class Rules = TheRules>
Scanned scan(platform::Platform& machine, const Identity& identity, const JournalStart& start) {
  const crypto::Sealer sealer = identity.sealer();
  Memory buffer(kFragmentBytesMax);
  Collector collector;
  Scan<Rules> scan(files_on(machine), sealer, start, buffer, collector);
  Scanned scanned{.result = scan.to_the_end(), .history = {}};
  scanned.history = std::move(collector.history);
  return scanned;
}

/// A machine with an empty store directory, and a writer at the beginning of its journal.
struct Bench {
  explicit Bench(std::uint64_t seed = 1, crypto::Suite suite = crypto::Suite::xchacha20poly1305)
      : machine(platform::SimulatedPlatform::make(seed)), identity(seed, suite) {
    machine->record(true);
    machine->files().make_directory(kDirectory);
    machine->files().sync_directory("/");
    start.generation = generation_from(seed + 1000);
    start.epoch = Epoch{1};
    open();
  }
  /// A new writer where the journal starts.
  void open() { open_at(end_of(start)); }
  void open_at(const JournalEnd& end) {
    writer.reset();
    writer =
        std::make_unique<JournalWriter>(files_on(*machine), identity.sealer(), machine->entropy(),
                                        start.generation, start.epoch, end, staging);
  }

  template <class Record>
  void add(const Record& record) {
    pending.records.push_back(describe(record));
    writer->add(record);
  }
  void begin() {
    pending = Transaction{.commit = writer->end().last_commit.value + 1, .records = {}, .end = 0};
    writer->begin(CommitNumber{pending.commit});
  }
  JournalEnd finish() {
    const CommitState state{.catalog_root = PageId{pending.commit + 5},
                            .next_value_id = pending.commit * 3};
    pending.records.push_back(describe(state));
    const JournalEnd end = writer->finish(state, Lsn{0});
    pending.end = end.position.value;
    history.push_back(pending);
    return end;
  }
  void abandon() { writer->abandon(); }
  /// A transaction of one image of `bytes` bytes.
  JournalEnd commit(std::size_t bytes = 100) {
    begin();
    const auto used = random_bytes(random, bytes);
    add(PageImage{.page = PageId{pick(random, 100) + 1}, .is_new = false, .used = used});
    return finish();
  }
  void sync() { writer->sync(); }

  [[nodiscard]] Scanned scan() { return testing::scan<>(*machine, identity, start); }

  // Where the bytes of a position lie.
  [[nodiscard]] static platform::Path path_of(std::uint64_t position) {
    return platform::Path(kDirectory) / fmt::format("journal-{:016x}", position / kSegmentBytes);
  }
  [[nodiscard]] std::vector<std::byte> peek(std::uint64_t position, std::size_t bytes) const {
    auto all = machine->contents(path_of(position));
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(position % kSegmentBytes);
    return {from, from + static_cast<std::ptrdiff_t>(bytes)};
  }
  void poke(std::uint64_t position, std::span<const std::byte> bytes) {
    auto all = machine->contents(path_of(position));
    std::copy(bytes.begin(), bytes.end(),
              all.begin() + static_cast<std::ptrdiff_t>(position % kSegmentBytes));
    machine->set_contents(path_of(position), all);
  }

  std::unique_ptr<platform::SimulatedPlatform> machine;
  Identity identity;
  JournalStart start;
  Memory staging = Memory(kFragmentBytesMax);
  std::unique_ptr<JournalWriter> writer;
  Random random{7};
  Transaction pending;
  History history;
};

}  // namespace coffer::journal::testing
