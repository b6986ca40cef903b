// Workers that are attacked, or attack: files with flipped bytes, files that change while they are
// read, core dumps, forks.
#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "platform/platform.hpp"
#include "tests/hard/hard_worker.hpp"
#include "tests/hard/workload.hpp"
#include "txn/engine.hpp"

namespace coffer::hard {

namespace {

using Clock = std::chrono::steady_clock;
using Files = std::map<std::string, std::string>;
namespace fs = std::filesystem;

constexpr std::uint64_t kSegmentBytes = 64 * 1024;
constexpr std::uint64_t kLastCommit = 7;

/// A name for a typed error; what is none of Coffer's goes on upwards.
std::string outcome_of(const std::function<void()>& body) {
  try {
    body();
    return "exact";
  } catch (const Tampered&) {
    return "Tampered";
  } catch (const Corrupted&) {
    return "Corrupted";
  } catch (const Conflict&) {
    return "Conflict";
  } catch (const WrongKey&) {
    return "WrongKey";
  } catch (const VersionUnsupported&) {
    return "VersionUnsupported";
  } catch (const IoError& error) {
    return std::string("IoError");
  } catch (const Error& error) {
    return std::string("Error: ") + error.what();
  }
}

Files files_of(const fs::path& store) {
  Files files;
  for (const auto& entry : fs::directory_iterator(store)) {
    files[entry.path().filename().string()] = read_file(entry.path());
  }
  return files;
}
/// Writes the blocks that are other than in `bytes`.
void mend_file(const fs::path& path, const std::string& bytes) {
  constexpr std::size_t kBlock = 4096;
  const std::string now = fs::exists(path) ? read_file(path) : std::string();
  if (now.size() != bytes.size() || bytes.empty()) return write_file(path, bytes);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  for (std::size_t at = 0; at < bytes.size(); at += kBlock) {
    if (now.compare(at, kBlock, bytes, at, kBlock) == 0) continue;
    file.seekp(static_cast<std::streamoff>(at));
    file.write(bytes.data() + at,
               static_cast<std::streamsize>(std::min(kBlock, bytes.size() - at)));
  }
  if (!file.flush()) wrong("cannot write " + path.string());
}
/// Makes of the store what `files` says; it is done very often, so only what differs is written.
void put_files(const fs::path& store, const Files& files) {
  fs::create_directory(store);
  std::vector<fs::path> superfluous;
  for (const auto& entry : fs::directory_iterator(store)) {
    if (!files.contains(entry.path().filename().string())) superfluous.push_back(entry.path());
  }
  for (const fs::path& path : superfluous) fs::remove(path);
  for (const auto& [name, bytes] : files) mend_file(store / name, bytes);
}

Options quiet() {
  Options options;
  options.background_checkpoints = false;
  options.checkpoint_journal_bytes = 1ull << 40;
  options.checkpoint_interval = std::chrono::hours(1000);
  options.locked_bytes_max = 512 * 1024;  // it is opened very often, and locking takes time
  return options;
}

/// A small store with commits in the page file and commits in the journal, as a crash leaves it.
struct Master {
  Files files;
  Anchor anchor;
  Files older;  ///< the same, as it was before the last checkpoint
};
Master make_master(const fs::path& work) {
  const fs::path path = work / "master";
  const Key key = test_key();
  txn::Engine::create(platform::native_platform(), path, &key, {}, quiet(), kSegmentBytes);
  Store store = Store::open(path, key, quiet());
  Master master;
  for (std::uint64_t n = 1; n <= kLastCommit; ++n) {
    write_commit(store, n);
    if (n == 3) {
      store.checkpoint();
      master.older = files_of(path);
    }
    if (n == 5) store.checkpoint();
  }
  master.files = files_of(path);
  master.anchor = store.anchor();
  return master;
}

/// Opens, checks, reads everything.  Wrong contents throw std::logic_error.
std::string look_at(const fs::path& store, const Anchor& anchor) {
  return outcome_of([&] {
    Options options = quiet();
    options.anchor = anchor;
    Store opened = Store::open(store, test_key(), options);
    static_cast<void>(opened.check());
    auto transaction = opened.read();
    expect_state(transaction, kLastCommit);
  });
}

class Tampering {
 public:
  explicit Tampering(const fs::path& work)
      : work_(work), copy_(work / "copy"), master_(make_master(work)) {}

