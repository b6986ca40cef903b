// Nonces: drawn by 16 threads and by forked children, and met on their way to the disk in stores that are committed
// to, spill, make checkpoints, are cloned (also in the middle of their work, so that both copies recover), restored, and
// forked with a transaction open.  None may occur twice, but with the very unit that it sealed.
//
// In the end repeats are planted, and have to be found.
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <coffer/backup.hpp>
#include <coffer/coffer.hpp>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "crypto/seal.hpp"
#include "platform/platform.hpp"
#include "tests/campaign/process/nonce_collection.hpp"
#include "tests/campaign/process/process_gates.hpp"
#include "tests/campaign/process/series.hpp"
#include "tests/campaign/process/watching_platform.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/temp_directory.hpp"
#include "tree/store_state.hpp"

namespace coffer::campaign::process {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kDrawingThreads = 16;
constexpr std::uint64_t kForkedEvery = 500'000;  ///< drawn nonces for each forked child
constexpr std::uint64_t kForkedEach = 10'000;
/// Of the nonces at least one in so many is met on its way to the disk.
constexpr std::uint64_t kSealedShare = 50;

/// `count` nonces in runs of many lengths, some of them moved or renewed on their way.
template <typename Take>
void draw(std::uint64_t count, std::uint64_t seed, const Take& take) {
  std::mt19937_64 random(seed);
  platform::Entropy& entropy = platform::native_platform().entropy();
  while (count > 0) {
    crypto::NonceRun run(entropy);
    for (std::uint64_t left = std::min<std::uint64_t>(count, 1 + random() % 4000); left > 0;) {
      const std::uint64_t some = std::min<std::uint64_t>(left, 1 + random() % 2000);
      for (std::uint64_t i = 0; i < some; ++i) take(run.next());
      left -= some;
      count -= some;
      if (random() % 4 == 0) run.renew();
      if (random() % 4 == 0) {
        crypto::NonceRun moved(std::move(run));
        if (left > 0) take(moved.next()), --left, --count;
        run = std::move(moved);
      }
    }
  }
}

void draw_in_threads(GateRun& run, NonceCollection& all, std::uint64_t count) {
  constexpr std::uint64_t kBatch = 100'000;
  std::atomic<std::uint64_t> next{0};
  const std::uint64_t batches = (count + kBatch - 1) / kBatch;
  std::vector<std::jthread> threads;
  for (unsigned t = 0; t < kDrawingThreads; ++t) {
    threads.emplace_back([&] {
      std::vector<NonceCollection::Digest> digests;
      for (std::uint64_t batch = next++; batch < batches && !run.stop(); batch = next++) {
        digests.clear();
        const std::uint64_t size = std::min(kBatch, count - batch * kBatch);
        draw(size, hard::seed_of(run.seed(), batch),
             [&](const crypto::Nonce& nonce) { digests.push_back(all.digest(nonce)); });
        all.add_drawn(digests);
        run.ran(size, 0);
      }
    });
  }
}

/// Children of one process, all at once: what they draw must not follow from what their parent had.
void draw_in_children(GateRun& run, NonceCollection& all, std::uint64_t children) {
  const std::size_t bytes = children * kForkedEach * crypto::kNonceBytes;
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no memory to share with children");
  const std::span nonces(static_cast<crypto::Nonce*>(memory), children * kForkedEach);
  std::vector<pid_t> pids;
  for (std::uint64_t child = 0; child < children; ++child) {
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("cannot fork");
    if (pid == 0) {
      std::size_t at = child * kForkedEach;
      draw(kForkedEach, hard::seed_of(run.seed(), 0, child),
           [&](const crypto::Nonce& nonce) { nonces[at++] = nonce; });
      ::_exit(0);
    }
    pids.push_back(pid);
  }
  bool well = true;
  for (const pid_t pid : pids) {
    int status = 0;
    well = ::waitpid(pid, &status, 0) == pid && status == 0 && well;
  }
  std::vector<NonceCollection::Digest> digests;
  for (const crypto::Nonce& nonce : nonces) digests.push_back(all.digest(nonce));
  ::munmap(memory, bytes);
  if (!well) throw std::runtime_error("a child that drew nonces did not end well");
  all.add_drawn(digests);
  run.ran(digests.size(), 0);
}

/// Stores whose every write is watched.
class SealedWorld {
 public:
  SealedWorld(GateRun& run, NonceCollection& all)
      : run_(run),
        all_(all),
        platform_([this](const std::string& name, std::uint64_t offset,
                         std::span<const std::byte> bytes) {
          ++writes_;
          all_.add_from(name, offset, bytes);
        }) {}

  /// One life: a store, two clones that recover from the same moment and go on alike, a restored one, a fork.
  void live(std::uint64_t commits) {
    const test::TempDirectory directory(fast_place());
    const fs::path store = directory.path() / "store";
    const fs::path first = directory.path() / "first";
    const fs::path second = directory.path() / "second";
    const fs::path full = directory.path() / "full";
    const fs::path logical = directory.path() / "logical";
    const fs::path restored = directory.path() / "restored";
    const Key key = hard::test_key();
    txn::Engine::create(platform_, store, &key, {}, options());
    {
      // Without a thread of its own: nothing is written while it is copied.
      Store open = open_store(store, false);
      commit_some(open, commits);
      fork_with(open);
      // As a machine's snapshot would take it: in the middle of its work, with a journal to recover.
      hard::copy_store(store, first);
      hard::copy_store(store, second);
      commit_some(open, commits);
      static_cast<void>(backup_snapshot(open, full));
      static_cast<void>(backup_logical(open, logical));
      open.close();
    }
    for (const fs::path& clone : {first, second}) go_on(clone, commits);
    static_cast<void>(restore_backup({full}, &key, restored));
    for (const fs::path& place : {store, first, second, restored}) look_through(place);
    for (const fs::path& file : {full, logical}) add_file(file);
    go_on(restored, commits);
    go_on(store, commits);
  }

