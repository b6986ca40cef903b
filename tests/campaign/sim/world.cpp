// See world.hpp.
#include "tests/campaign/sim/world.hpp"

#include <fmt/format.h>

#include <coffer/backup.hpp>
#include <system_error>
#include <thread>

#include "tests/campaign/sim/scheduler.hpp"
#include "tree/store_state.hpp"

namespace coffer::campaign::sim {

namespace {

constexpr std::uint64_t kSegmentBytes = 64 * 1024;

/// Lets other tasks go on.
void let_others() {
  if (Scheduler* const scheduler = Scheduler::current()) scheduler->point();
}

}  // namespace

const Key& store_key() {
  static const Key key = [] {
    std::array<std::byte, 32> raw{};
    for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::byte>(i * 7 + 1);
    return Key::from_bytes(raw);
  }();
  return key;
}

Options small_options() {
  Options options;
  options.background_checkpoints = false;
  options.locked_bytes_max = 512 * 1024;
  options.checkpoint_journal_bytes = 96 * 1024;
  options.write_buffer_bytes_max = 256 * 1024;
  return options;
}

std::optional<std::string> unexpected(const std::exception& e, Expected expected) {
  const bool damage = dynamic_cast<const Tampered*>(&e) != nullptr ||
                      dynamic_cast<const Corrupted*>(&e) != nullptr ||
                      dynamic_cast<const WrongKey*>(&e) != nullptr ||
                      dynamic_cast<const VersionUnsupported*>(&e) != nullptr;
  const bool failure = dynamic_cast<const IoError*>(&e) != nullptr ||
                       dynamic_cast<const NoSpace*>(&e) != nullptr ||
                       dynamic_cast<const Poisoned*>(&e) != nullptr ||
                       dynamic_cast<const Conflict*>(&e) != nullptr ||
                       dynamic_cast<const MemoryLockError*>(&e) != nullptr ||
                       dynamic_cast<const std::bad_alloc*>(&e) != nullptr ||
                       dynamic_cast<const std::system_error*>(&e) != nullptr;
  if (expected != Expected::nothing && failure) return std::nullopt;
  if (expected == Expected::media_faults && damage) return std::nullopt;
  return fmt::format("the engine said: {}", e.what());
}

void create_store(platform::Platform& platform, const std::string& path) {
  txn::Engine::create(platform, path, &store_key(), {}, small_options(), kSegmentBytes);
}

std::unique_ptr<Store> open_store(platform::Platform& platform, const Options& options,
                                  const std::string& path) {
  return std::make_unique<Store>(std::make_unique<Store::State>(
      txn::Engine::open(platform, path, &store_key(), options), platform.entropy()));
}

World::World(Scene scene, History& history, const Plan& plan, Expected expected)
    : scene_(std::move(scene)), history_(history), plan_(plan), expected_(expected) {}
World::~World() = default;

void World::note_violation(std::string what) {
  if (!violation_) violation_ = std::move(what);
}

bool World::attempt(const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const Violated& e) {
    note_violation(e.what());
  } catch (const std::exception& e) {
    ++errors_;
    if (auto wrong = unexpected(e, expected_)) note_violation(*std::move(wrong));
  }
  return false;
}

void World::create_and_run() {
  if (attempt([&] { create_store(*scene_.platform, scene_.path); })) open_and_run();
  if (violation_) throw Violated(*violation_);
}

void World::open_and_run() {
  Options options = small_options();
  options.background_checkpoints = plan_.background_checkpoints;
  options.checkpoint_journal_bytes = plan_.checkpoint_journal_bytes;
  // Tasks read large values at the same time, each with a buffer of its own: there are twelve.
  options.locked_bytes_max = 6 * 1024 * 1024;
  if (attempt([&] { store_ = open_store(*scene_.platform, options, scene_.path); })) {
    run_all();
    attempt([&] { close(); });
    store_.reset();
  }
  if (violation_) throw Violated(*violation_);
}

void World::run_all() {
  if (Scheduler::current() == nullptr) {
    for (std::size_t t = 0; t < plan_.tasks.size(); ++t) run_task(t);
    return;
  }
  std::vector<std::thread> threads;
  for (std::size_t t = 1; t < plan_.tasks.size(); ++t) {
    threads.emplace_back([this, t] { run_task(t); });
  }
  if (!plan_.tasks.empty()) run_task(0);
  for (std::thread& thread : threads) thread.join();
}

void World::run_task(std::size_t task) {
  for (const Action& action : plan_.tasks[task]) {
    if (violation_) return;
    attempt([&] { perform(action); });
  }
}

