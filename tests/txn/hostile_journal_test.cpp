// Journals of somebody who has the key: each record verifies and cannot be, in one way each, and the error says which.
// (The campaign's hostile-journals gate does the same at random.)
#include <vector>

#include "crypto/key_header.hpp"
#include "journal/journal.hpp"
#include "pager/superblock.hpp"
#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using journal::JournalWriter;
using platform::OpenMode;
using platform::SimulatedPlatform;

constexpr std::size_t kContentBytes = 4096 - 24;
constexpr std::size_t kBlockBytes = 64;  ///< a 64th of a page, rounded up

/// A store of three pages that was killed behind a checkpoint of one commit, and where its journal goes on.
struct KilledStore {
  KilledStore() {
    test::PageModel model;
    std::mt19937_64 rng(3);
    Engine::create(*machine, "/store", &key, {}, test::small_options(), 256 * 1024);
    auto engine = Engine::open(*machine, "/store", &key, test::small_options());
    {
      auto view = engine->begin_write(true);
      test::add_pages(*view, model, rng, 3);
      version = view->commit();
      engine->wait_durable(version);
    }
    engine->checkpoint();
    page = model.begin()->first;
    next_page = model.rbegin()->first.next();
    test::kill_now(*machine, engine);

    keys = crypto::open_key_header(*machine, machine->contents("/store/keys"), &key,
                                   platform::LockPolicy::abort, "keys")
               .keys;
    const auto file = machine->files().open("/store/superblock", OpenMode::read_only);
    superblock = pager::read_superblock(*file, *keys).superblock;
    std::vector<std::byte> buffer(journal::kFragmentBytesMax);
    journal::RecordVisitor nobody;
    end = journal::scan_journal(files_of(*machine), keys->journal(),
                                {.position = superblock.journal_position,
                                 .generation = superblock.journal_generation,
                                 .previous_tag = superblock.journal_previous_tag,
                                 .last_commit = superblock.commit,
                                 .durable_upto = superblock.journal_durable_upto,
                                 .epoch = Epoch{keys->current_epoch()}},
                                buffer, nobody)
              .end;
  }
  [[nodiscard]] journal::JournalFiles files_of(SimulatedPlatform& on) const {
    return {.files = &on.files(), .directory = "/store", .segment_bytes = superblock.segment_bytes};
  }

  /// What opening a copy says when one more commit holds what `add` adds; "opened" when nothing.
  template <class Add>
  std::string said_with(const Add& add, PageId catalog_root = kNoPage) const {
    const auto copy = machine->copy();
    std::vector<std::byte> staging(journal::kFragmentBytesMax);
    {
      JournalWriter writer(files_of(*copy), keys->journal(), copy->entropy(),
                           superblock.journal_generation, Epoch{keys->current_epoch()}, end,
                           staging);
      writer.begin(end.last_commit.next());
      add(writer);
      static_cast<void>(writer.finish({.catalog_root = catalog_root, .next_value_id = 1}, Lsn{0}));
      writer.sync();
    }
    try {
      static_cast<void>(Engine::open(*copy, "/store", &key, test::small_options()));
    } catch (const Corrupted& refused) {
      return refused.what();
    }
    return "opened";
  }
  template <class Record>
  std::string said_of(const Record& record) const {
    return said_with([&](JournalWriter& writer) { writer.add(record); });
  }

  Key key = test::txn_key();
  std::unique_ptr<SimulatedPlatform> machine = SimulatedPlatform::make(11);
  CommitNumber version{};  ///< of each of its pages
  PageId page{};
  PageId next_page{};
  std::unique_ptr<crypto::KeyRing> keys;
  pager::Superblock superblock;
  journal::JournalEnd end;
};

/// A page's first `size` bytes, its header among them.
std::vector<std::byte> page_with(std::size_t gap_begin, std::size_t gap_end, std::size_t size) {
  const pager::PageHeader header{.gap_begin = static_cast<std::uint16_t>(gap_begin),
                                 .gap_end = static_cast<std::uint16_t>(gap_end),
                                 .type = 1,
                                 .level = 0,
                                 .count = 0,
                                 .version = 1};
  std::vector<std::byte> bytes(std::max(size, sizeof header));
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes.resize(size);
  return bytes;
}

void check_says(const std::string& said, const std::string& expected) {
  CAPTURE(said, expected);
  CHECK(said.find(expected) != std::string::npos);
}