 private:
  static Options options(bool background = true) {
    Options options;
    options.background_checkpoints = background;
    options.checkpoint_journal_bytes = 256u << 10;
    options.checkpoint_interval = std::chrono::milliseconds(5);
    options.write_buffer_bytes_max = 512u << 10;
    options.locked_bytes_max = 1u << 20;
    return options;
  }
  Store open_store(const fs::path& path, bool background = true) {
    const Key key = hard::test_key();
    return Store(std::make_unique<Store::State>(
        txn::Engine::open(platform_, path, &key, options(background)), platform_.entropy()));
  }
  void commit_some(Store& store, std::uint64_t commits) const {
    std::uint64_t n = 0;
    {
      auto reading = store.read({.latest = true});
      n = hard::last_in(reading);
    }
    for (std::uint64_t i = 0; i < commits && !run_.stop(); ++i) hard::write_commit(store, ++n);
    spill(store, n);
  }
  /// More pages than there are frames, so that they are sealed before their commit, by two threads; rolled back.
  static void spill(Store& store, std::uint64_t n) {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("spilled");
    std::array<std::byte, 900> value{};
    for (std::uint64_t i = 0; i < 2000; ++i) {
      hard::fill_bytes(hard::seed_of(90, n, i), 0, value);
      tree.put(integer_key(hard::mix(i)), value);
    }
  }
  void go_on(const fs::path& path, std::uint64_t commits) {
    Store open = open_store(path);
    commit_some(open, commits);
    open.close();
  }

  /// A child with a write transaction in its hands can neither commit nor spill: nothing of it is sealed.
  void fork_with(Store& store) {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("forked");
    tree.put("a", "b");
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("cannot fork");
    if (child == 0) {
      const std::uint64_t before = writes_;
      bool through = false;
      for (int attempt = 0; attempt < 3; ++attempt) {
        try {
          if (attempt == 0) tree.put("c", "d");
          if (attempt == 1) writing.commit();
          if (attempt == 2) spill(store, 0);
          through = true;
        } catch (const Error&) {
        }
      }
      ::_exit(through || writes_ != before ? 1 : 0);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child || status != 0) {
      throw std::runtime_error("a forked child could write to its parent's store");
    }
    writing.commit();
  }

  void look_through(const fs::path& directory) const {
    for (const auto& entry : fs::directory_iterator(directory)) add_file(entry.path());
  }
  void add_file(const fs::path& path) const {
    const std::string bytes = hard::read_file(path);
    all_.add_from(path.filename().string(), 0, std::as_bytes(std::span(bytes)));
  }

  GateRun& run_;
  NonceCollection& all_;
  std::atomic<std::uint64_t> writes_{0};
  WatchingPlatform platform_;
};

/// Repeats that the end of the gate has to find: one of a drawn nonce, one of a nonce under another unit, and the very
/// unit again, which is none.
std::uint64_t plant(NonceCollection& all) {
  crypto::NonceRun run(platform::native_platform().entropy());
  const crypto::Nonce drawn = run.next();
  const crypto::Nonce sealed = run.next();
  const std::array<NonceCollection::Digest, 2> twice{all.digest(drawn), all.digest(drawn)};
  all.add_drawn(twice);
  all.add_sealed(sealed, sealed);
  all.add_sealed(sealed, sealed);
  all.add_sealed(sealed, drawn);
  return 2;
}

}  // namespace

void collect_nonces(GateRun& run) {
  NonceCollection all;
  const std::uint64_t wanted = run.cases();
  const std::uint64_t to_seal = std::max<std::uint64_t>(1, wanted / kSealedShare);
  const std::uint64_t commits = std::clamp<std::uint64_t>(to_seal / 1000, 4, 200);
  std::uint64_t counted = 0;
  const auto live = [&] {
    SealedWorld(run, all).live(commits);
    const std::uint64_t sealed = std::min(all.sealed(), wanted);
    run.ran(sealed - counted, 0);
    counted = sealed;
  };
  // A world first, so that the children's parent has drawn before it forks.
  live();
  const std::uint64_t to_draw = wanted - std::min(wanted, std::max(counted, to_seal));
  const std::uint64_t children = std::min(to_draw / kForkedEach, to_draw / kForkedEvery + 2);
  if (children > 0) draw_in_children(run, all, children);
  draw_in_threads(run, all, to_draw - children * kForkedEach);
  while (counted < to_seal && !run.stop()) live();

  const std::uint64_t sealed = all.sealed();
  const std::uint64_t drawn = all.drawn();
  const std::uint64_t planted = plant(all);
  const std::uint64_t repeats = all.repeats();
  const std::string replay = fmt::format("{} --seed {}", kNonces, run.seed());
  if (repeats < planted) run.violated("a planted repeat was not found", replay);
  if (repeats > planted) {
    run.violated(fmt::format("{} nonces occur twice", repeats - planted), replay);
  }
  run.note(
      fmt::format("{} drawn, {} of them by {} forked children; {} met on the way to the disk; "
                  "{} planted repeats found",
                  drawn, children * kForkedEach, children, sealed, std::min(repeats, planted)));
}

}  // namespace coffer::campaign::process