  /// Every `step`th byte of every file with one bit flipped, from `first` on.
  void flip_bytes(std::uint64_t first, std::uint64_t step) {
    Files files = master_.files;
    for (auto& [name, bytes] : files) {
      std::map<std::string, std::uint64_t> seen;
      for (std::uint64_t at = first; at < bytes.size(); at += step) {
        flip(bytes, at);
        ++seen[attempt(files, name + " byte " + std::to_string(at))];
        flip(bytes, at);
      }
      say("flips in " + name + " of " + std::to_string(bytes.size()) + " bytes:" + text(seen));
    }
  }
  /// Every file cut short at several places, emptied, zeroed, gone, longer.
  void cut_files() {
    std::map<std::string, std::uint64_t> seen;
    for (const auto& [name, bytes] : master_.files) {
      for (int eighth = 0; eighth < 8; ++eighth) {
        Files files = master_.files;
        files[name].resize(bytes.size() * static_cast<std::size_t>(eighth) / 8);
        ++seen[attempt(files, name + " cut to " + std::to_string(eighth) + "/8")];
      }
      Files files = master_.files;
      files[name] = std::string(bytes.size(), '\0');
      ++seen[attempt(files, name + " zeroed")];
      files.erase(name);
      ++seen[attempt(files, name + " gone")];
      files[name] = bytes + std::string(4096, 'x');
      ++seen[attempt(files, name + " longer")];
    }
    say("cut, zeroed, gone, longer files:" + text(seen));
  }
  /// Every slot that has changed put back to what the same slot was before: found out, or of no
  /// effect because nothing refers to it.
  void old_slots() {
    constexpr std::size_t kSlot = 4096;
    std::map<std::string, std::uint64_t> seen;
    const std::string& old = master_.older.at("pages");
    const std::size_t both = std::min(old.size(), master_.files.at("pages").size());
    for (std::size_t at = 0; at + kSlot <= both; at += kSlot) {
      Files files = master_.files;
      std::string& pages = files["pages"];
      if (pages.compare(at, kSlot, old, at, kSlot) == 0) continue;
      pages.replace(at, kSlot, old, at, kSlot);
      ++seen[attempt(files, "older slot at " + std::to_string(at))];
    }
    say("slots put back to an older version:" + text(seen));
    if (seen["Tampered"] == 0) wrong("no replayed slot was noticed");
  }
  /// One bit in one copy is repaired; then a bit in the other one is, too; both at once are an error.
  void copies(std::uint64_t step) {
    for (const std::string name : {"keys", "superblock"}) {
      const std::size_t half = master_.files.at(name).size() / 2;
      std::uint64_t repaired = 0;
      for (std::size_t at = 0; at < half; at += step) {
        for (const std::size_t copy : {std::size_t{0}, half}) {
          Files files = master_.files;
          flip(files[name], copy + at);
          const std::string where = name + " byte " + std::to_string(copy + at);
          if (attempt(files, where) != "exact") wrong(where + " was not repaired");
          Files again = files_of(copy_);
          flip(again[name], (half - copy) + at);
          const std::string other = attempt(again, where + ", then the other copy");
          if (other != "exact") wrong(where + ": the repair did not last: " + other);
          ++repaired;
        }
        Files files = master_.files;
        flip(files[name], at);
        flip(files[name], half + at);
        if (attempt(files, name + " both") == "exact") wrong(name + ": both copies bad went well");
      }
      say(name + ": " + std::to_string(repaired) + " single flips repaired, both bad refused");
    }
  }
  void untouched() {
    if (const auto seen = attempt(master_.files, "no change"); seen != "exact") wrong(seen);
  }

 private:
  static void flip(std::string& bytes, std::size_t at) {
    bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 << (at % 8)));
  }
  static std::string text(const std::map<std::string, std::uint64_t>& seen) {
    std::string out;
    for (const auto& [what, count] : seen) out += " " + what + " " + std::to_string(count);
    return out;
  }
  std::string attempt(const Files& files, const std::string& what) {
    // Whoever finds this process dead or hanging reads here what it was at.
    write_file(work_ / "attempt", what);
    ::alarm(120);
    put_files(copy_, files);
    try {
      const std::string seen = look_at(copy_, master_.anchor);
      ::alarm(0);
      return seen;
    } catch (const std::exception& error) {
      wrong(what + ": " + error.what());
    }
  }

