// Linux only: one process raises another's limit
//
// An open store that finds no more room for locked memory, and goes on when an administrator has made some.
#include <catch2/catch.hpp>

#include <coffer/coffer.hpp>
#include <optional>
#include <vector>

#include "tests/support/child.hpp"
#include "tests/support/limits.hpp"
#include "tests/support/remedy.hpp"
#include "tests/support/skip.hpp"
#include "tests/support/temp_directory.hpp"

namespace coffer::test {
namespace {

constexpr std::uint64_t kRecords = 4000;

/// Holds values, each of a page of its own, until there is no memory for one more; says why; tries the same one
/// again when it is told to.
void hold_until_full(const std::filesystem::path& path, Channel& channel) {
  Store store = Store::create(path, Key::generate(), {}, {.locked_bytes_max = 8 << 20});
  {
    WriteTransaction writing = store.write();
    Tree tree = writing.create_tree("t");
    for (std::uint64_t i = 0; i < kRecords; ++i) tree.put(integer_key(i), std::string(900, 'v'));
    writing.commit();
  }
  ReadTransaction reading = store.read();
  Tree tree = reading.tree("t");
  std::vector<Value> held;
  std::uint64_t next = 0;
  try {
    for (; next < kRecords; next += 8) held.push_back(std::move(*tree.get(integer_key(next))));
    channel.say("no failure");
    return;
  } catch (const MemoryLockError& failure) {
    channel.say(failure.what());
  }
  static_cast<void>(channel.hear());
  // The same operation, in the same transaction of the same open store.
  const std::optional<Value> again = tree.get(integer_key(next));
  channel.say(again && again->text() == std::string(900, 'v') ? "there" : "wrong");
  // And what else the new limit was for.
  for (std::uint64_t more = next + 8; more < next + 8 * 32; more += 8)
    held.push_back(std::move(*tree.get(integer_key(more))));
  channel.say("held " + std::to_string(held.size()));
}

}  // namespace

TEST_CASE("an open store goes on in the same transaction once its message's command was run") {
  if (!locks_are_real()) return skip(kLocksAreNotReal);
  if (!has_prlimit_command()) return skip("the prlimit command of util-linux is not installed");
  constexpr std::uint64_t kLittle = 1536 * 1024;
  if (lock_limit().rlim_max < 4 * kLittle)
    return skip("the hard limit on locked memory is too low");
  const TempDirectory directory;
  Child child([&](Channel& channel) {
    limit_locked_memory(kLittle, lock_limit().rlim_max);
    forbid_setting_limits();
    hold_until_full(directory.path() / "store", channel);
  });
  const std::string message = child.channel().hear();
  CAPTURE(message);
  CHECK(bytes_in_remedy(message, child.pid()).value_or(0) > kLittle);
  CHECK(run_remedy(message));
  child.channel().say("again");
  CHECK(child.channel().hear() == "there");
  CHECK_THAT(child.channel().hear(), Catch::StartsWith("held "));
}

}  // namespace coffer::test
