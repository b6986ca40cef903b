// Work for a second thread: its order, its failures, and the buffers that go round.
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "platform/relay.hpp"

namespace coffer::platform {
namespace {

template <class Call>
std::string failure_of(Call&& call) {
  try {
    call();
  } catch (const std::runtime_error& failure) {
    return failure.what();
  }
  return "none";
}

/// One side is held up now and then, so that each has to wait for the other.
void now_and_then_slow(std::mt19937_64& random) {
  if (random() % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
}

TEST_CASE("work is done in its order, and nothing behind what failed") {
  SecondThread thread;
  std::vector<int> done;
  for (int i = 0; i < 100; ++i) thread.start([&done, i] { done.push_back(i); });
  thread.finish();
  REQUIRE(done.size() == 100);
  REQUIRE(std::ranges::is_sorted(done));

  done.clear();
  std::atomic<bool> go_on{false};
  thread.start([&go_on] {
    while (!go_on) std::this_thread::yield();
    throw std::runtime_error("the first");
  });
  thread.start([&done] { done.push_back(1); });
  go_on = true;
  REQUIRE(failure_of([&] { thread.finish(); }) == "the first");
  REQUIRE(done.empty());
  // It was said once, and the thread goes on.
  thread.start([&done] { done.push_back(2); });
  thread.finish();
  REQUIRE(done == std::vector<int>{2});
}

TEST_CASE("waiting for some of the work leaves no more than the rest") {
  SecondThread thread;
  std::atomic<int> done{0};
  std::atomic<bool> go_on{false};
  for (int i = 0; i < 4; ++i) thread.start([&done] { ++done; });
  thread.start([&go_on] {
    while (!go_on) std::this_thread::yield();
  });
  thread.start([&done] { ++done; });
  REQUIRE(thread.wait(2) == 2);
  REQUIRE(done == 4);
  go_on = true;
  REQUIRE(thread.wait(0) == 0);
  REQUIRE(done == 5);
}

TEST_CASE("what was handed over last is taken back unless it was begun") {
  SecondThread thread;
  REQUIRE_FALSE(thread.take_back(0));
  std::atomic<bool> begun{false};
  std::atomic<bool> go_on{false};
  std::vector<int> done;
  thread.start([&] {
    begun = true;
    while (!go_on) std::this_thread::yield();
  });
  for (int i = 0; i < 4; ++i) thread.start([&done, i] { done.push_back(i); });
  while (!begun) std::this_thread::yield();
  REQUIRE(thread.left() == 5);
  REQUIRE(thread.take_back(1));
  REQUIRE(thread.take_back(1));
  REQUIRE(thread.take_back(1));
  REQUIRE_FALSE(thread.take_back(1));
  REQUIRE(thread.left() == 2);
  go_on = true;
  thread.finish();
  REQUIRE(done == std::vector<int>{0});
  REQUIRE(thread.left() == 0);
  // Asking how much is left says what went wrong, once.
  thread.start([] { throw std::runtime_error("broken"); });
  REQUIRE(failure_of([&] {
            while (thread.left() != 0) std::this_thread::yield();
          }) == "broken");
  REQUIRE(thread.left() == 0);
}

TEST_CASE("what was not begun when its owner leaves is dropped") {
  std::atomic<bool> begun{false};
  std::atomic<bool> go_on{false};
  std::atomic<int> done{0};
  std::thread helper;
  {
    SecondThread thread;
    thread.start([&] {
      begun = true;
      while (!go_on) std::this_thread::yield();
      ++done;
    });
    for (int i = 0; i < 10; ++i) thread.start([&done] { ++done; });
    while (!begun) std::this_thread::yield();
    helper = std::thread([&go_on] {
      // The owner is in the thread's destructor by then; were it not, more would be done, and no less.
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      go_on = true;
    });
  }
  helper.join();
  REQUIRE(done >= 1);
  REQUIRE(done < 11);
}

TEST_CASE("items that are emptied behind their owner keep their order and their content") {
  constexpr int kItems = 5'000;
  for (const std::size_t buffers : {2u, 3u, 4u, 7u}) {
    std::mt19937_64 random(buffers);
    std::mt19937_64 other_random(buffers + 100);
    WriteBehind<std::vector<int>> relay{std::vector<std::vector<int>>(buffers)};
    std::vector<int> came;
    for (int i = 0; i < kItems; ++i) {
      now_and_then_slow(random);
      // A buffer that the thread still had would be seen here.
      REQUIRE(relay.current().empty());
      relay.current().push_back(i);
      relay.hand_over([&](std::vector<int>& item) {
        now_and_then_slow(other_random);
        came.insert(came.end(), item.begin(), item.end());
        item.clear();
      });
    }
    relay.finish();
    REQUIRE(came.size() == kItems);
    REQUIRE(std::ranges::is_sorted(came));
  }
}

TEST_CASE("items that are filled ahead of their owner come in order, each once") {
  constexpr int kItems = 5'000;
  for (const std::size_t buffers : {2u, 3u, 4u, 7u}) {
    std::mt19937_64 random(buffers);
    std::mt19937_64 other_random(buffers + 100);
    ReadAhead<int> relay{std::vector<int>(buffers)};
    int asked = 0;
    int filled = 0;
    int came = 0;
    const auto ask = [&] {
      for (; asked < kItems && relay.free() != nullptr; ++asked) {
        relay.hand_over([&](int& item) {
          now_and_then_slow(other_random);
          item = filled++;
        });
      }
    };
    for (;;) {
      ask();
      const int* const item = relay.take();
      if (item == nullptr) break;
      REQUIRE(*item == came);
      if (random() % 2 == 0) ask();
      now_and_then_slow(random);
      // It does not change while it is the owner's.
      REQUIRE(*item == came++);
      relay.give_back();
    }
    REQUIRE(came == kItems);
  }
}

TEST_CASE("items that their owner empties too are emptied each once") {
  constexpr int kItems = 5'000;
  for (const std::size_t buffers : {2u, 3u, 4u, 7u}) {
    std::mt19937_64 random(buffers);
    std::mt19937_64 other_random(buffers + 100);
    std::vector<int> came;
    std::vector<int> came_here;
    WriteBehind<std::vector<int>> relay{std::vector<std::vector<int>>(buffers)};
    for (int i = 0; i < kItems; ++i) {
      now_and_then_slow(random);
      REQUIRE(relay.current().empty());
      relay.current().push_back(i);
      relay.hand_over_or(
          [&](std::vector<int>& item) {
            now_and_then_slow(other_random);
            came.insert(came.end(), item.begin(), item.end());
            item.clear();
          },
          [&](std::vector<int>& item) {
            came_here.insert(came_here.end(), item.begin(), item.end());
            item.clear();
          });
    }
    relay.finish();
    // Either did some of it, in order.
    CHECK(!came.empty());
    CHECK(!came_here.empty());
    REQUIRE(std::ranges::is_sorted(came));
    REQUIRE(std::ranges::is_sorted(came_here));
    came.insert(came.end(), came_here.begin(), came_here.end());
    std::ranges::sort(came);
    REQUIRE(came.size() == kItems);
    REQUIRE(std::ranges::adjacent_find(came) == came.end());
  }
}

TEST_CASE("items that their owner fills too come in order, each once") {
  constexpr int kItems = 5'000;
  for (const std::size_t buffers : {2u, 3u, 4u, 7u}) {
    std::mt19937_64 random(buffers);
    std::mt19937_64 other_random(buffers + 100);
    struct Item {
      int asked = 0;
      int filled = -1;
    };
    ReadAhead<Item> relay{std::vector<Item>(buffers)};
    int asked = 0;
    int came = 0;
    int filled_here = 0;
    const auto ask = [&] {
      for (; asked < kItems; ++asked) {
        Item* const item = relay.free();
        if (item == nullptr) return;
        *item = {.asked = asked, .filled = -1};
        relay.hand_over([&](Item& full) {
          now_and_then_slow(other_random);
          full.filled = full.asked;
        });
      }
    };
    const auto here = [&](Item& full) {
      REQUIRE(full.filled == -1);
      full.filled = full.asked;
      ++filled_here;
    };
    for (;;) {
      ask();
      // Both ways of taking one go together.
      const Item* const item = random() % 4 == 0 ? relay.take() : relay.take(here);
      if (item == nullptr) break;
      REQUIRE(item->filled == came);
      if (random() % 2 == 0) ask();
      now_and_then_slow(random);
      REQUIRE(item->filled == came++);
      relay.give_back();
    }
    REQUIRE(came == kItems);
    // With two only one is ever away, which stays the thread's.
    CAPTURE(buffers, filled_here);
    CHECK((buffers == 2 || filled_here > 0));
  }
}

TEST_CASE("a failure of the second thread reaches its owner") {
  WriteBehind<int> behind{std::vector<int>(3)};
  int done = 0;
  const auto write_ten = [&] {
    for (int i = 0; i < 10; ++i) {
      behind.hand_over([&done, i](int&) {
        if (i == 4) throw std::runtime_error("no room");
        ++done;
      });
    }
    behind.finish();
  };
  REQUIRE(failure_of(write_ten) == "no room");
  REQUIRE(done == 4);

  ReadAhead<int> ahead{std::vector<int>(3)};
  int read = 0;
  int next = 0;
  const auto read_all = [&] {
    for (;;) {
      while (ahead.free() != nullptr) {
        ahead.hand_over([&next](int&) {
          if (next++ == 4) throw std::runtime_error("unreadable");
        });
      }
      static_cast<void>(*ahead.take());
      ++read;
      ahead.give_back();
    }
  };
  REQUIRE(failure_of(read_all) == "unreadable");
  // What was in order before it may have been looked at; it and what is behind it never are.
  REQUIRE(read <= 4);
}

}  // namespace
}  // namespace coffer::platform