void World::perform(const Action& action) {
  switch (action.doing) {
    case Doing::write:
    case Doing::write_relaxed:
    case Doing::write_async:
    case Doing::write_nothing:
      return write(action);
    case Doing::read:
      return read(action, false);
    case Doing::read_latest:
      return read(action, true);
    case Doing::sync: {
      const std::uint64_t last = store_->statistics().last_commit;
      store_->sync();
      return history_.acknowledged(last, scene_.now());
    }
    case Doing::checkpoint: {
      const std::uint64_t last = store_->statistics().last_commit;
      store_->checkpoint();
      return history_.acknowledged(last, scene_.now());
    }
    case Doing::check:
      static_cast<void>(store_->check());
      return;
    case Doing::anchor: {
      const Anchor anchor = store_->anchor();
      history_.acknowledged(anchor.commit, scene_.now());
      return history_.anchored(anchor, scene_.now());
    }
    case Doing::snapshot:
      return back_up(action);
    case Doing::archive:
    case Doing::increment:
    case Doing::logical:
    case Doing::logical_increment:
      return back_up_into_file(action);
    case Doing::restore:
      return restore(action);
  }
}

void World::write(const Action& action) {
  Random random(action.seed);
  WriteTransaction transaction = store_->write();
  // Nobody else publishes while this turn lasts; what the history has behind it has failed.
  const std::uint64_t base = store_->statistics().last_commit;
  State next = history_.state(base);
  const auto former = next;
  change_some(transaction, next, random, plan_.sizes);
  if (action.doing == Doing::write_nothing) return transaction.rollback();
  const bool changed = next != former;
  const std::uint64_t attempt = history_.begun(base + 1, std::move(next), scene_.now());
  try {
    const std::uint64_t got = commit(transaction, action.doing);
    if (got == base && !changed) {
      history_.withdrawn(base + 1, attempt);  // a transaction without changes is no commit
    } else if (got != base + 1) {
      throw Violated(fmt::format("commit {} was given the number {}", base + 1, got));
    }
    if (action.doing != Doing::write_relaxed) history_.acknowledged(got, scene_.now());
  } catch (...) {
    const Statistics now = store_->statistics();
    // The turn is still ours unless the commit was published.
    if (now.last_commit <= base && !now.poisoned) history_.withdrawn(base + 1, attempt);
    throw;
  }
}

std::uint64_t World::commit(WriteTransaction& transaction, Doing doing) {
  if (doing == Doing::write_relaxed) return transaction.commit(Durability::relaxed);
  if (doing == Doing::write) return transaction.commit(Durability::full);
  CommitTicket ticket = transaction.commit_async();
  let_others();
  ticket.wait();
  return ticket.commit_number();
}

void World::require_same(ReadTransaction& transaction) {
  const std::uint64_t commit = transaction.commit_number();
  if (!history_.knows(commit)) {
    throw Violated(fmt::format("a snapshot shows commit {}, which nobody made", commit));
  }
  if (auto found = difference(transaction, history_.state(commit))) {
    throw Violated(fmt::format("the snapshot of commit {}: {}", commit, *found));
  }
}

void World::read(const Action& action, bool latest) {
  Random random(action.seed);
  ReadTransaction transaction = store_->read({.latest = latest});
  // What a reader was shown as durable stays.
  if (!latest) history_.acknowledged(transaction.commit_number(), scene_.now());
  require_same(transaction);
  for (std::uint64_t n = random.below(12); n > 0; --n) let_others();
  require_same(transaction);
}

void World::back_up(const Action& action) {
  const std::string path = fmt::format("{}-snapshot-{:x}", scene_.path, action.seed);
  BackupOptions options;
  options.verify = action.seed % 2 == 0;
  const BackupReport report = backup_snapshot_directory(*store_, path, options);
  history_.acknowledged(report.commit, scene_.now());
  const auto copy = open_store(*scene_.platform, small_options(), path);
  ReadTransaction transaction = copy->read();
  if (transaction.commit_number() != report.commit) {
    throw Violated(fmt::format("a snapshot of commit {} opens at commit {}", report.commit,
                               transaction.commit_number()));
  }
  if (auto found = difference(transaction, history_.state(report.commit))) {
    throw Violated(fmt::format("the backup of commit {}: {}", report.commit, *found));
  }
}

void World::close() {
  const Statistics before = store_->statistics();
  store_->close();
  if (!before.poisoned) history_.acknowledged(before.last_commit, scene_.now());
}

}  // namespace coffer::campaign::sim
