// What somebody who can write the store's files, but has no key, can do to an opening: parts of different
// times put together, and files given another length.  The store opens or says what is wrong, in bounded
// memory; it does not end the process.
#include <map>

#include "crypto/key_header.hpp"
#include "journal/journal.hpp"
#include "pager/superblock.hpp"
#include "tests/txn/txn_support.hpp"

namespace coffer::txn {
namespace {

using platform::OpenMode;
using platform::SimulatedPlatform;
using test::PageModel;

using Bytes = std::vector<std::byte>;

/// Everything that a store consists of, as somebody with a copying tool sees it.
using Files = std::map<std::string, Bytes>;

Files copy_files(SimulatedPlatform& machine) {
  Files files;
  for (const std::string& name : machine.files().list("/store")) {
    files[name] = machine.contents("/store/" + name);
  }
  return files;
}

std::unique_ptr<SimulatedPlatform> machine_with(const Files& files, std::uint64_t seed) {
  auto machine = SimulatedPlatform::make(seed);
  machine->files().make_directory("/store");
  for (const auto& [name, bytes] : files) {
    const auto file = machine->files().create("/store/" + name);
    if (!bytes.empty()) file->write_at(0, bytes);
  }
  return machine;
}

bool is_segment(const std::string& name) {
  return name.starts_with("journal-") && name != "journal-new";
}

/// Each page is what the journal's last commit made it, or raises Tampered.
void check_true_or_tampered(Engine& engine, const PageModel& model) {
  const auto view = engine.begin_read(true);
  for (const auto& [id, content] : model) {
    try {
      if (!(test::content_of(view->pin(id)) == content)) FAIL("page " << id.value << " is wrong");
    } catch (const Tampered&) {
      continue;
    }
  }
}

constexpr std::size_t kRounds = 16;

/// A store's life, and everything that somebody could have copied meanwhile.
struct Life {
  std::vector<Files> after_checkpoint;
  std::vector<Files> segments;  ///< by round: all that there ever were, as they were last
  std::vector<PageModel> models;
};

Options bulk_options() {
  Options options = test::small_options();
  options.locked_bytes_max = 4u << 20;
  options.write_buffer_bytes_max = 16u << 20;
  return options;
}

Life live(SimulatedPlatform& machine, const Key& key, std::uint64_t seed) {
  constexpr int kPages = 500;  // most of them are more than a megabyte: logged by reference
  Engine::create(machine, "/store", &key, {}, bulk_options(), 256 * 1024);
  std::mt19937_64 rng(seed);
  Life life;
  PageModel model;
  auto engine = Engine::open(machine, "/store", &key, bulk_options());
  for (std::size_t round = 0; round < kRounds; ++round) {
    auto view = engine->begin_write(true);
    if (model.empty()) test::add_pages(*view, model, rng, kPages);
    // Now these, now those, so that slots change hands.
    for (auto& [id, content] : model) {
      if (round > 0 && rng() % 8 < 3) continue;
      auto page = view->modify(id);
      content = test::fill_page(page, rng);
    }
    engine->wait_durable(view->commit());
    view.reset();
    life.segments.push_back(life.segments.empty() ? Files() : life.segments.back());
    for (auto& [name, bytes] : copy_files(machine)) {
      if (is_segment(name)) life.segments.back()[name] = std::move(bytes);
    }
    engine->checkpoint();
    life.after_checkpoint.push_back(copy_files(machine));
    life.models.push_back(model);
  }
  test::kill_now(machine, engine);
  return life;
}

struct Tally {
  int opened = 0;
  int refused = 0;
  int of_different_times = 0;  ///< of those: a page lies where it was before
};

/// The store as it was after checkpoint `old`, with the journal up to `late`.
void open_mixed(const Life& life, std::size_t old, std::size_t late, const Key& key, Tally& tally) {
  Files files = life.after_checkpoint[old];
  std::erase_if(files, [](const auto& file) { return is_segment(file.first); });
  for (const auto& [name, bytes] : life.segments[late]) files[name] = bytes;
  files["pages"].resize(life.after_checkpoint.back().at("pages").size());
  const auto machine = machine_with(files, old * 1000 + late);
  try {
    const auto engine = Engine::open(*machine, "/store", &key, bulk_options());
    ++tally.opened;
    check_true_or_tampered(*engine, life.models[late]);
  } catch (const Tampered& e) {
    ++tally.refused;
    if (std::string(e.what()).find("of different times") != std::string::npos) {
      ++tally.of_different_times;
    }
  }
}

TEST_CASE("An older superblock beside later journal segments is refused or works, never a crash") {
  const Key key = test::txn_key();
  Tally tally;
  for (const unsigned seed : {1u, 5u, 8u}) {
    const auto machine = SimulatedPlatform::make(seed);
    const Life life = live(*machine, key, seed);
    for (std::size_t old = 0; old < kRounds; ++old) {
      for (std::size_t late = old + 2; late < std::min(kRounds, old + 7); ++late) {
        CAPTURE(seed, old, late);
        open_mixed(life, old, late, key, tally);
      }
    }
  }
  WARN(tally.opened << " opened, " << tally.refused << " refused, of these "
                    << tally.of_different_times << " for a page that lies where it was");
  CHECK(tally.of_different_times > 0);
}

/// Makes the file of pages 8 TiB long, nearly all of it a hole.
constexpr std::uint64_t kVeryLong = std::uint64_t{8} << 40;
void make_very_long(SimulatedPlatform& machine) {
  const auto file = machine.files().open("/store/pages", OpenMode::read_write);
  file->truncate(kVeryLong);
  file->sync();
}
std::uint64_t page_file_bytes(SimulatedPlatform& machine) {
  return machine.files().open("/store/pages", OpenMode::read_only)->size();
}

TEST_CASE("A file of pages made 8 TiB long costs nothing, and is cut when the store is closed") {
  const bool with_journal = GENERATE(true, false);
  CAPTURE(with_journal);
  const Key key = test::txn_key();
  const Options options = test::small_options();
  const auto machine = SimulatedPlatform::make(61);
  Engine::create(*machine, "/store", &key, {}, options, 256 * 1024);
  std::mt19937_64 rng(37);
  PageModel model;
  {
    auto engine = Engine::open(*machine, "/store", &key, options);
    for (int i = 0; i < 4; ++i) {
      auto view = engine->begin_write(true);
      // The last of them by reference: its journal names slots behind the checkpoint's.
      test::add_pages(*view, model, rng, i == 3 ? 300 : 20);
      engine->wait_durable(view->commit());
      view.reset();
      if (i == 2) engine->checkpoint();
    }
    if (with_journal) {
      test::kill_now(*machine, engine);
    } else {
      engine->close();
    }
  }
  const std::uint64_t honest = page_file_bytes(*machine);
  make_very_long(*machine);

  Options read_only = options;
  read_only.read_only = true;
  {
    const auto engine = Engine::open(*machine, "/store", &key, read_only);
    // What the ledger covers is what it takes memory for.
    CHECK(engine->statistics().page_file_bytes <= honest);
    test::compare(*engine->begin_read(true), model);
    test::check_structure(*engine, model, {});
  }
  {
    const auto engine = Engine::open(*machine, "/store", &key, options);
    CHECK(engine->statistics().page_file_bytes <= 2 * honest);
    test::compare(*engine->begin_read(true), model);
    // It grows as before, over what was put there.
    for (int i = 0; i < 3; ++i) {
      auto view = engine->begin_write(true);
      test::add_pages(*view, model, rng, 400);
      engine->wait_durable(view->commit());
      view.reset();
      engine->checkpoint();
    }
    CHECK(engine->statistics().page_file_bytes <= 64u << 20);
    test::compare(*engine->begin_read(true), model);
    test::check_structure(*engine, model, {});
    engine->close();
  }
  CHECK(page_file_bytes(*machine) <= 64u << 20);
  const auto engine = Engine::open(*machine, "/store", &key, options);
  test::compare(*engine->begin_read(true), model);
  test::check_structure(*engine, model, {});
}

/// Behind the last commit, one by somebody who has the key: a new page with that number.
void commit_page(SimulatedPlatform& machine, const Key& key, PageId page) {
  auto& files = machine.files();
  const auto keys = crypto::open_key_header(machine, machine.contents("/store/keys"), &key,
                                            platform::LockPolicy::abort, "keys")
                        .keys;
  const pager::Superblock s =
      pager::read_superblock(*files.open("/store/superblock", OpenMode::read_only), *keys)
          .superblock;
  Bytes staging(2 * journal::kFragmentBytesMax);
  journal::JournalWriter writer(
      {.files = &files, .directory = "/store", .segment_bytes = s.segment_bytes}, keys->journal(),
      machine.entropy(), s.journal_generation, Epoch{keys->current_epoch()},
      {.position = s.journal_position, .last_tag = s.journal_previous_tag, .last_commit = s.commit},
      staging);
  const pager::PageHeader header{.gap_begin = pager::kPageHeaderBytes,
                                 .gap_end = static_cast<std::uint16_t>(pager::content_bytes(4096)),
                                 .type = 1,
                                 .level = 0,
                                 .count = 0,
                                 .version = 0};
  writer.begin(s.commit.next());
  writer.add(journal::PageImage{
      .page = page, .is_new = true, .used = std::as_bytes(std::span(&header, 1))});
  static_cast<void>(
      writer.finish({.catalog_root = s.catalog_root, .next_value_id = s.next_value_id}, Lsn{}));
  writer.sync();
}

TEST_CASE(
    "A page with a number of 47 bits takes a check no more memory than one with a small number") {
  const bool read_only = GENERATE(true, false);
  const Key key = test::txn_key();
  const auto machine = SimulatedPlatform::make(7);
  Engine::create(*machine, "/store", &key, {}, test::small_options(), 256 * 1024);
  const PageId page{std::uint64_t{1} << 46};
  commit_page(*machine, key, page);
  Options options = test::small_options();
  options.read_only = read_only;
  const auto engine = Engine::open(*machine, "/store", &key, options);
  const PageModel model = {{page, test::content_of(engine->begin_read(true)->pin(page))}};
  CHECK_NOTHROW(test::check_structure(*engine, model, {}));
}

}  // namespace
}  // namespace coffer::txn
