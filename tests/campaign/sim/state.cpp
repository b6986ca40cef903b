// See state.hpp.
#include "tests/campaign/sim/state.hpp"

#include <fmt/format.h>

#include <array>

namespace coffer::campaign::sim {

namespace {

constexpr std::array kTreeNames = {"first", "second", "third"};

std::string random_bytes(Random& random, std::size_t length) {
  std::string bytes(length, '\0');
  for (std::size_t i = 0; i < length; i += 8) {
    std::uint64_t word = random();
    for (std::size_t j = i; j < length && j < i + 8; ++j, word >>= 8) {
      bytes[j] = static_cast<char>(word);
    }
  }
  return bytes;
}

std::string random_key(Random& random, const Sizes& sizes) {
  const std::uint64_t number = random.below(sizes.keys);
  // Of different lengths, and a few with a long common beginning.
  std::string key = fmt::format("{:x}", mixed(number, 7) >> (number % 40));
  return number % 5 == 0 ? "a long beginning that many have: " + key : key;
}

std::string random_value(Random& random, const Sizes& sizes) {
  if (random.one_in(sizes.large_one_in)) {
    return random_bytes(random, 5000 + random.below(sizes.large_bytes));
  }
  const std::uint64_t bound = random.one_in(8) ? 1500 : 120;
  return random_bytes(random, random.below(bound));
}

/// Changes one tree by one of the interface's calls; `entries` follows.
void change_entry(Tree& tree, State::Entries& entries, Random& random, const Sizes& sizes) {
  const std::string key = random_key(random, sizes);
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      tree.erase(key);
      entries.erase(key);
      break;
    case 3: {
      const std::string value = random_value(random, sizes);
      tree.insert(key, value);
      entries.try_emplace(key, value);
      break;
    }
    case 4: {
      const std::string value = random_value(random, sizes);
      const auto found = entries.find(key);
      if (found == entries.end()) {
        tree.compare_and_swap(key, std::nullopt, value);
        entries[key] = value;
      } else if (found->second.size() < 500) {
        tree.compare_and_swap(key, Bytes(found->second), value);
        found->second = value;
      }
      break;
    }
    case 5: {
      const std::string other = random_key(random, sizes);
      // Empty bounds are open, and a range is not turned around.
      if (key >= other || !random.one_in(4)) break;
      Range range;
      range.from = Bytes(key);
      range.to = Bytes(other);
      tree.erase_range(range);
      entries.erase(entries.lower_bound(key), entries.lower_bound(other));
      break;
    }
    default: {
      std::string value = random_value(random, sizes);
      tree.put(key, value);
      entries[key] = std::move(value);
      break;
    }
  }
}

void change_once(WriteTransaction& transaction, State& state, Random& random, const Sizes& sizes) {
  const std::string name = kTreeNames[random.below(kTreeNames.size())];
  if (random.one_in(60)) {
    transaction.drop_tree(name);
    state.trees.erase(name);
    return;
  }
  Tree tree = transaction.create_tree(name);
  change_entry(tree, state.trees[name], random, sizes);
}

std::optional<std::string> difference_in_tree(Tree tree, const std::string& name,
                                              const State::Entries& entries) {
  Cursor cursor = tree.cursor();
  auto expected = entries.begin();
  std::string large;
  for (bool more = cursor.first(); more; more = cursor.next(), ++expected) {
    if (expected == entries.end()) return fmt::format("tree '{}' has an entry too many", name);
    if (cursor.key().text() != expected->first) {
      return fmt::format("tree '{}' has another key at '{}'", name, expected->first);
    }
    if (cursor.value_size() != expected->second.size()) {
      return fmt::format("tree '{}' has a value of {} bytes instead of {} at '{}'", name,
                         cursor.value_size(), expected->second.size(), expected->first);
    }
    bool same = false;
    if (cursor.value_is_large()) {
      ValueReader reader = cursor.read();
      large.resize(reader.size());
      static_cast<void>(reader.read_at(0, std::as_writable_bytes(std::span(large))));
      same = large == expected->second;
    } else {
      same = cursor.value().text() == expected->second;
    }
    if (!same) return fmt::format("tree '{}' has another value at '{}'", name, expected->first);
  }
  if (expected != entries.end()) {
    return fmt::format("tree '{}' ends before '{}'", name, expected->first);
  }
  return std::nullopt;
}

}  // namespace

void change_some(WriteTransaction& transaction, State& state, Random& random, const Sizes& sizes) {
  for (std::uint64_t n = 1 + random.below(sizes.changes_max); n > 0; --n) {
    if (!random.one_in(20)) {
      change_once(transaction, state, random, sizes);
      continue;
    }
    const Savepoint savepoint = transaction.savepoint();
    State undone = state;
    for (std::uint64_t m = 1 + random.below(3); m > 0; --m) {
      change_once(transaction, undone, random, sizes);
    }
    if (random.one_in(2)) {
      transaction.rollback_to(savepoint);
    } else {
      state = std::move(undone);
    }
    transaction.release(savepoint);
  }
}

std::optional<std::string> difference(ReadTransaction& transaction, const State& state) {
  const std::vector<TreeInfo> trees = transaction.trees();
  if (trees.size() != state.trees.size()) {
    return fmt::format("{} trees instead of {}", trees.size(), state.trees.size());
  }
  for (const auto& [name, entries] : state.trees) {
    std::optional<Tree> tree = transaction.find_tree(name);
    if (!tree) return fmt::format("tree '{}' is missing", name);
    if (auto found = difference_in_tree(*std::move(tree), name, entries)) return found;
  }
  return std::nullopt;
}

}  // namespace coffer::campaign::sim
