// The journal of a store: transactions behind its last commit, sealed with the store's key, whose records are about its
// pages and slots and say what a writer would say, or not; and headers that no writer writes.  Then recovered.
#include <algorithm>
#include <array>
#include <cstring>

#include "journal/fragment.hpp"
#include "journal/journal.hpp"
#include "journal/records.hpp"
#include "journal/segment_names.hpp"
#include "tests/fuzz/forge.hpp"
#include "txn/delta.hpp"
#include "txn/sealed_page.hpp"

namespace coffer::fuzz {
namespace {

void write_fragment(platform::SimulatedPlatform& machine, const Forge& forge, Lsn at,
                    std::span<const std::byte> fragment) {
  const std::uint64_t segment = forge.superblock().segment_bytes;
  auto& files = machine.files();
  const journal::JournalFiles journal_files{
      .files = &files, .directory = kStore, .segment_bytes = segment};
  for (std::size_t done = 0; done < fragment.size();) {
    const Lsn position = at.next(done);
    const auto path = journal::segment_path(journal_files, position.value / segment);
    const auto file =
        files.exists(path) ? files.open(path, platform::OpenMode::read_write) : files.create(path);
    const auto piece = fragment.subspan(
        done, std::min<std::size_t>(fragment.size() - done, segment - position.value % segment));
    file->write_at(position.value % segment, piece);
    done += piece.size();
  }
}

/// Writes bodies about the pages that the store has.
class Author {
 public:
  Author(const Forge& forge, FuzzedDataProvider& input) : forge_(forge), input_(input) {}

  Bytestring body(bool last) {
    body_.clear();
    const int count = input_.ConsumeIntegralInRange<int>(last ? 0 : 1, 4);
    for (int i = 0; i < count; ++i) one();
    if (last) {
      const pager::Superblock& s = forge_.superblock();
      add(journal::CommitState{.catalog_root = odd() ? some_page() : s.catalog_root,
                               .next_value_id = s.next_value_id + input_.ConsumeBool()});
    }
    if (odd()) alter(body_, input_, 4);
    if (body_.size() > journal::format::kBodyBytesMax) body_.resize(journal::format::kBodyBytesMax);
    return std::move(body_);
  }

 private:
  [[nodiscard]] bool odd() { return input_.ConsumeIntegral<std::uint8_t>() % 16 == 1; }
  [[nodiscard]] std::size_t pick() {
    return input_.ConsumeIntegral<std::uint8_t>() % forge_.pages().size();
  }
  /// Mostly one that there is, or the next new one.
  [[nodiscard]] PageId some_page() {
    const auto n = input_.ConsumeIntegral<std::uint8_t>();
    if (n < 200) return forge_.pages()[n % forge_.pages().size()].first;
    if (n < 250) return forge_.superblock().next_page.next(n % 4);
    return PageId{input_.ConsumeIntegral<std::uint64_t>()};
  }
  [[nodiscard]] SlotId some_slot() {
    return SlotId{odd() ? input_.ConsumeIntegral<std::uint64_t>()
                        : input_.ConsumeIntegral<std::uint8_t>() %
                              (forge_.superblock().slot_count + 2)};
  }

  /// A page as it is in a frame, with zeros in its gap.
  [[nodiscard]] Bytestring frame(std::size_t index) const {
    const Bytestring sealed = forge_.page(index);
    Bytestring frame(pager::content_bytes(4096));
    std::ranges::copy(sealed, frame.begin());
    if (!txn::spread_sealed(frame, sealed.size())) std::abort();
    return frame;
  }
  static pager::PageHeader header_of(const Bytestring& frame) {
    pager::PageHeader header;
    std::memcpy(&header, frame.data(), sizeof header);
    return header;
  }

