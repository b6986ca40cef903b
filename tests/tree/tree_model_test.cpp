// Trees against std::map and std::set of pairs: random operations, on pages of several sizes, with
// commits, rollbacks and savepoints in between.
#include <coffer/error.hpp>
#include <map>

#include "tests/tree/tree_support.hpp"

namespace coffer::tree::test {

namespace {

// Keys and values of a kind; keys come from a small world, so that operations meet.
struct Shape {
  std::size_t keys = 2000;
  std::size_t key_bytes_max = 24;
  std::size_t value_bytes_max = 120;
  unsigned large_percent = 0;
  bool shared_prefix = false;
};

class Inputs {
 public:
  Inputs(const Shape& shape, Random& random, std::size_t key_limit)
      : shape_(shape), random_(random) {
    keys_.push_back("");
    while (keys_.size() < shape.keys) {
      const std::size_t limit = std::min(shape.key_bytes_max, key_limit);
      std::string key = shape.shared_prefix ? std::string(below(random, limit), 'p') : "";
      key += random_bytes(random, below(random, limit - key.size() + 1));
      keys_.push_back(key);
    }
  }
  const std::string& key() { return keys_[below(random_, keys_.size())]; }
  std::string value() {
    const bool large = below(random_, 100) < shape_.large_percent;
    return random_bytes(random_, below(random_, large ? 40'000 : shape_.value_bytes_max + 1));
  }

 private:
  Shape shape_;
  Random& random_;
  std::vector<std::string> keys_;
};

testing::FakePagesOptions pages_of(std::size_t content_bytes) {
  testing::FakePagesOptions options;
  options.content_bytes = content_bytes;
  options.pins_max = 24;
  // Filling the gap with garbage at every unpin takes long on large pages.
  options.scribble = content_bytes < 10'000;
  return options;
}

std::string read_all(ValueReader reader) {
  std::string out(reader.size(), '\0');
  REQUIRE(reader.read(std::as_writable_bytes(std::span(out))) <= out.size());
  std::size_t done = 0;
  while (done < out.size()) {
    const std::size_t n =
        reader.read_at(done, std::as_writable_bytes(std::span(out)).subspan(done));
    REQUIRE(n > 0);
    done += n;
  }
  return out;
}

using Map = std::map<std::string, std::string>;

void compare_all(Tree& tree, const Map& model) {
  Cursor cursor = tree.cursor();
  auto expected = model.begin();
  for (bool more = cursor.first(); more; more = cursor.next(), ++expected) {
    REQUIRE(expected != model.end());
    REQUIRE(cursor.key().text() == expected->first);
    REQUIRE(cursor.value_size() == expected->second.size());
    REQUIRE(read_all(cursor.read()) == expected->second);
  }
  REQUIRE(expected == model.end());
  auto backward = model.rbegin();
  for (bool more = cursor.last(); more; more = cursor.previous(), ++backward) {
    REQUIRE(backward != model.rend());
    REQUIRE(cursor.key().text() == backward->first);
  }
  REQUIRE(backward == model.rend());
  REQUIRE(tree.count() == model.size());
  REQUIRE(tree.empty() == model.empty());
}

class MapRun {
 public:
  MapRun(std::size_t content_bytes, const Shape& shape, std::uint64_t seed)
      : random_(seed),
        store_(pages_of(content_bytes)),
        tree_(store_.create("t")),
        inputs_(shape, random_, tree_.key_bytes_max()) {}

  void run(std::size_t operations) {
    store_.pages.commit();
    for (std::size_t i = 0; i < operations; ++i) {
      // Long stretches that grow and shrink the tree, so that it splits and merges on all levels.
      if (i % 5000 == 0) grows_ = below(random_, 3) != 0;
      step();
      if (i % 20'000 == 19'999) whole();
    }
    whole();
    empty_out();
  }

 private:
  void step() {
    switch (below(random_, 16)) {
      case 0:
        return point();
      case 1:
        return seek();
      case 2:
        return range();
      case 3:
        return swap();
      case 4:
        return insert();
      case 5:
        return streamed();
      case 6:
        return end_of_something();
      case 7:
        return at_cursor();
      default:
        return grows_ ? put() : erase();
    }
  }
  void put() {
    const std::string& key = inputs_.key();
    const std::string value = inputs_.value();
    tree_.put(key, value);
    model_[key] = value;
  }
  void erase() {
    const std::string& key = inputs_.key();
    REQUIRE(tree_.erase(key) == (model_.erase(key) == 1));
  }
  void insert() {
    const std::string& key = inputs_.key();
    const std::string value = inputs_.value();
    REQUIRE(tree_.insert(key, value) == model_.emplace(key, value).second);
  }
  void streamed() {
    if (below(random_, 8) != 0) return;
    const std::string& key = inputs_.key();
    const std::string value = inputs_.value();
    ValueWriter writer = tree_.write(key);
    writer.write(std::string_view(value).substr(0, value.size() / 3));
    writer.write(std::string_view(value).substr(value.size() / 3));
    if (below(random_, 4) == 0) return;  // without finish nothing changes
    writer.finish();
    model_[key] = value;
  }
  void swap() {
    const std::string& key = inputs_.key();
    const std::string value = inputs_.value();
    const auto found = model_.find(key);
    const bool wrong = below(random_, 3) == 0;
    std::optional<std::string> expected;
    if (found != model_.end()) expected = found->second;
    if (wrong)
      expected = expected ? std::optional(*expected + "x") : std::optional<std::string>("");
    std::optional<Bytes> view;
    if (expected) view = Bytes(*expected);
    REQUIRE(tree_.compare_and_swap(key, view, value) == !wrong);
    if (!wrong) model_[key] = value;
  }
  void point() {
    const std::string& key = inputs_.key();
    const auto found = model_.find(key);
    REQUIRE(tree_.contains(key) == (found != model_.end()));
    std::optional<ValueReader> reader = tree_.read(key);
    REQUIRE(reader.has_value() == (found != model_.end()));
    if (!reader) return;
    REQUIRE(read_all(*std::move(reader)) == found->second);
    if (4 + key.size() + found->second.size() > store_.pages.content_bytes() / 4) {
      REQUIRE_THROWS_AS(tree_.get(key), InvalidArgument);
    } else {
      REQUIRE(tree_.get(key)->text() == found->second);
    }
  }
  void seek() {
    const std::string& key = inputs_.key();
    Cursor cursor = tree_.cursor();
    auto at = model_.lower_bound(key);
    REQUIRE(cursor.seek(key) == (at != model_.end()));
    for (int i = 0; i < 3 && at != model_.end(); ++i, ++at) {
      REQUIRE(cursor.key().text() == at->first);
      REQUIRE(cursor.next() == (std::next(at) != model_.end()));
    }
    REQUIRE(cursor.seek_exact(key) == model_.contains(key));
    auto last = model_.upper_bound(key);
    REQUIRE(cursor.seek_last(key) == (last != model_.begin()));
    for (int i = 0; i < 3 && last != model_.begin(); ++i) {
      --last;
      REQUIRE(cursor.key().text() == last->first);
      REQUIRE(cursor.previous() == (last != model_.begin()));
    }
  }
  void range() {
    if (below(random_, 40) != 0) return;
    std::string from = inputs_.key();
    std::string to = inputs_.key();
    std::string prefix;
    const std::uint64_t kind = below(random_, 4);
    if (kind == 0) {  // a short stretch
      const auto at = model_.lower_bound(from);
      auto end = at;
      for (std::uint64_t n = below(random_, 150); n > 0 && end != model_.end(); --n) ++end;
      to = end == model_.end() ? "" : end->first;
    } else if (kind == 1) {
      prefix = from.substr(0, 1);
      from.clear();
      to.clear();
    } else if (kind == 2 && below(random_, 10) != 0) {
      return;
    }
    std::uint64_t expected = 0;
    for (auto at = model_.begin(); at != model_.end();) {
      const bool in =
          at->first >= from && (to.empty() || at->first < to) && at->first.starts_with(prefix);
      expected += in ? 1 : 0;
      at = in ? model_.erase(at) : std::next(at);
    }
    REQUIRE(tree_.erase_range({from, to, prefix}) == expected);
  }
  void at_cursor() {
    Cursor cursor = tree_.cursor();
    auto at = model_.lower_bound(inputs_.key());
    if (at == model_.end()) return;
    REQUIRE(cursor.seek(at->first));
    for (std::uint64_t n = below(random_, 6); n > 0 && at != model_.end(); --n) {
      at = model_.erase(at);
      REQUIRE(cursor.erase() == (at != model_.end()));
      REQUIRE(cursor.valid() == (at != model_.end()));
      if (at != model_.end()) REQUIRE(cursor.key().text() == at->first);
    }
  }
  void end_of_something() {
    switch (below(random_, 60)) {
      case 0:
        store_.pages.commit();
        committed_ = model_;
        savepoint_.reset();
        break;
      case 1:
        if (below(random_, 8) != 0) break;
        store_.pages.rollback();
        model_ = committed_;
        savepoint_.reset();
        break;
      case 2:
        savepoint_ = {store_.pages.savepoint(), model_};
        store_.registry->savepoint_made(savepoint_->first);
        break;
      case 3:
        if (!savepoint_) break;
        store_.pages.rollback_to(savepoint_->first);
        store_.registry->rolled_back_to(savepoint_->first);
        model_ = savepoint_->second;
        break;
      default:
        break;
    }
  }
  void whole() {
    REQUIRE(check_store(store_).entries == model_.size());
    compare_all(tree_, model_);
    REQUIRE_FALSE(store_.registry->must_roll_back());
  }
  void empty_out() {
    while (!model_.empty()) {
      auto at = model_.lower_bound(inputs_.key());
      if (at == model_.end()) at = model_.begin();
      REQUIRE(tree_.erase(at->first));
      model_.erase(at);
    }
    REQUIRE(check_store(store_).entries == 0);
    REQUIRE(store_.pages.page_count() == 2);  // the catalog's root and the tree's
    store_.pages.commit();
  }

  Random random_;
  Store store_;
  Tree tree_;
  Inputs inputs_;
  Map model_;
  Map committed_;
  std::optional<std::pair<txn::SavepointId, Map>> savepoint_;
  bool grows_ = true;
};

}  // namespace

TEST_CASE("a tree does what std::map does") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  SECTION("on pages of 4072 bytes") {
    MapRun(4072, {}, seed).run(40'000);
  }
  SECTION("on pages of 512 bytes, which makes it high") {
    MapRun(512, {.keys = 6000, .value_bytes_max = 60}, seed).run(80'000);
  }
  SECTION("on pages of 8168 bytes with large values") {
    MapRun(8168, {.keys = 500, .value_bytes_max = 3000, .large_percent = 10}, seed).run(10'000);
  }
  SECTION("on pages of 65512 bytes") {
    MapRun(65512, {.keys = 3000, .value_bytes_max = 400}, seed).run(8'000);
  }
  SECTION("with keys up to the longest") {
    MapRun(4072, {.keys = 400, .key_bytes_max = 2000, .value_bytes_max = 1500}, seed).run(20'000);
  }
  SECTION("with keys that share long beginnings on small pages") {
    const Shape shape{
        .keys = 1500, .key_bytes_max = 120, .value_bytes_max = 90, .shared_prefix = true};
    MapRun(520, shape, seed).run(40'000);
  }
}

namespace {

using Pairs = std::set<std::pair<std::string, std::string>>;

class PairsRun {
 public:
  PairsRun(std::size_t content_bytes, const Shape& shape, std::uint64_t seed)
      : random_(seed),
        store_(pages_of(content_bytes)),
        tree_(store_.create("t", {.multi_value = true})),
        inputs_(shape, random_, tree_.key_bytes_max()),
        values_(shape, random_, tree_.key_bytes_max()) {}

  void run(std::size_t operations) {
    for (std::size_t i = 0; i < operations; ++i) {
      if (i % 4000 == 0) grows_ = below(random_, 3) != 0;
      step();
      if (i % 20'000 == 19'999) whole();
    }
    whole();
    REQUIRE(tree_.erase_range({}) == model_.size());
    REQUIRE(check_store(store_).entries == 0);
    REQUIRE(store_.pages.page_count() == 2);
  }

 private:
  void step() {
    const std::string& key = inputs_.key();
    const std::string& value = values_.key();
    switch (below(random_, 14)) {
      case 0:
        return seek(key, value);
      case 1: {
        if (below(random_, 10) != 0) return;
        const auto last =
            std::upper_bound(model_.begin(), model_.end(), key,
                             [](const std::string& k, const auto& pair) { return k < pair.first; });
        const auto first = model_.lower_bound({key, ""});
        REQUIRE(tree_.erase(key) == (first != last));
        model_.erase(first, last);
        return;
      }
      case 2:
        REQUIRE(tree_.insert(key, value) == model_.emplace(key, value).second);
        return;
      case 3:
        return at_cursor(key, value);
      default:
        if (grows_) {
          tree_.put(key, value);
          model_.emplace(key, value);
        } else {
          REQUIRE(tree_.erase(key, value) == (model_.erase({key, value}) == 1));
        }
    }
  }
  void same(const Cursor& cursor, Pairs::const_iterator at) {
    REQUIRE(cursor.valid() == (at != model_.end()));
    if (at == model_.end()) return;
    REQUIRE(cursor.key().text() == at->first);
    REQUIRE(cursor.value().text() == at->second);
  }
  void seek(const std::string& key, const std::string& value) {
    Cursor cursor = tree_.cursor();
    const auto first = model_.lower_bound({key, ""});
    const bool has = first != model_.end() && first->first == key;
    cursor.seek(key);
    same(cursor, first);
    if (cursor.valid()) {
      const std::string here = first->first;
      cursor.next_key();
      same(cursor,
           std::find_if(first, model_.end(), [&](const auto& pair) { return pair.first != here; }));
    }
    REQUIRE(cursor.seek_exact(key) == has);
    if (has) same(cursor, first);
    REQUIRE(tree_.contains(key) == has);
    if (has) REQUIRE(tree_.get(key)->text() == first->second);

    const auto pair = model_.lower_bound({key, value});
    const bool in_key = pair != model_.end() && pair->first == key;
    REQUIRE(cursor.seek_value(key, value) == in_key);
    if (in_key) same(cursor, pair);

    auto behind = first;
    while (behind != model_.end() && behind->first == key) ++behind;
    REQUIRE(cursor.seek_last(key) == (behind != model_.begin()));
    if (behind != model_.begin()) same(cursor, std::prev(behind));
  }
  void at_cursor(const std::string& key, const std::string& value) {
    Cursor cursor = tree_.cursor();
    auto at = model_.lower_bound({key, value});
    if (at == model_.end()) return;
    REQUIRE(cursor.seek(at->first));
    while (cursor.key().text() == at->first && cursor.value().text() != at->second) cursor.next();
    same(cursor, at);
    for (std::uint64_t n = below(random_, 6); n > 0 && at != model_.end(); --n) {
      at = model_.erase(at);
      cursor.erase();
      same(cursor, at);
    }
  }
  void whole() {
    REQUIRE(check_store(store_).entries == model_.size());
    Cursor cursor = tree_.cursor();
    cursor.first();
    for (auto at = model_.begin(); at != model_.end(); ++at, cursor.next()) same(cursor, at);
    REQUIRE_FALSE(cursor.valid());
    store_.pages.commit();
  }

  Random random_;
  Store store_;
  Tree tree_;
  Inputs inputs_;
  Inputs values_;
  Pairs model_;
  bool grows_ = true;
};

}  // namespace

TEST_CASE("a multi-value tree does what a std::set of pairs does") {
  const std::uint64_t seed = test_seed();
  INFO("COFFER_TEST_SEED=" << seed);
  SECTION("on pages of 4072 bytes") {
    PairsRun(4072, {.keys = 150}, seed).run(40'000);
  }
  SECTION("on pages of 512 bytes") {
    PairsRun(512, {.keys = 100, .key_bytes_max = 30}, seed).run(80'000);
  }
  SECTION("with keys and values up to the longest") {
    PairsRun(4072, {.keys = 30, .key_bytes_max = 2000}, seed).run(20'000);
  }
  SECTION("on pages of 65512 bytes") {
    PairsRun(65512, {.keys = 200, .key_bytes_max = 60}, seed).run(8'000);
  }
}

}  // namespace coffer::tree::test