TEST_CASE("A journal's image of a page that cannot be is refused, and the error says why") {
  const KilledStore store;
  const auto image = [&](PageId page, const std::vector<std::byte>& used) {
    return store.said_of(journal::PageImage{.page = page, .is_new = false, .used = used});
  };
  const auto good = page_with(100, kContentBytes, 100);
  check_says(image(store.page, good), "opened");
  check_says(image(store.next_page, good), "opened");
  check_says(image(store.page, page_with(100, kContentBytes, kContentBytes + 1)),
             "an image larger than a page");
  const std::string bad_header = "an image with a bad header";
  check_says(image(store.page, page_with(16, kContentBytes, 15)), bad_header);
  check_says(image(store.page, page_with(15, kContentBytes, 15 + 1)), bad_header);
  check_says(image(store.page, page_with(100, 99, 100)), bad_header);
  check_says(image(store.page, page_with(100, kContentBytes + 1, 100)), bad_header);
  check_says(image(store.page, page_with(100, kContentBytes, 101)), bad_header);
  check_says(image(PageId{0}, good), "a page that cannot be (page 0");
  check_says(image(PageId{std::uint64_t{1} << 48}, good), "a page that cannot be");
}

TEST_CASE("A journal's change of a page that cannot be is refused, and the error says why") {
  const KilledStore store;
  const auto change = [&](PageId page, CommitNumber base, std::uint64_t mask,
                          const std::vector<std::byte>& blocks) {
    return store.said_of(
        journal::PageDelta{.page = page, .base = base, .mask = mask, .blocks = blocks});
  };
  const std::vector<std::byte> one_block(kBlockBytes);
  check_says(change(store.page, store.version, 2, one_block), "opened");
  check_says(change(store.next_page, store.version, 2, one_block),
             "a change of a page that does not exist");
  check_says(change(store.page, store.version.next(), 2, one_block), "a change of version");
  const std::string wrong_length = "a change of the wrong length";
  check_says(change(store.page, store.version, 6, one_block), wrong_length);
  check_says(change(store.page, store.version, 0, one_block), wrong_length);
  check_says(change(store.page, store.version, 2, {}), wrong_length);
  // The last block is shorter: 40 bytes.
  check_says(change(store.page, store.version, std::uint64_t{1} << 63, one_block), wrong_length);
  const std::string broken = "a change that breaks its header";
  const auto header = [&](std::size_t gap_begin, std::size_t gap_end) {
    return change(store.page, store.version, 1, page_with(gap_begin, gap_end, kBlockBytes));
  };
  check_says(header(16, kContentBytes), "opened");
  check_says(header(15, kContentBytes), broken);
  check_says(header(101, 100), broken);
  check_says(header(16, kContentBytes + 1), broken);
}

TEST_CASE("A journal's reference that cannot be is refused, and the error says why") {
  const KilledStore store;
  const auto reference = [&](SlotId slot, std::uint32_t sealed_bytes, std::uint32_t epoch) {
    return store.said_of(journal::PageReference{.page = store.page,
                                                .is_new = false,
                                                .slot = slot,
                                                .sealed_bytes = sealed_bytes,
                                                .epoch = Epoch{epoch},
                                                .tag = {}});
  };
  const std::string length = "a reference of an impossible length";
  check_says(reference(SlotId{0}, 15, 1), length);
  check_says(reference(SlotId{0}, kContentBytes + 1, 1), length);
  check_says(reference(SlotId{0}, 100, 2), "under a key epoch that the store does not have");
}

TEST_CASE("A journal that frees slots, or names a catalog, that are not there is refused") {
  const KilledStore store;
  const std::uint64_t slots = store.superblock.slot_count;
  REQUIRE(slots > 2);
  const auto freed = [&](std::uint64_t first, std::uint32_t count) {
    return store.said_of(
        journal::RunFreed{.first = SlotId{first}, .slots = count, .born = CommitNumber{1}});
  };
  const std::string absent = "slots that are freed and do not exist";
  check_says(freed(slots, 1), absent);
  check_says(freed(slots - 1, 2), absent);
  check_says(freed(0, UINT32_MAX), absent);
  check_says(store.said_with([](JournalWriter&) {}, store.next_page),
             "a catalog that does not exist");
}

}  // namespace
}  // namespace coffer::txn