  fs::path work_;
  fs::path copy_;
  Master master_;
};

}  // namespace

// tamper WORK FIRST STEP: see Tampering.
void tamper(const Arguments& arguments) {
  Tampering tampering(arguments.at(0));
  const std::uint64_t first = std::stoull(arguments.at(1));
  const std::uint64_t step = std::stoull(arguments.at(2));
  tampering.untouched();
  if (first == 0) {
    tampering.old_slots();
    tampering.copies(step < 10 ? 17 : 1499);
    tampering.cut_files();
  }
  tampering.flip_bytes(first, step);
}

// --- Files that change while they are read --------------------------------------------------------

namespace {
constexpr std::uint64_t kRaceKeys = 400;
constexpr std::size_t kSlotBytes = 4096;
}  // namespace

// race_read STORE SECONDS: reads random values; none may be other than what was written.
void race_read(const Arguments& arguments) {
  Store store = Store::create(arguments.at(0), test_key(), {}, quiet());
  std::array<std::byte, 900> value{};
  {
    WriteTransaction transaction = store.write();
    Tree tree = transaction.create_tree("race");
    for (std::uint64_t i = 0; i < kRaceKeys; ++i) {
      fill_bytes(seed_of(50, i), 0, value);
      tree.put(integer_key(i), value);
    }
    transaction.commit();
  }
  store.checkpoint();
  say("open");
  std::mt19937_64 random(1);
  std::uint64_t reads = 0;
  std::map<std::string, std::uint64_t> seen;
  const auto until = Clock::now() + std::chrono::seconds(std::stoull(arguments.at(1)));
  while (Clock::now() < until) {
    ++seen[outcome_of([&] {
      auto transaction = store.read();
      Tree tree = transaction.tree("race");
      for (int i = 0; i < 50; ++i, ++reads) {
        const std::uint64_t n = random() % kRaceKeys;
        const auto found = tree.get(integer_key(n));
        if (!found || found->size() != value.size() ||
            !matches(seed_of(50, n), 0, found->bytes())) {
          wrong("altered plaintext was accepted, after " + std::to_string(reads) + " reads");
        }
      }
    })];
  }
  std::string text = std::to_string(reads) + " reads of altered-and-restored pages:";
  for (const auto& [what, count] : seen) text += " " + what + " " + std::to_string(count);
  say(text);
  say("reading over");
  if (seen["Tampered"] == 0) say("no collision");
  // The writer has restored everything by now: nothing stays wrong.
  std::this_thread::sleep_for(std::chrono::seconds(2));
  static_cast<void>(store.check());
  say("clean");
}

// race_write FILE SECONDS: flips a byte of a random slot and restores it, again and again.
void race_write(const Arguments& arguments) {
  const int file = ::open(arguments.at(0).c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) wrong("cannot open " + arguments[0]);
  const std::string before = read_file(arguments[0]);
  std::mt19937_64 random(2);
  std::uint64_t flips = 0;
  const auto until = Clock::now() + std::chrono::seconds(std::stoull(arguments.at(1)));
  while (Clock::now() < until) {
    const std::uint64_t slot = random() % (before.size() / kSlotBytes);
    for (int i = 0; i < 50; ++i, ++flips) {
      const std::size_t at = slot * kSlotBytes + 24 + random() % 3000;
      const char other = static_cast<char>(~before[at]);
      const bool done = ::pwrite(file, &other, 1, static_cast<off_t>(at)) == 1 &&
                        ::pwrite(file, &before[at], 1, static_cast<off_t>(at)) == 1;
      if (!done) wrong("cannot write to " + arguments[0]);
    }
  }
  ::close(file);
  say(std::to_string(flips) + " bytes flipped and restored");
}

