// NonceRun: a nonce is used once, whatever happens to the run.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <utility>

#include <coffer/error.hpp>

#include "crypto/seal.hpp"
#include "support.hpp"

namespace coffer::crypto {

/// The run's own eye-hole for tests.
struct NonceRunProbe {
  static void set_counter(NonceRun& run, std::uint32_t counter) { run.counter_ = counter; }
};

}  // namespace coffer::crypto

using namespace coffer::crypto;
using namespace coffer::test;

namespace {

ByteVector prefix(const Nonce& nonce) {
  return to_vector(std::span(nonce).first(20));
}
ByteVector counter(const Nonce& nonce) {
  return to_vector(std::span(nonce).last(4));
}

/// Entropy that fails when told to.
class FailingEntropy final : public coffer::platform::Entropy {
 public:
  void fill(std::span<std::byte> out) override {
    if (failing) {
      std::fill(out.begin(), out.begin() + 4, std::byte{0xEE});
      throw coffer::IoError("no entropy", "getrandom", {}, 5);
    }
    source.fill(out);
  }
  bool failing = false;
  CountingEntropy source;
};

}  // namespace

TEST_CASE("a run draws 20 bytes on first use and counts little-endian behind them") {
  CountingEntropy entropy;
  NonceRun run(entropy);
  CHECK(entropy.calls == 0);
  const Nonce first = run.next();
  CHECK(prefix(first) == counting(20));
  CHECK(counter(first) == from_hex("00000000"));
  CHECK(counter(run.next()) == from_hex("01000000"));
  for (int i = 2; i < 256; ++i) {
    static_cast<void>(run.next());
  }
  CHECK(counter(run.next()) == from_hex("00010000"));
  CHECK(entropy.calls == 1);
}

TEST_CASE("nonces of several runs that share entropy never repeat") {
  std::set<Nonce> seen;
  std::size_t made = 0;
  for (int i = 0; i < 100; ++i) {
    NonceRun run(coffer::platform::native_platform().entropy());
    for (int j = 0; j < 200; ++j, ++made) {
      seen.insert(run.next());
    }
  }
  CHECK(seen.size() == made);
}

TEST_CASE("a run draws anew when its counter wraps around") {
  CountingEntropy entropy;
  NonceRun run(entropy);
  static_cast<void>(run.next());
  NonceRunProbe::set_counter(run, 0xFFFFFFFE);
  CHECK(counter(run.next()) == from_hex("feffffff"));
  const Nonce last = run.next();
  CHECK(counter(last) == from_hex("ffffffff"));
  CHECK(entropy.calls == 1);
  const Nonce fresh = run.next();
  CHECK(entropy.calls == 2);
  CHECK(prefix(fresh) == counting(20, 20));
  CHECK(counter(fresh) == from_hex("00000000"));
  CHECK(prefix(fresh) != prefix(last));
}

TEST_CASE("a renewed run draws anew") {
  CountingEntropy entropy;
  NonceRun run(entropy);
  const Nonce before = run.next();
  run.renew();
  const Nonce after = run.next();
  CHECK(prefix(before) != prefix(after));
  CHECK(counter(after) == from_hex("00000000"));
}

TEST_CASE("a moved run goes on, and what it was moved from draws anew") {
  CountingEntropy entropy;
  NonceRun run(entropy);
  std::set<Nonce> seen{run.next(), run.next()};

  NonceRun constructed(std::move(run));
  const Nonce next = constructed.next();
  CHECK(prefix(next) == counting(20));
  CHECK(counter(next) == from_hex("02000000"));
  CHECK(seen.insert(next).second);
  CHECK(seen.insert(run.next()).second);  // NOLINT(bugprone-use-after-move): the point of the test
  CHECK(entropy.calls == 2);

  NonceRun assigned(entropy);
  CHECK(seen.insert(assigned.next()).second);
  assigned = std::move(constructed);
  CHECK(counter(assigned.next()) == from_hex("03000000"));
  CHECK(seen.insert(assigned.next()).second);
  CHECK(seen.insert(constructed.next()).second);  // NOLINT(bugprone-use-after-move)
  CHECK(entropy.calls == 4);

  assigned = NonceRun(entropy);  // One that has drawn nothing yet.
  CHECK(seen.insert(assigned.next()).second);
  CHECK(entropy.calls == 5);

  NonceRun& itself = assigned;
  assigned = std::move(itself);
  for (int i = 0; i < 3; ++i) {
    CHECK(seen.insert(assigned.next()).second);
  }
}

TEST_CASE("a failed draw leaves nothing behind that could be used") {
  FailingEntropy entropy;
  NonceRun run(entropy);
  entropy.failing = true;
  CHECK_THROWS_AS(run.next(), coffer::IoError);
  CHECK_THROWS_AS(run.next(), coffer::IoError);
  entropy.failing = false;
  const Nonce first = run.next();
  CHECK(prefix(first) == counting(20));

  NonceRunProbe::set_counter(run, 0xFFFFFFFF);
  const Nonce last = run.next();
  entropy.failing = true;
  CHECK_THROWS_AS(run.next(), coffer::IoError);
  entropy.failing = false;
  const Nonce fresh = run.next();
  CHECK(prefix(fresh) != prefix(last));
}
