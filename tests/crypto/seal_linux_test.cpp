// Linux only: what ends a process is seen from its parent
//
// A sealer that is used wrongly.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

#include "seal_support.hpp"

using namespace coffer::crypto;
using namespace coffer::test;

namespace {

/// True when `body` breaks a contract, which aborts its process.
bool ends_the_process(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGABRT, SIG_DFL);  // Catch2's handler would report the expected end as a failure.
    ::close(STDERR_FILENO);
    body();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace

TEST_CASE("misuse of a sealer ends the process instead of writing plaintext") {
  ByteVector bytes(64);
  REQUIRE_FALSE(ends_the_process([&] {  // The gate's own control.
    static_cast<void>(sealer(Suite::none).seal(bytes, bytes, kPlace, nonce()));
  }));
  CHECK(ends_the_process([&] { static_cast<void>(Sealer().seal(bytes, bytes, kPlace, nonce())); }));
  CHECK(ends_the_process(
      [&] { static_cast<void>(Sealer().open(bytes, bytes, Tag{}, kPlace, nonce())); }));
  CHECK(ends_the_process([&] { Sealer(Suite::xchacha20poly1305, store_id(), {}); }));
  CHECK(ends_the_process([&] { Sealer(Suite::none, store_id(), bytes); }));
  CHECK(ends_the_process([&] { Sealer(static_cast<Suite>(2), store_id(), bytes); }));
  const std::span<std::byte> all(bytes);
  CHECK(ends_the_process([&] {
    static_cast<void>(sealer(Suite::none).seal(all.subspan(1, 60), all.first(60), kPlace, nonce()));
  }));
  CHECK(ends_the_process([&] {
    static_cast<void>(sealer(Suite::none).seal(all.first(59), all.first(60), kPlace, nonce()));
  }));
}