// race_control FILE SECONDS: the mistake that Coffer does not make.  Slots of the same size are opened
// where they are mapped; says how many altered plaintexts were accepted.
void race_control(const Arguments& arguments) {
  if (sodium_init() < 0) wrong("libsodium does not start");
  constexpr std::size_t kSlots = 16;
  constexpr std::size_t kPlain = kSlotBytes - crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_KEYBYTES> key{};
  std::vector<std::array<unsigned char, crypto_aead_xchacha20poly1305_ietf_ABYTES>> tags(kSlots);
  std::array<std::byte, kPlain> plain{};
  std::string file(kSlots * kSlotBytes, '\0');
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    fill_bytes(seed_of(51, slot), 0, plain);
    auto* at = reinterpret_cast<unsigned char*>(file.data() + slot * kSlotBytes);
    randombytes_buf(at, 24);
    crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
        at + 24, tags[slot].data(), nullptr, reinterpret_cast<const unsigned char*>(plain.data()),
        kPlain, nullptr, 0, nullptr, at, key.data());
  }
  write_file(arguments.at(0), file);
  const int fd = ::open(arguments[0].c_str(), O_RDONLY | O_CLOEXEC);
  void* map = ::mmap(nullptr, file.size(), PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) wrong("cannot map");
  say("open");
  std::uint64_t tries = 0;
  std::uint64_t accepted = 0;
  std::uint64_t altered = 0;
  const auto until = Clock::now() + std::chrono::seconds(std::stoull(arguments.at(1)));
  while (altered == 0 && Clock::now() < until) {
    for (std::size_t slot = 0; slot < kSlots; ++slot, ++tries) {
      const auto* at = static_cast<const unsigned char*>(map) + slot * kSlotBytes;
      const bool good = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
                            reinterpret_cast<unsigned char*>(plain.data()), nullptr, at + 24,
                            kPlain, tags[slot].data(), nullptr, 0, at, key.data()) == 0;
      accepted += good ? 1 : 0;
      altered += good && !matches(seed_of(51, slot), 0, plain) ? 1 : 0;
    }
  }
  say("control: altered " + std::to_string(altered) + " of " + std::to_string(accepted) +
      " accepted in " + std::to_string(tries) + " tries");
  ::munmap(map, file.size());
  ::close(fd);
}

// --- Core dumps ---------------------------------------------------------------------------------

