// Linux only: whole processes are forked, killed, limited and attacked
//
// What somebody does to a store's files from outside: old copies, flipped bytes, bytes that change
// while they are read, and a search through a core dump.
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>
#include <sstream>

#include "tests/hard/needles.hpp"
#include "tests/hard/worker_process.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/skip.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::hard {
namespace {

namespace fs = std::filesystem;

Options without_checkpoints() {
  Options options;
  options.background_checkpoints = false;
  options.checkpoint_journal_bytes = 1ull << 40;
  options.checkpoint_interval = std::chrono::hours(1000);
  return options;
}
Store open_at(const fs::path& path, const std::optional<Anchor>& anchor) {
  Options options = without_checkpoints();
  options.anchor = anchor;
  return Store::open(path, test_key(), options);
}
std::uint64_t shown_by(Store& store) {
  auto transaction = store.read();
  const std::uint64_t n = last_in(transaction);
  expect_state(transaction, n);
  return n;
}
/// Opens with the anchor and looks at the contents.
void expect_accepted(const fs::path& path, const Anchor& anchor, std::uint64_t n) {
  Store store = open_at(path, anchor);
  REQUIRE(shown_by(store) == n);
}
/// Refused with the anchor, on a copy; without it, the store is good and shows commit `n`: so it is
/// the anchor that found it out.
void expect_refused(const fs::path& path, const Anchor& anchor, std::uint64_t n) {
  REQUIRE_THROWS_AS(open_at(path, anchor), Conflict);
  Store store = open_at(path, std::nullopt);
  static_cast<void>(store.check());
  REQUIRE(shown_by(store) == n);
}

/// Puts the journal's bytes back to what they were in `older`; true when some were other.
bool cut_back(const fs::path& store, const fs::path& older) {
  bool changed = false;
  for (const auto& entry : fs::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("journal-")) continue;
    const std::string now = read_file(entry.path());
    const std::string then =
        fs::exists(older / name) ? read_file(older / name) : std::string(now.size(), '\0');
    changed = changed || now != then;
    write_file(entry.path(), then);
  }
  return changed;
}

void report(const std::string& said) {
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);) figures(line);
}

}  // namespace

TEST_CASE("The anchor refuses an older copy, a store cut back by a commit, and a diverged clone") {
  const test::TempDirectory directory;
  const auto at = [&](const char* name) { return directory.path() / name; };
  Anchor anchor;
  {
    Store store = Store::create(at("store"), test_key(), {}, without_checkpoints());
    for (std::uint64_t n = 1; n <= 5; ++n) {
      write_commit(store, n);
      if (n == 2) store.checkpoint();
      // Copied from under the open store: what a kill would leave.
      if (n == 3) copy_store(at("store"), at("older"));
      if (n == 4) copy_store(at("store"), at("before-last"));
    }
    anchor = store.anchor();
    copy_store(at("store"), at("killed"));
  }
  copy_store(at("killed"), at("control"));
  expect_accepted(at("control"), anchor, 5);
  expect_refused(at("older"), anchor, 3);

  copy_store(at("killed"), at("cut"));
  REQUIRE(cut_back(at("cut"), at("before-last")));
  expect_refused(at("cut"), anchor, 4);

  for (const bool closed : {true, false}) {
    INFO("the clones were " << (closed ? "closed" : "killed"));
    copy_store(at("killed"), at("clone-a"));
    copy_store(at("killed"), at("clone-b"));
    Anchor of_a;
    {
      Store a = open_at(at("clone-a"), anchor);
      Store b = open_at(at("clone-b"), anchor);
      write_commit(a, 6);
      write_commit(b, 6);
      of_a = a.anchor();
      if (!closed) copy_store(at("clone-a"), at("killed-a"));
      if (!closed) copy_store(at("clone-b"), at("killed-b"));
    }
    expect_accepted(at(closed ? "clone-a" : "killed-a"), of_a, 6);
    expect_refused(at(closed ? "clone-b" : "killed-b"), of_a, 6);
  }
  // A clone that has more commits than the anchor's.
  {
    copy_store(at("killed"), at("longer"));
    Anchor of_a;
    {
      Store a = open_at(at("clone-a"), std::nullopt);
      of_a = a.anchor();
      Store longer = open_at(at("longer"), anchor);
      for (std::uint64_t n = 6; n <= 9; ++n) write_commit(longer, n);
    }
    expect_refused(at("longer"), of_a, 9);
  }
}

TEST_CASE("The anchor accepts checkpoints, clean restarts and crashes") {
  const test::TempDirectory directory;
  const fs::path path = directory.path() / "store";
  const int rounds = full_run() ? 40 : 4;
  Anchor anchor;
  {
    Store store = Store::create(path, test_key());
    write_commit(store, 1);
    anchor = store.anchor();
    store.checkpoint();
    REQUIRE(store.anchor() == anchor);
  }
  std::uint64_t n = 1;
  const Anchor first = anchor;
  for (int i = 0; i < rounds; ++i) {
    INFO("round " << i);
    {
      Store store = open_at(path, anchor);
      REQUIRE(shown_by(store) == n);
      write_commit(store, ++n);
      anchor = store.anchor();
      // A checkpoint behind the anchor, in the background or asked for, changes nothing.
      if (i % 2 == 0) store.checkpoint();
      REQUIRE(store.anchor() == anchor);
    }
    Worker worker({"load", path.string(), "1000000000"});
    REQUIRE(worker.hear("\nack ", patience()));
    worker.run_for(Milliseconds(100));
    worker.kill();
    REQUIRE(worker.finish() == -SIGKILL);
    const std::string said = worker.said().substr(0, worker.said().rfind('\n'));
    const std::string last = said.substr(said.rfind('\n') + 1);
    REQUIRE(last.starts_with("ack "));
    anchor = to_anchor(last.substr(last.rfind(' ') + 1));
    Store store = open_at(path, anchor);
    n = shown_by(store);
  }
  // Not only the newest point of the history is on it.
  expect_accepted(path, first, n);
  figures("anchors held over " + std::to_string(rounds) + " restarts and " +
          std::to_string(rounds) + " kills, to commit " + std::to_string(n));
}

