// The journal: fragments with any body and altered headers, sealed with the store's key behind its last commit.
#include <array>

#include "journal/fragment.hpp"
#include "journal/journal.hpp"
#include "journal/segment_names.hpp"
#include "tests/fuzz/forge.hpp"

namespace coffer::fuzz {
namespace {

journal::JournalFiles files_of(platform::SimulatedPlatform& machine, const Forge& forge) {
  return {.files = &machine.files(),
          .directory = kStore,
          .segment_bytes = forge.superblock().segment_bytes};
}

/// Where the journal ends.
journal::JournalEnd end_of(platform::SimulatedPlatform& machine, const Forge& forge) {
  Bytestring buffer(journal::kFragmentBytesMax);
  journal::RecordVisitor nobody;
  const pager::Superblock& s = forge.superblock();
  return journal::scan_journal(files_of(machine, forge), forge.keys().journal(),
                               {.position = s.journal_position,
                                .generation = s.journal_generation,
                                .previous_tag = s.journal_previous_tag,
                                .last_commit = s.commit,
                                .durable_upto = s.journal_durable_upto,
                                .epoch = Epoch{forge.keys().current_epoch()}},
                               buffer, nobody)
      .end;
}

void write_fragment(platform::SimulatedPlatform& machine, const Forge& forge, Lsn at,
                    std::span<const std::byte> fragment) {
  const std::uint64_t segment = forge.superblock().segment_bytes;
  for (std::size_t done = 0; done < fragment.size();) {
    const Lsn position = at.next(done);
    const auto path = journal::segment_path(files_of(machine, forge), position.value / segment);
    auto& files = machine.files();
    const auto file =
        files.exists(path) ? files.open(path, platform::OpenMode::read_write) : files.create(path);
    const auto piece = fragment.subspan(
        done, std::min<std::size_t>(fragment.size() - done, segment - position.value % segment));
    file->write_at(position.value % segment, piece);
    done += piece.size();
  }
}

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::fuzz;
  static const Forge forge(true);
  static const journal::JournalEnd end = end_of(*forge.machine(), forge);
  FuzzedDataProvider input(data, size);
  const auto machine = forge.machine();
  crypto::NonceRun nonces(machine->entropy());
  std::array<std::byte, journal::format::kHeaderBytes> scratch{};
  Lsn at = end.position;
  crypto::Tag previous = end.last_tag;
  std::uint32_t index = 0;
  CommitNumber commit = end.last_commit.next();
  for (int i = 0; i < 3 && input.remaining_bytes() > 3; ++i) {
    const auto odd = input.ConsumeIntegral<std::uint8_t>();
    const bool mark = input.ConsumeBool();
    Bytestring body = input.ConsumeBytes<std::byte>(1 + input.ConsumeIntegral<std::uint16_t>());
    if (body.empty()) body.push_back(std::byte{0});
    if (body.size() > journal::format::kBodyBytesMax) body.resize(journal::format::kBodyBytesMax);
    journal::FragmentHeader header{.position = at,
                                   .commit = commit,
                                   .generation = forge.superblock().journal_generation,
                                   .previous_tag = previous,
                                   .durable_upto = end.position,
                                   .body_bytes = 0,
                                   .index = index,
                                   .count = mark ? index + 1 : 0,
                                   .flags = mark ? journal::format::kCommitMark : 0,
                                   .body_tag = {}};
    if (odd == 1) header.commit = CommitNumber{input.ConsumeIntegral<std::uint64_t>()};
    if (odd == 2) header.durable_upto = Lsn{input.ConsumeIntegral<std::uint64_t>()};
    if (odd == 3) header.index = input.ConsumeIntegral<std::uint32_t>();
    if (odd == 4) header.count = input.ConsumeIntegral<std::uint32_t>();
    if (odd == 5) header.flags = input.ConsumeIntegral<std::uint32_t>();
    if (odd == 7) header.previous_tag[0] ^= std::byte{1};
    if (odd == 8) header.generation[0] ^= std::byte{1};
    Bytestring out(journal::format::kFragmentOverheadBytes + body.size());
    previous =
        journal::seal_fragment(forge.keys().journal(), nonces, Epoch{forge.keys().current_epoch()},
                               header, body, scratch, out);
    write_fragment(*machine, forge, at, out);
    at = Lsn{journal::format::round_up_to_grid(at.value + out.size())};
    index = mark ? 0 : index + 1;
    if (mark) commit = commit.next();
  }
  look_at(*machine, forge.key(), size % 4 != 0);
  return 0;
}
