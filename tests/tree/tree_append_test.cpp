// Appending remembers the last leaf: what else happens between two appends must be noticed.
#include <coffer/error.hpp>

#include <map>
#include <set>

#include "tests/tree/tree_support.hpp"

namespace coffer::tree::test {

namespace {

/// One tree under two handles, and what it ought to hold.
class Appending {
 public:
  Appending(bool pairs, std::uint64_t seed)
      : pairs_(pairs), random_(seed), tree_(store_.create("t", {.multi_value = pairs})) {}

  void step() {
    switch (below(random_, 24)) {
      case 0:
        return put(number(static_cast<int>(below(random_, kNumbers))));
      case 1:
        // Another handle's insertion behind the end.
        return put(number(++last_));
      case 2:
        return erase_behind(number(static_cast<int>(below(random_, kNumbers))));
      case 3:
        static_cast<void>(store_.create("other").put(number(last_), "v"));
        return;
      case 4:
        return refused();
      case 5:
        return savepoint_and_back();
      default:
        return append();
    }
  }
  void compare() {
    std::set<std::pair<std::string, std::string>> there;
    Cursor cursor = tree_.cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
      there.emplace(cursor.key().text(), cursor.value().text());
    }
    REQUIRE(there == model_);
    cursor = tree_.cursor();
    check_store(store_);
  }

 private:
  static constexpr std::uint64_t kNumbers = 3000;

  std::string value() { return random_bytes(random_, below(random_, pairs_ ? 12 : 60)); }
  void put(const std::string& key) {
    const std::string with = value();
    if (!pairs_) model_.erase(model_.lower_bound({key, ""}), model_.lower_bound({key + '\0', ""}));
    find_tree(store_.writer(), "t")->put(key, with);
    model_.emplace(key, with);
  }
  void append() {
    const std::string with = value();
    // Now and then another value of the last key, which a multi-value tree takes when it is behind the last.
    if (pairs_ && !model_.empty() && below(random_, 2) == 0) {
      const auto& [key, before] = *model_.rbegin();
      if (with > before) {
        const std::string same = key;
        tree_.append(same, with);
        model_.emplace(same, with);
        return;
      }
    }
    if (!model_.empty()) last_ = std::max(last_, std::stoi(model_.rbegin()->first));
    const std::string key = number(++last_);
    tree_.append(key, with);
    model_.emplace(key, with);
  }
  void refused() {
    if (model_.empty()) return;
    const auto& [key, with] = *model_.rbegin();
    REQUIRE_THROWS_AS(tree_.append(key, pairs_ ? with : "anything"), InvalidArgument);
    REQUIRE_THROWS_AS(tree_.append("", ""), InvalidArgument);
  }
  void erase_behind(const std::string& key) {
    tree_.erase_range({.from = Bytes(key)});
    model_.erase(model_.lower_bound({key, ""}), model_.end());
  }
  void savepoint_and_back() {
    const auto id = store_.pages.savepoint();
    store_.registry->savepoint_made(id);
    const auto before = model_;
    const int last = last_;
    for (int i = 0; i < 5; ++i) append();
    store_.pages.rollback_to(id);
    store_.registry->rolled_back_to(id);
    store_.pages.release(id);
    model_ = before;
    last_ = last;
  }

  bool pairs_;
  Random random_;
  Store store_{512};
  Tree tree_;
  int last_ = 0;
  std::set<std::pair<std::string, std::string>> model_;
};

}  // namespace

TEST_CASE("an append goes behind the last entry, whatever has happened since the one before") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  for (const bool pairs : {false, true}) {
    Appending appending(pairs, seed);
    for (int i = 0; i < 4000; ++i) {
      appending.step();
      if (i % 100 == 0) appending.compare();
    }
    appending.compare();
  }
}

}  // namespace coffer::tree::test
