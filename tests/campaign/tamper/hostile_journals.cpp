// Journals of somebody who has the key: each record verifies, and says what no Coffer writes.  Recovery finds that out
// from the record itself, and never from what it does to memory.
#include <array>

#include "crypto/key_header.hpp"
#include "journal/journal.hpp"
#include "pager/superblock.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"
#include "tests/campaign/tamper/world.hpp"
#include "txn/delta.hpp"

namespace coffer::campaign::tamper {

namespace {

using platform::SimulatedPlatform;

/// A store that was killed, and where its journal goes on.
struct Killed {
  std::unique_ptr<SimulatedPlatform> machine;
  Contents contents;
  std::unique_ptr<crypto::KeyRing> keys;
  pager::Superblock superblock;
  journal::JournalEnd end;
};

Killed killed_store(const Key& key, std::uint64_t seed) {
  Killed killed;
  killed.machine = SimulatedPlatform::make(seed);
  create_store(*killed.machine, &key);
  killed.contents = live(*killed.machine, &key, {}, seed, 3).back().contents;

  auto& files = killed.machine->files();
  const platform::Path store(kStore);
  killed.keys = crypto::open_key_header(*killed.machine, killed.machine->contents(store / "keys"),
                                        &key, platform::LockPolicy::abort, "keys")
                    .keys;
  const auto file = files.open(store / "superblock", platform::OpenMode::read_only);
  killed.superblock = pager::read_superblock(*file, *killed.keys).superblock;
  Bytestring buffer(journal::kFragmentBytesMax);
  journal::RecordVisitor nobody;
  const pager::Superblock& s = killed.superblock;
  killed.end =
      journal::scan_journal({.files = &files, .directory = store, .segment_bytes = s.segment_bytes},
                            killed.keys->journal(),
                            {.position = s.journal_position,
                             .generation = s.journal_generation,
                             .previous_tag = s.journal_previous_tag,
                             .last_commit = s.commit,
                             .durable_upto = s.journal_durable_upto,
                             .epoch = Epoch{killed.keys->current_epoch()}},
                            buffer, nobody)
          .end;
  return killed;
}

constexpr std::size_t kContent = 4096 - crypto::kNonceBytes;

/// Adds one record that cannot be to a transaction; false: this one is as it should be.
bool add_record(journal::JournalWriter& writer, const Killed& killed, std::mt19937_64& rng) {
  const PageId page{1 + rng() % (killed.superblock.next_page.value - 1)};
  const PageId beyond{killed.superblock.next_page.value + 1000 + rng() % 1000};
  Bytestring bytes(kContent);
  for (std::byte& b : bytes) b = static_cast<std::byte>(rng());
  const auto header = [&bytes](std::uint16_t gap_begin, std::uint16_t gap_end) {
    const pager::PageHeader h{.gap_begin = gap_begin,
                              .gap_end = gap_end,
                              .type = 2,
                              .level = 0,
                              .count = 0,
                              .version = 1};
    std::memcpy(bytes.data(), &h, sizeof h);
  };
  // The header is in the first block: a mask without it leaves a page that is sane, of whatever version.
  const std::uint64_t mask = std::uint64_t{1} << (10 + rng() % 40);
  const std::size_t length = txn::delta_bytes(mask, kContent);
  switch (rng() % 9) {
    case 0:  // a change of a version that is not there
      writer.add(journal::PageDelta{.page = page,
                                    .base = CommitNumber{5000 + rng() % 1000},
                                    .mask = mask,
                                    .blocks = std::span(bytes).first(length)});
      return true;
    case 1:  // a change of a page that is not there
      writer.add(journal::PageDelta{.page = beyond,
                                    .base = CommitNumber{1},
                                    .mask = mask,
                                    .blocks = std::span(bytes).first(length)});
      return true;
    case 2:  // a change of the wrong length
      writer.add(journal::PageDelta{.page = page,
                                    .base = killed.end.last_commit,
                                    .mask = mask,
                                    .blocks = std::span(bytes).first(length / 2)});
      return true;
    case 3:  // a page that says of its gap what cannot be
      header(static_cast<std::uint16_t>(1 + rng() % 15), static_cast<std::uint16_t>(rng()));
      writer.add(journal::PageImage{.page = page, .is_new = false, .used = bytes});
      return true;
    case 4:  // a page that is as long as its gap does not say
      header(static_cast<std::uint16_t>(100 + rng() % 100), kContent);
      writer.add(journal::PageImage{
          .page = page, .is_new = false, .used = std::span(bytes).first(300 + rng() % 1000)});
      return true;
    case 5:  // no page
      header(16, kContent);
      writer.add(journal::PageImage{
          .page = PageId{0}, .is_new = true, .used = std::span(bytes).first(16)});
      return true;
    case 6: {  // a reference that cannot be
      journal::PageReference reference{.page = page,
                                       .is_new = false,
                                       .slot = SlotId{rng() % 4},
                                       .sealed_bytes = static_cast<std::uint32_t>(100),
                                       .epoch = Epoch{1},
                                       .tag = {}};
      const auto which = rng() % 3;
      if (which == 0) reference.slot = SlotId{(std::uint64_t{1} << 40) + rng() % 1000};
      if (which == 1)
        reference.sealed_bytes = static_cast<std::uint32_t>(kContent + rng() % 60'000);
      if (which == 2) reference.epoch = Epoch{static_cast<std::uint32_t>(2 + rng() % 60'000)};
      writer.add(reference);
      return true;
    }
    case 7:  // slots that are not there
      writer.add(journal::RunFreed{.first = SlotId{(std::uint64_t{1} << 41) + rng() % 1000},
                                   .slots = 1 + static_cast<std::uint32_t>(rng() % 16),
                                   .born = CommitNumber{1}});
      return true;
    default:
      return false;
  }
}

std::string hostile_case(const Killed& killed, const Key& key, std::mt19937_64& rng) {
  const auto machine = killed.machine->copy();
  Bytestring staging(2 * journal::kFragmentBytesMax);
  journal::JournalWriter writer({.files = &machine->files(),
                                 .directory = kStore,
                                 .segment_bytes = killed.superblock.segment_bytes},
                                killed.keys->journal(), machine->entropy(),
                                killed.superblock.journal_generation,
                                Epoch{killed.keys->current_epoch()}, killed.end, staging);
  writer.begin(killed.end.last_commit.next());
  const bool hostile = add_record(writer, killed, rng);
  const bool bad_root = !hostile && rng() % 2 == 0;
  const PageId root =
      bad_root ? PageId{killed.superblock.next_page.value + 5000} : killed.superblock.catalog_root;
  static_cast<void>(writer.finish({.catalog_root = root, .next_value_id = 1000}, Lsn{}));
  writer.sync();

  const Heard heard = hear(*machine, &key, small_options(rng() % 2 == 0));
  if (heard.took > kLongest) return "it took longer than a second";
  if (!hostile && !bad_root) {
    return heard.opened() && heard.contents == killed.contents
               ? ""
               : "a good record was refused: " + heard.text;
  }
  if (heard.opened()) return "a record that cannot be was believed";
  return heard.error == "Corrupted" || heard.error == "Tampered" ? ""
                                                                 : heard.error + ": " + heard.text;
}

}  // namespace

void run_hostile_journals(GateRun& run) {
  constexpr std::uint64_t kCasesOfAStore = 500;
  const Key key = key_of(9);
  std::optional<Killed> killed;
  std::uint64_t store = 0;
  each_case(run, "hostile-journals", run.cases(), [&](std::uint64_t i) -> std::string {
    if (!killed || store != i / kCasesOfAStore) {
      store = i / kCasesOfAStore;
      killed.emplace(killed_store(key, run.seed() + store));
    }
    std::mt19937_64 rng(seed_of(run, i));
    return hostile_case(*killed, key, rng);
  });
}

}  // namespace coffer::campaign::tamper
