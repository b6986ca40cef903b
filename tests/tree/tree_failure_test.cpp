// Every operation, failing at each of its calls of the engine in turn: the tree is as it was, and the
// operation succeeds when it is tried again.
#include <coffer/error.hpp>

#include "tests/tree/tree_support.hpp"

namespace coffer::tree::test {

namespace {

// A tree of three levels whose pages are full enough to split and empty enough to merge.
class Subject {
 public:
  explicit Subject(bool multi) : store(512), tree(store.create("t", {.multi_value = multi})) {
    for (int i = 0; i < 800; ++i) tree.put(number(i), "0123456789");
    if (!multi) {
      for (int i = 0; i < 800; i += 50) tree.put(number(i), std::string(20'000, 'l'));
    }
    for (int i = 300; i < 500; ++i) {
      if (i % 5 != 0) tree.erase(number(i));
    }
    store.pages.commit();
  }
  Store store;
  Tree tree;
};

// Fails each call in turn.  Returns how many calls there were.
template <class Operation>
std::uint64_t fail_everywhere(Subject& subject, Operation&& operation) {
  testing::FakePages& pages = subject.store.pages;
  const auto before = pages.image();
  for (std::uint64_t nth = 1;; ++nth) {
    pages.fail_call(nth);
    bool failed = false;
    try {
      operation();
    } catch (const testing::InjectedFault&) {
      failed = true;
    }
    pages.stop_failing();
    INFO("failing call " << nth);
    REQUIRE(pages.pins() == 0);
    if (failed) {
      REQUIRE_FALSE(subject.store.registry->must_roll_back());
      REQUIRE(pages.image() == before);
      continue;
    }
    static_cast<void>(check_store(subject.store));
    pages.rollback();
    return nth - 1;
  }
}

}  // namespace

TEST_CASE("an operation that fails midway has changed nothing") {
  Subject subject(false);
  Tree& tree = subject.tree;
  const std::string large(30'000, 'x');
  SECTION("put, in many places, so that pages split") {
    std::uint64_t most = 0;
    for (int i = 0; i < 800; i += 13) {
      most = std::max(most, fail_everywhere(subject, [&] {
                        tree.put(number(i) + "5", std::string(100, 'v'));
                      }));
    }
    REQUIRE(most > 6);  // some did split
  }
  SECTION("replacing a small value by a larger one") {
    for (int i = 1; i < 800; i += 50) {
      fail_everywhere(subject, [&] { tree.put(number(i), std::string(110, 'v')); });
    }
  }
  SECTION("putting a large value, also over another") {
    fail_everywhere(subject, [&] { tree.put("zzz", large); });
    fail_everywhere(subject, [&] { tree.put(number(50), large); });
    fail_everywhere(subject, [&] { tree.put(number(51), large); });
    fail_everywhere(subject, [&] { tree.put(number(50), "small"); });
  }
  SECTION("erase, until pages merge and large values go") {
    for (int i = 295; i < 510; ++i) {
      fail_everywhere(subject, [&] { tree.erase(number(i)); });
    }
  }
  SECTION("erase_range") {
    fail_everywhere(subject, [&] { tree.erase_range({.prefix = "0003"}); });
    fail_everywhere(subject, [&] { tree.erase_range({.from = "000290", .to = "000420"}); });
    fail_everywhere(subject, [&] { tree.erase_range({}); });
  }
  SECTION("compare_and_swap") {
    fail_everywhere(subject,
                    [&] { tree.compare_and_swap(number(50), std::string(20'000, 'l'), "v"); });
    fail_everywhere(subject, [&] { tree.compare_and_swap(number(51), "0123456789", large); });
  }
  SECTION("append") {
    fail_everywhere(subject, [&] { tree.append("zzz", large); });
  }
  SECTION("a written value") {
    fail_everywhere(subject, [&] {
      ValueWriter writer = tree.write(number(100));
      writer.write(large);
      writer.finish();
    });
  }
  SECTION("creating and dropping trees") {
    fail_everywhere(subject, [&] { subject.store.create("another"); });
    fail_everywhere(subject, [&] { drop_tree(subject.store.writer(), "t"); });
  }
}

TEST_CASE("an operation on a multi-value tree that fails midway has changed nothing") {
  Subject subject(true);
  for (int i = 290; i < 320; ++i) {
    fail_everywhere(subject, [&] { subject.tree.put(number(i), std::string(100, 'v')); });
    fail_everywhere(subject, [&] { subject.tree.erase(number(i)); });
  }
  fail_everywhere(subject, [&] { subject.tree.erase_range({.from = "000100"}); });
}

TEST_CASE("a cursor's move that fails leaves it where it was") {
  Subject subject(false);
  testing::FakePages& pages = subject.store.pages;
  Cursor cursor = subject.tree.cursor();
  REQUIRE(cursor.first());
  int failures = 0;
  for (bool more = true; more;) {
    const std::string here(cursor.key().text());
    bool moved = false;
    for (std::uint64_t nth = 1; !moved; ++nth) {
      pages.fail_call(nth);
      try {
        more = cursor.next();
        moved = true;
      } catch (const testing::InjectedFault&) {
        ++failures;
      }
      pages.stop_failing();
      if (!moved) REQUIRE(cursor.key().text() == here);
    }
    if (more) REQUIRE(cursor.key().text() > here);
  }
  REQUIRE(failures > 50);
}

TEST_CASE("a failure that cannot be undone says so") {
  Subject subject(false);
  testing::FakePages& pages = subject.store.pages;
  pages.set_undo_may_fail(true);
  // From one call on all fail, the rolling back too.
  bool told = false;
  for (std::uint64_t nth = 4; nth < 40 && !told; ++nth) {
    pages.fail_call(nth, true);
    REQUIRE_THROWS_AS(subject.tree.erase_range({}), testing::InjectedFault);
    told = subject.store.registry->must_roll_back();
    pages.stop_failing();
    pages.rollback();
  }
  REQUIRE(told);
}

}  // namespace coffer::tree::test
