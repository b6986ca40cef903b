// What a worker does that is to be driven into swap.
#include <sodium/utils.h>
#include <unistd.h>

#include <array>
#include <coffer/coffer.hpp>
#include <fstream>
#include <vector>

#include "tests/hard/hard_worker.hpp"
#include "tests/hard/workload.hpp"

namespace coffer::hard {

// swap_out STORE GROUP locked|unlocked ORDINARY_BYTES: goes into the control group, keeps a transaction open that has
// markers (seeds 70, 64 bytes each) in its pages, and others (seed 71, one a page) in ordinary memory, far more than
// the group may have; then waits to be ended.  The first are made in one small buffer that is wiped at once.
void swap_out(const Arguments& arguments) {
  constexpr std::size_t kPage = 4096;
  constexpr std::uint64_t kMarkers = 300;
  std::ofstream(arguments.at(1) + "/cgroup.procs") << ::getpid() << std::flush;
  Options options;
  const bool unlocked = arguments.at(2) == "unlocked";
  if (unlocked) options.memory_locking = MemoryLocking::proceed_unlocked;
  const Key key = Key::generate({.memory_locking = options.memory_locking});
  Store store = Store::create(arguments.at(0), key, {}, options);
  WriteTransaction transaction = store.write();
  Tree tree = transaction.create_tree("planted");
  std::array<std::byte, 64> buffer{};
  for (std::uint64_t i = 0; i < kMarkers; ++i) {
    fill_bytes(seed_of(70, i), 0, buffer);
    tree.put(integer_key(i), buffer);
    sodium_memzero(buffer.data(), buffer.size());
  }

  const std::uint64_t pages = std::stoull(arguments.at(3)) / kPage;
  std::vector<std::byte> ordinary(pages * kPage);
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < pages; ++i) {
      fill_bytes(seed_of(71, i), 0, std::span(ordinary).subspan(i * kPage, 64));
    }
  }
  say("ready " + std::to_string(store.statistics().failed_locks));
  ::pause();
}

}  // namespace coffer::hard
