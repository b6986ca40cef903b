// An open store that finds no more room for locked memory.
#include <coffer/coffer.hpp>

#include <sys/resource.h>

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "tests/hard/hard_worker.hpp"
#include "tests/hard/workload.hpp"
#include "tests/support/limits.hpp"

namespace coffer::hard {

/// hold_until_full STORE SOFT: holds values, each of a page of its own, until there is no memory for one more; says
/// why; tries the same one again until it can be had.
void hold_until_full(const Arguments& arguments) {
  constexpr std::uint64_t kRecords = 4000;
  constexpr std::uint64_t kApart = 8;
  const std::string value(900, 'v');
  const rlimit limit{std::stoull(arguments.at(1)), test::lock_limit().rlim_max};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) wrong("cannot set the limit");
  test::forbid_setting_limits();
  Options options;
  options.locked_bytes_max = 8 << 20;
  Store store = Store::create(arguments.at(0), test_key(), {}, options);
  {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("t");
    for (std::uint64_t i = 0; i < kRecords; ++i) tree.put(integer_key(i), value);
    writing.commit();
  }
  ReadTransaction reading = store.read();
  Tree tree = reading.tree("t");
  std::vector<Value> held;
  std::uint64_t next = 0;
  const auto hold = [&] {
    std::optional<Value> one = tree.get(integer_key(next));
    if (!one || one->text() != value) wrong("another value than was written");
    held.push_back(std::move(*one));
    next += kApart;
  };
  try {
    while (next < kRecords) hold();
    wrong("there was room for all");
  } catch (const MemoryLockError& failure) {
    say(failure.what());
  }
  // The same operation, in the same transaction of the same open store.
  for (bool there = false; !there;) {
    try {
      hold();
      there = true;
    } catch (const MemoryLockError&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  say("there");
  for (int more = 0; more < 30; ++more) hold();
  say("held " + std::to_string(held.size()));
}

}  // namespace coffer::hard
