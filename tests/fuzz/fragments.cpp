// The journal by itself, without a store: fragments with any headers and bodies, sealed under a known key and laid into
// segment files that are then torn, cut or altered; and what recovery's scan makes of them.
//
// What was written as a writer writes it is accepted, to the last commit mark before the first oddity at the latest.
// The scan's second pass hears what the first one heard.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <coffer/error.hpp>

#include "journal/fragment.hpp"
#include "journal/journal.hpp"
#include "journal/records.hpp"
#include "journal/segment_names.hpp"
#include "platform/simulated/simulated.hpp"

namespace coffer::fuzz {
namespace {

using FragmentBytes = std::vector<std::byte>;
namespace fragment_format = journal::format;

constexpr std::uint64_t kSegmentBytes = 64 * 1024;
constexpr std::uint64_t kSegments = 3;
constexpr const char* kDirectory = "/journal";
constexpr Epoch kEpoch{3};
/// So near the end of a segment that transactions cross it.
constexpr Lsn kStart{kSegmentBytes - 4 * journal::kGridBytes};

/// What a pass hears of whole transactions.
class Listener final : public journal::RecordVisitor {
 public:
  using RecordVisitor::on;
  void begin(CommitNumber) override { open_.clear(); }
  void on(const journal::PageImage& record) override { note(record); }
  void on(const journal::PageDelta& record) override { note(record); }
  void on(const journal::PageReference& record) override { note(record); }
  void on(const journal::PageFreed& record) override { note(record); }
  void on(const journal::RunAllocated& record) override { note(record); }
  void on(const journal::RunFreed& record) override { note(record); }
  void on(const journal::CommitState& record) override { note(record); }
  void commit(CommitNumber commit, Lsn end) override {
    heard_.push_back({commit, end, open_});
    open_.clear();
  }

  struct Transaction {
    CommitNumber commit;
    Lsn end;
    FragmentBytes records;
    friend bool operator==(const Transaction&, const Transaction&) = default;
  };
  [[nodiscard]] const std::vector<Transaction>& heard() const { return heard_; }

 private:
  template <class Record>
  void note(const Record& record) {
    const std::size_t at = open_.size();
    open_.resize(at + journal::encoded_bytes(record));
    journal::encode(std::span(open_).subspan(at), record);
  }

  FragmentBytes open_;
  std::vector<Transaction> heard_;
};

class Workbench {
 public:
  Workbench() {
    for (std::size_t i = 0; i < key_.size(); ++i) key_[i] = static_cast<std::byte>(3 * i + 1);
    sealer_ = crypto::Sealer(crypto::Suite::xchacha20poly1305, crypto::StoreId{}, key_);
    generation_.fill(std::byte{7});
    machine_->files().make_directory(kDirectory);
    for (std::uint64_t i = 0; i < kSegments; ++i) {
      static_cast<void>(machine_->files().create(journal::segment_path(files(), i)));
    }
  }

  [[nodiscard]] journal::JournalFiles files() {
    return {.files = &machine_->files(), .directory = kDirectory, .segment_bytes = kSegmentBytes};
  }
  [[nodiscard]] platform::SimulatedPlatform& machine() { return *machine_; }
  [[nodiscard]] const crypto::Sealer& sealer() const { return sealer_; }
  [[nodiscard]] const journal::Generation& generation() const { return generation_; }
  [[nodiscard]] std::span<std::byte> body_buffer() { return body_buffer_; }
  [[nodiscard]] journal::JournalStart start(Lsn durable_upto) const {
    return {.position = kStart,
            .generation = generation_,
            .previous_tag = {},
            .last_commit = CommitNumber{10},
            .durable_upto = durable_upto,
            .epoch = kEpoch};
  }

 private:
  std::array<std::byte, crypto::kKeyBytes> key_{};
  crypto::Sealer sealer_;
  journal::Generation generation_{};
  std::unique_ptr<platform::SimulatedPlatform> machine_ = platform::SimulatedPlatform::make(1);
  FragmentBytes body_buffer_ = FragmentBytes(journal::kFragmentBytesMax);
};

/// The journal as one piece from position 0, as far as it is written.
class Tape {
 public:
  explicit Tape(Workbench& bench) : bench_(bench), nonces_(bench.machine().entropy()) {}