  void one() {
    switch (input_.ConsumeIntegralInRange<int>(0, 6)) {
      case 0:
        return image();
      case 1:
      case 2:
        return delta();
      case 3:
        return reference();
      case 4:
        return add(journal::PageFreed{.page = some_page()});
      case 5:
        return add(journal::RunAllocated{.first = some_slot(),
                                         .slots = input_.ConsumeIntegral<std::uint8_t>() % 20u});
      default:
        return add(journal::RunFreed{.first = some_slot(),
                                     .slots = input_.ConsumeIntegral<std::uint8_t>() % 20u,
                                     .born = CommitNumber{input_.ConsumeIntegral<std::uint8_t>()}});
    }
  }
  void image() {
    const Bytestring page = frame(pick());
    const pager::PageHeader header = header_of(page);
    Bytestring used(page.begin(), page.begin() + header.gap_begin);
    used.insert(used.end(), page.begin() + header.gap_end, page.end());
    alter_a_little(used);
    add(journal::PageImage{.page = some_page(),
                           .is_new = input_.ConsumeIntegral<std::uint8_t>() % 4 == 1,
                           .used = used});
  }
  void delta() {
    const std::size_t index = pick();
    const Bytestring page = frame(index);
    const std::uint64_t mask =
        odd() ? input_.ConsumeIntegral<std::uint64_t>()
              : std::uint64_t{1} << input_.ConsumeIntegral<std::uint8_t>() % 64 | 1;
    Bytestring blocks(txn::delta_bytes(mask, page.size()));
    txn::gather(mask, page, blocks);
    alter_a_little(blocks);
    if (odd()) blocks.resize(blocks.size() / 2);
    const std::uint64_t base =
        odd() ? input_.ConsumeIntegral<std::uint8_t>() : header_of(page).version;
    add(journal::PageDelta{.page = odd() ? some_page() : forge_.pages()[index].first,
                           .base = CommitNumber{base},
                           .mask = mask,
                           .blocks = blocks});
  }
  void reference() {
    const auto& [page, ref] = forge_.pages()[pick()];
    journal::PageReference record{.page = odd() ? some_page() : page,
                                  .is_new = odd(),
                                  .slot = odd() ? some_slot() : ref.slot,
                                  .sealed_bytes = ref.sealed_bytes,
                                  .epoch = ref.epoch,
                                  .tag = ref.tag};
    if (odd()) record.sealed_bytes = input_.ConsumeIntegral<std::uint32_t>();
    if (odd()) record.epoch = Epoch{input_.ConsumeIntegral<std::uint32_t>()};
    add(record);
  }
  void alter_a_little(Bytestring& bytes) {
    const bool front = input_.ConsumeBool();
    alter(
        front ? std::span(bytes).first(std::min<std::size_t>(bytes.size(), 64)) : std::span(bytes),
        input_, input_.ConsumeIntegral<std::uint8_t>() % 4);
  }
  template <class Record>
  void add(const Record& record) {
    const std::size_t at = body_.size();
    body_.resize(at + journal::encoded_bytes(record));
    journal::encode(std::span(body_).subspan(at), record);
  }

  const Forge& forge_;
  FuzzedDataProvider& input_;
  Bytestring body_;
};

void make_odd(journal::FragmentHeader& header, FuzzedDataProvider& input) {
  switch (input.ConsumeIntegral<std::uint8_t>()) {
    case 1:
      header.commit = CommitNumber{input.ConsumeIntegral<std::uint64_t>()};
      break;
    case 2:
      header.durable_upto = Lsn{input.ConsumeIntegral<std::uint64_t>()};
      break;
    case 3:
      header.index = input.ConsumeIntegral<std::uint32_t>();
      break;
    case 4:
      header.count = input.ConsumeIntegral<std::uint32_t>();
      break;
    case 5:
      header.flags = input.ConsumeIntegral<std::uint32_t>();
      break;
    case 6:
      header.previous_tag[0] ^= std::byte{1};
      break;
    case 7:
      header.generation[0] ^= std::byte{1};
      break;
    default:
      break;
  }
}

/// Up to four fragments behind the end.
void write_fragments(platform::SimulatedPlatform& machine, const Forge& forge,
                     FuzzedDataProvider& input) {
  const pager::Superblock& s = forge.superblock();
  crypto::NonceRun nonces(machine.entropy());
  std::array<std::byte, journal::format::kHeaderBytes> scratch{};
  Author author(forge, input);
  journal::FragmentHeader next{.position = s.journal_position,
                               .commit = s.commit.next(),
                               .generation = s.journal_generation,
                               .previous_tag = s.journal_previous_tag,
                               .durable_upto = s.journal_position,
                               .body_bytes = 0,
                               .index = 0,
                               .count = 0,
                               .flags = 0,
                               .body_tag = {}};
  for (int i = 0; i < 4 && input.remaining_bytes() > 3; ++i) {
    const bool mark = input.ConsumeIntegral<std::uint8_t>() % 4 != 1;
    const Bytestring body = author.body(mark);
    journal::FragmentHeader header = next;
    header.count = mark ? header.index + 1 : 0;
    header.flags = mark ? journal::format::kCommitMark : 0;
    make_odd(header, input);
    Bytestring out(journal::format::kFragmentOverheadBytes + body.size());
    next.previous_tag =
        journal::seal_fragment(forge.keys().journal(), nonces, Epoch{forge.keys().current_epoch()},
                               header, body, scratch, out);
    write_fragment(machine, forge, next.position, out);
    next.position = Lsn{journal::format::round_up_to_grid(next.position.value + out.size())};
    next.index = mark ? 0 : next.index + 1;
    if (mark) next.commit = next.commit.next();
  }
}

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::fuzz;
  static const Forge forge;
  FuzzedDataProvider input(data, size);
  const auto machine = forge.machine();
  const bool read_only = input.ConsumeIntegral<std::uint8_t>() % 4 != 0;
  write_fragments(*machine, forge, input);
  look_at(*machine, forge.key(), read_only);
  return 0;
}