namespace {

// The processor's own vector registers keep the last few values that were copied or decrypted, for
// as long as nothing else passes through them; a dump shows registers.  No library can vouch for
// them, and this test is about memory: so other values pass through the same code behind the
// planted ones.
void write_decoys(Tree& tree) {
  std::array<std::byte, 64> buffer{};
  for (std::uint64_t i = 1000; i < 1300; ++i) {
    fill_bytes(seed_of(63, i), 0, buffer);
    tree.put(integer_key(i), buffer);
  }
  write_large(tree, "decoy", 64, 200'000);
}
void read_decoys(Store& store) {
  auto transaction = store.read();
  Tree tree = transaction.tree("planted");
  for (std::uint64_t i = 1000; i < 1300; ++i) {
    const auto value = tree.get(integer_key(i));
    if (!value || !matches(seed_of(63, i), 0, value->bytes())) wrong("a decoy is lost");
    std::array<std::byte, 64> copy{};
    std::memcpy(copy.data(), value->bytes().data(), copy.size());
  }
  expect_large(tree, "decoy", 64, 200'000);
}

[[noreturn]] void be_dumped(const std::string& way) {
  say("ready");
  if (way == "abort") std::abort();
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

/// Backs the store up and restores it, as far as where all of it has passed through, or through both.
void copy_store(Store& store, const Key& key, const Arguments& arguments) {
  {
    WriteTransaction transaction = store.write();
    Tree tree = transaction.create_tree("the last one, of decoys");
    write_decoys(tree);
    transaction.commit();
  }
  const bool restores = arguments.at(1) == "restored";
  const std::string backup = arguments.at(0) + ".backup";
  const auto end_in = [&](bool here) {
    return [here, way = arguments.at(2)](const BackupProgress& progress) {
      if (here && progress.entries > 900) be_dumped(way);
      return true;
    };
  };
  static_cast<void>(backup_logical(store, backup, {.compress = true, .watch = end_in(!restores)}));
  RestoreOptions options{.new_key = &key};
  options.watch = end_in(restores);
  static_cast<void>(restore_backup({backup}, &key, arguments.at(0) + ".restored", options));
}

}  // namespace

// plant STORE exposed|hidden|backed-up|restored abort|wait: markers (seeds 60 and 61, 64 bytes each) go through an
// encrypted store under a key of seed 62.  They are made in one small buffer that is wiped at once.
// With `exposed`, plaintext is left in dumps and a transaction that has read a marker is open; otherwise nothing is,
// but for what a backup or a restore has at its end.
void plant(const Arguments& arguments) {
  ::prctl(PR_SET_DUMPABLE, 1);
  const bool exposed = arguments.at(1) == "exposed";
  std::array<std::byte, 64> buffer{};
  const auto wipe = [&] { sodium_memzero(buffer.data(), buffer.size()); };
  fill_bytes(62, 0, std::span(buffer).first(Key::kBytes));
  const Key key = Key::from_bytes(std::span(buffer).first(Key::kBytes));
  wipe();
  Options options;
  options.include_plaintext_in_core_dumps = exposed;
  Store store = Store::create(arguments.at(0), key, {}, options);
  {
    WriteTransaction transaction = store.write();
    Tree tree = transaction.create_tree("planted");
    for (std::uint64_t i = 0; i < 300; ++i) {
      fill_bytes(seed_of(60, i), 0, buffer);
      tree.put(integer_key(i), buffer);
      wipe();
    }
    ValueWriter writer = tree.write("large");
    for (std::uint64_t i = 0; i < 3000; ++i) {
      fill_bytes(seed_of(61, i), 0, buffer);
      writer.write(buffer);
      wipe();
    }
    writer.finish();
    write_decoys(tree);
    transaction.commit();
  }
  std::optional<ReadTransaction> reading(store.read());
  std::optional<Tree> tree(reading->tree("planted"));
  std::optional<Value> kept;
  for (std::uint64_t i = 0; i < 300; ++i) {
    kept = tree->get(integer_key(i));
    if (!kept || !matches(seed_of(60, i), 0, kept->bytes())) wrong("a marker is lost");
  }
  auto reader = tree->read("large");
  for (std::uint64_t i = 0; i < 3000; ++i) {
    if (reader->read(buffer) != 64 || !matches(seed_of(61, i), 0, buffer))
      wrong("a marker is lost");
    wipe();
  }
  reader.reset();
  if (!exposed) {
    kept.reset();
    tree.reset();
    reading.reset();
    read_decoys(store);
  }
  if (arguments.at(1) == "backed-up" || arguments.at(1) == "restored") {
    copy_store(store, key, arguments);
    wrong("it was not dumped on the way");
  }
  be_dumped(arguments.at(2));
}

// --- Forks --------------------------------------------------------------------------------------

namespace {

/// Everything that can be open at once.
struct Open {
  explicit Open(const fs::path& path)
      : key(test_key()), store(Store::create(path, key)), writing(store->write()) {
    writing->create_tree("t").put("key", "value");
    writing->commit();
    writing.emplace(store->write());
    tree.emplace(writing->tree("t"));
    tree->put("key", "other");
    writer.emplace(tree->write("streamed"));
    writer->write("half of ");
    reading.emplace(store->read());
    read_tree.emplace(reading->tree("t"));
    cursor.emplace(read_tree->cursor());
    cursor->first();
    value = read_tree->get("key");
    reader = read_tree->read("key");
  }
  Key key;
  std::optional<Store> store;
  std::optional<WriteTransaction> writing;
  std::optional<Tree> tree;
  std::optional<ValueWriter> writer;
  std::optional<ReadTransaction> reading;
  std::optional<Tree> read_tree;
  std::optional<Cursor> cursor;
  std::optional<Value> value;
  std::optional<ValueReader> reader;
};

/// The calls that a child got through with; each should have raised Error.
std::string calls_in_child(Open& open) {
  std::array<std::byte, 8> room{};
  const std::vector<std::pair<const char*, std::function<void()>>> calls{
      {"Store::read", [&] { static_cast<void>(open.store->read()); }},
      {"Store::write", [&] { static_cast<void>(open.store->write()); }},
      {"Store::try_write", [&] { static_cast<void>(open.store->try_write()); }},
      {"Store::sync", [&] { open.store->sync(); }},
      {"Store::checkpoint", [&] { open.store->checkpoint(); }},
      {"Store::anchor", [&] { static_cast<void>(open.store->anchor()); }},
      {"Store::statistics", [&] { static_cast<void>(open.store->statistics()); }},
      {"Store::check", [&] { static_cast<void>(open.store->check()); }},
      {"ReadTransaction::find_tree", [&] { static_cast<void>(open.reading->find_tree("t")); }},
      {"ReadTransaction::trees", [&] { static_cast<void>(open.reading->trees()); }},
      {"WriteTransaction::create_tree", [&] { static_cast<void>(open.writing->create_tree("u")); }},
      {"WriteTransaction::drop_tree", [&] { open.writing->drop_tree("t"); }},
      {"WriteTransaction::savepoint", [&] { static_cast<void>(open.writing->savepoint()); }},
      {"Tree::get", [&] { static_cast<void>(open.read_tree->get("key")); }},
      {"Tree::contains", [&] { static_cast<void>(open.read_tree->contains("key")); }},
      {"Tree::read", [&] { static_cast<void>(open.read_tree->read("key")); }},
      {"Tree::count", [&] { static_cast<void>(open.read_tree->count()); }},
      {"Tree::put", [&] { open.tree->put("key", "child"); }},
      {"Tree::erase", [&] { open.tree->erase("key"); }},
      {"Tree::write", [&] { static_cast<void>(open.tree->write("child")); }},
      {"Cursor::first", [&] { open.cursor->first(); }},
      {"Cursor::seek", [&] { open.cursor->seek("k"); }},
      {"Cursor::next", [&] { open.cursor->next(); }},
      {"Cursor::key", [&] { static_cast<void>(open.cursor->key()); }},
      {"Cursor::value", [&] { static_cast<void>(open.cursor->value()); }},
      {"ValueReader::read", [&] { open.reader->read(room); }},
      {"ValueWriter::write", [&] { open.writer->write("child"); }},
      {"ValueWriter::finish", [&] { open.writer->finish(); }},
      {"WriteTransaction::commit", [&] { open.writing->commit(); }},
      {"WriteTransaction::commit_async", [&] { static_cast<void>(open.writing->commit_async()); }},
      {"Store::close", [&] { open.store->close(); }},
  };
  std::string through;
  for (const auto& [name, call] : calls) {
    try {
      call();
      through += std::string(" ") + name;
    } catch (const Error&) {
    }
  }
  open.writing->rollback();
  return through;
}

}  // namespace

// fork_off STORE: a child tries everything and ends every object; the parent goes on as if nothing.
void fork_off(const Arguments& arguments) {
  auto open = std::make_unique<Open>(arguments.at(0));
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    const std::string through = calls_in_child(*open);
    open.reset();
    if (!through.empty()) say("in the child these did not raise Error:" + through);
    ::_exit(through.empty() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) wrong("the child died of signal " + std::to_string(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) wrong("calls got through in the child");

  open->writer->write("a value");
  open->writer->finish();
  open->writer.reset();
  open->tree->put("after", "the fork");
  open->tree.reset();
  open->writing->commit();
  open->writing.reset();
  if (open->value->text() != "value") wrong("the parent's value changed");
  if (!open->cursor->valid() || open->cursor->key().text() != "key") wrong("the cursor moved");
  open->reader.reset();
  open->value.reset();
  open->cursor.reset();
  open->read_tree.reset();
  open->reading.reset();
  open->store->checkpoint();
  static_cast<void>(open->store->check());
  open->store->close();
  open.reset();

  Store again = Store::open(arguments[0], test_key());
  auto transaction = again.read();
  Tree tree = transaction.tree("t");
  const auto text = [&](const char* key) { return std::string(tree.get(key).value().text()); };
  if (text("key") != "other" || text("after") != "the fork" ||
      text("streamed") != "half of a value") {
    wrong("what the parent committed after the fork is not there");
  }
  say("31 calls refused in the child; the parent went on");
}

}  // namespace coffer::hard