  /// A fragment at `header.position`; gives its tag.
  crypto::Tag write(const journal::FragmentHeader& header, std::span<const std::byte> body) {
    const auto at = static_cast<std::size_t>(header.position.value);
    const std::size_t bytes = fragment_format::kFragmentOverheadBytes + body.size();
    if (bytes_.size() < at + bytes) bytes_.resize(at + bytes);
    std::array<std::byte, fragment_format::kHeaderBytes> scratch{};
    return journal::seal_fragment(bench_.sealer(), nonces_, kEpoch, header, body, scratch,
                                  std::span(bytes_).subspan(at, bytes));
  }
  [[nodiscard]] FragmentBytes& bytes() { return bytes_; }

  void put_into_segments() {
    for (std::uint64_t i = 0; i < kSegments; ++i) {
      const std::size_t from = std::min<std::size_t>(i * kSegmentBytes, bytes_.size());
      const std::size_t length = std::min<std::size_t>(kSegmentBytes, bytes_.size() - from);
      bench_.machine().set_contents(journal::segment_path(bench_.files(), i),
                                    std::span(bytes_).subspan(from, length));
    }
  }

 private:
  Workbench& bench_;
  crypto::NonceRun nonces_;
  FragmentBytes bytes_ = FragmentBytes(kStart.value);
};

/// Records that a writer could write, or any bytes.
FragmentBytes some_body(FuzzedDataProvider& input, bool last, bool& proper) {
  const auto what = input.ConsumeIntegral<std::uint8_t>();
  if (what % 8 == 0) {
    FragmentBytes body = input.ConsumeBytes<std::byte>(1 + input.ConsumeIntegral<std::uint8_t>());
    if (body.empty()) body.push_back(std::byte{0});
    journal::RecordVisitor nobody;
    proper = journal::decode_records(body, last, nobody);
    return body;
  }
  proper = true;
  FragmentBytes body;
  const auto add = [&](const auto& record) {
    const std::size_t at = body.size();
    body.resize(at + journal::encoded_bytes(record));
    journal::encode(std::span(body).subspan(at), record);
  };
  const PageId page{std::uint64_t{1} + input.ConsumeIntegral<std::uint8_t>()};
  if ((what & 8) != 0 || !last) add(journal::PageFreed{.page = page});
  if ((what & 16) != 0) add(journal::RunAllocated{.first = SlotId{page.value}, .slots = 2});
  if ((what & 32) != 0) {
    const FragmentBytes used(input.ConsumeIntegral<std::uint16_t>() % 9000, std::byte{5});
    add(journal::PageImage{.page = page, .is_new = (what & 64) != 0, .used = used});
  }
  if (last) add(journal::CommitState{.catalog_root = page, .next_value_id = what});
  return body;
}

struct Written {
  std::vector<std::size_t>
      ends;  ///< of the transactions before the first oddity: where their bytes end
  std::uint64_t marks = 0;
  bool odd = false;
};

/// Something in the header that the writer would not write there; false when it is what it would.
bool make_odd(journal::FragmentHeader& header, FuzzedDataProvider& input) {
  const journal::FragmentHeader before = header;
  switch (input.ConsumeIntegral<std::uint8_t>() % 32) {
    case 0:
      header.commit = CommitNumber{input.ConsumeIntegral<std::uint64_t>()};
      return header.commit != before.commit;
    case 1:
      header.index = input.ConsumeIntegral<std::uint32_t>();
      return header.index != before.index;
    case 2:
      header.count = input.ConsumeIntegral<std::uint32_t>();
      return header.count != before.count;
    case 3:
      header.flags = input.ConsumeIntegral<std::uint32_t>();
      return header.flags != before.flags;
    case 4:
      header.previous_tag[0] ^= std::byte{1};
      return true;
    case 5:
      header.generation[0] ^= std::byte{1};
      return true;
    case 6:
      header.durable_upto = Lsn{input.ConsumeIntegral<std::uint64_t>()};
      return true;
    case 7:
      header.position = header.position.next(journal::kGridBytes);
      return true;
    default:
      return false;
  }
}

Written write_fragments(Tape& tape, Workbench& bench, FuzzedDataProvider& input) {
  Written written;
  journal::FragmentHeader next{.position = kStart,
                               .commit = CommitNumber{11},
                               .generation = bench.generation(),
                               .previous_tag = {},
                               .durable_upto = kStart,
                               .body_bytes = 0,
                               .index = 0,
                               .count = 0,
                               .flags = 0,
                               .body_tag = {}};
  const int count = input.ConsumeIntegralInRange<int>(0, 8);
  for (int i = 0;
       i < count && next.position.value + journal::kFragmentBytesMax < kSegments * kSegmentBytes;
       ++i) {
    const bool mark = input.ConsumeBool();
    bool proper = true;
    const FragmentBytes body = some_body(input, mark, proper);
    journal::FragmentHeader header = next;
    header.count = mark ? header.index + 1 : 0;
    header.flags = mark ? fragment_format::kCommitMark : 0;
    const bool odd = make_odd(header, input);
    const crypto::Tag tag = tape.write(header, body);
    written.odd = written.odd || odd || !proper;
    next.previous_tag = tag;
    const std::uint64_t end =
        header.position.value + fragment_format::kFragmentOverheadBytes + body.size();
    next.position = Lsn{fragment_format::round_up_to_grid(end)};
    next.index = mark ? 0 : next.index + 1;
    if (!mark) continue;
    next.commit = next.commit.next();
    // Synced now and then.
    if ((input.ConsumeIntegral<std::uint8_t>() & 1) != 0) next.durable_upto = next.position;
    ++written.marks;
    if (!written.odd) written.ends.push_back(end);
  }
  return written;
}

/// Torn, cut or altered, or not: from where on, and what lies wholly before that is as it was.
std::optional<std::size_t> damage(Tape& tape, FuzzedDataProvider& input) {
  FragmentBytes& bytes = tape.bytes();
  const auto how = input.ConsumeIntegral<std::uint8_t>() % 4;
  if (how == 0 || bytes.size() <= kStart.value) return std::nullopt;
  const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(kStart.value, bytes.size() - 1);
  if (how == 1) {
    bytes.resize(at);
    return at;
  }
  if (how == 2) {
    bytes[at] ^= static_cast<std::byte>(1 + input.ConsumeIntegral<std::uint8_t>() % 255);
    return at;
  }
  const std::size_t sector = at / 512 * 512;
  const std::size_t length = std::min<std::size_t>(512, bytes.size() - sector);
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(sector), length, std::byte{0});
  return sector;
}

std::optional<journal::ScanResult> scan(Workbench& bench, const journal::JournalStart& start,
                                        Listener& listener, const journal::JournalEnd* until) {
  try {
    return journal::scan_journal(bench.files(), bench.sealer(), start, bench.body_buffer(),
                                 listener, until);
  } catch (const Tampered&) {
  } catch (const Corrupted&) {
  }
  return std::nullopt;
}

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::fuzz;
  static Workbench bench;
  FuzzedDataProvider input(data, size);
  Tape tape(bench);
  const Written written = write_fragments(tape, bench, input);
  const auto damaged_from = damage(tape, input);
  tape.put_into_segments();
  // What the superblock says, if anything.
  const bool claims = input.ConsumeIntegral<std::uint8_t>() % 8 == 0;
  const Lsn claimed{claims ? input.ConsumeIntegralInRange<std::uint64_t>(0, 2 * kSegmentBytes) : 0};

  Listener first;
  const auto found = scan(bench, bench.start(claimed), first, nullptr);
  const bool untouched = !written.odd && !damaged_from;
  if (!found) {
    if (untouched && !claims) std::abort();
    return 0;
  }
  const std::uint64_t commits = found->end.last_commit.value - 10;
  const auto least = std::ranges::count_if(
      written.ends, [&](std::size_t end) { return !damaged_from || end <= *damaged_from; });
  if (first.heard().size() != commits || commits > written.marks) std::abort();
  if (commits < static_cast<std::uint64_t>(least) || (untouched && commits != written.marks))
    std::abort();
  if (claims && claimed > found->end.position) std::abort();
  if (found->durable_upto > found->end.position && found->durable_upto > claimed) std::abort();

  Listener second;
  const auto again = scan(bench, bench.start(claimed), second, &found->end);
  if (!again || second.heard() != first.heard()) std::abort();
  return 0;
}