TEST_CASE("A changed byte in any file is a typed error or of no effect") {
  // Thousands of openings: in memory where that is possible, as none of them is about the disk.
  const std::string usual = fs::temp_directory_path().string();
  if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
  const test::TempDirectory directory;
  ::setenv("TMPDIR", usual.c_str(), 1);
  // All bytes are shared by two workers; a sample needs one.
  const std::string step = full_run() ? "2" : "997";
  std::vector<std::unique_ptr<Worker>> workers;
  for (int first = 0; first < (full_run() ? 2 : 1); ++first) {
    const fs::path work = directory.path() / std::to_string(first);
    fs::create_directory(work);
    workers.push_back(std::make_unique<Worker>(
        std::vector<std::string>{"tamper", work.string(), std::to_string(first), step}));
  }
  for (std::size_t first = 0; first < workers.size(); ++first) {
    const int code = workers[first]->finish();
    INFO("it was at: " << read_file(directory.path() / std::to_string(first) / "attempt"));
    INFO("tamper said: " << workers[first]->said());
    REQUIRE(code == 0);
    report(workers[first]->said());
  }
}

TEST_CASE("Bytes that change while they are read are never accepted") {
  const test::TempDirectory directory;
  const std::string seconds = full_run() ? "60" : "6";
  const std::string store = (directory.path() / "store").string();
  Worker reader({"race_read", store, seconds});
  REQUIRE(reader.hear("open\n", patience()));
  Worker writer({"race_write", store + "/pages", seconds});
  const int written = writer.finish();
  INFO("the writer said: " << writer.said());
  REQUIRE(written == 0);
  const int read = reader.finish();
  INFO("the reader said: " << reader.said());
  REQUIRE(read == 0);
  report(writer.said() + reader.said());

  // The same attack on somebody who opens what is mapped: it must be able to succeed.
  const std::string file = (directory.path() / "mapped").string();
  Worker control({"race_control", file, full_run() ? "120" : "10"});
  REQUIRE(control.hear("open\n", patience()));
  Worker attacker({"race_write", file, full_run() ? "120" : "10"});
  const int controlled = control.finish();
  attacker.kill();
  INFO("the control said: " << control.said());
  REQUIRE(controlled == 0);
  report(control.said());
  if (control.said().find("altered 0 ") != std::string::npos) {
    return test::skip("the control was not beaten within its tries: this machine shows nothing");
  }
  if (reader.said().find("no collision") != std::string::npos) {
    return test::skip("no read met a changed byte: this machine shows nothing");
  }
}

// --- Core dumps -----------------------------------------------------------------------------------

namespace {

/// All pieces of the markers and of the caller's key.
std::set<Needle> needles() {
  std::set<Needle> all;
  for (std::uint64_t i = 0; i < 300; ++i) add_needles(all, seed_of(60, i), 64);
  for (std::uint64_t i = 0; i < 3000; ++i) add_needles(all, seed_of(61, i), 64);
  add_needles(all, 62, 32);
  return all;
}

/// The dump of a worker that has planted its markers; empty when there is no way to get one.
std::string dump_of(const fs::path& directory, const char* exposure, std::string& way) {
  const std::string pattern = read_file("/proc/sys/kernel/core_pattern");
  const bool by_kernel = pattern.find_first_of("|/%") == std::string::npos;
  const WorkerLimits limits{
      .locked_bytes = 4ull << 20, .dumps_core = true, .directory = directory.string()};
  Worker worker({"plant", (directory / "store").string(), exposure, by_kernel ? "abort" : "wait"},
                limits);
  const bool ready = worker.hear("ready\n", patience());
  INFO("plant said: " << worker.said());
  REQUIRE(ready);
  way = by_kernel ? "the kernel's, after abort()" : "gcore's";
  if (by_kernel) {
    REQUIRE(worker.finish() == -SIGABRT);
  } else {
    const std::string command = "gcore -o " + (directory / "core").string() + " " +
                                std::to_string(worker.pid()) + " >/dev/null 2>&1";
    if (std::system(command.c_str()) != 0) return {};
  }
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("core")) return read_file(entry.path());
  }
  return {};
}

}  // namespace

TEST_CASE("A core dump holds neither values nor the key, also in a backup or a restore") {
  const std::set<Needle> wanted = needles();
  std::string way;
  const test::TempDirectory exposed;
  const std::string control = dump_of(exposed.path(), "exposed", way);
  if (control.empty()) return test::skip("there is no way to get a core dump here (" + way + ")");
  const std::uint64_t in_control = found_in(control, wanted);
  // The search finds what is there.
  REQUIRE(in_control > 0);

  for (const char* const moment : {"hidden", "backed-up", "restored"}) {
    CAPTURE(moment);
    const test::TempDirectory hidden;
    const std::string dump = dump_of(hidden.path(), moment, way);
    REQUIRE(dump.size() > 100'000);
    const std::uint64_t found = found_in(dump, wanted);
    figures("core dump, " + std::string(moment) + " (" + way + "), of " +
            std::to_string(dump.size()) + " bytes: " + std::to_string(found) + " of " +
            std::to_string(wanted.size()) + " planted pieces found; in the control " +
            std::to_string(in_control));
    REQUIRE(found == 0);
  }
}

}  // namespace coffer::hard
