// The public Tree over BTree.
#include <coffer/error.hpp>
#include <coffer/tree.hpp>

#include <string>

#include "tree/catalog.hpp"
#include "tree/fork_guard.hpp"
#include "tree/open_tree.hpp"
#include "tree/public_cursor.hpp"
#include "tree/value_access.hpp"
#include "tree/value_stream.hpp"

namespace coffer {

namespace {

constexpr std::size_t kIntegerKeyBytes = 8;

ValueReader make_reader(const tree::BTree& tree, tree::BTree::Entry entry) {
  if (!entry.large) return tree::make_inline_reader(std::move(entry.leaf), entry.value);
  const auto value = tree.descriptor({{}, entry.value, true}, entry.leaf.id());
  return tree::make_large_reader(tree.source(), value, tree.context().registry);
}

// Compares piece by piece; what is read stays in locked memory.
bool large_value_equals(const tree::BTree& tree, const tree::LargeValueDescriptor& value,
                        Bytes expected) {
  if (value.length != expected.size()) return false;
  constexpr std::size_t kPieceBytes = 1024;
  tree::LargeValueReader reader(tree.source(), value, tree.context().registry);
  platform::LockedBuffer piece = tree.source().heap().allocate(kPieceBytes);
  for (std::size_t offset = 0; offset < expected.size();) {
    const std::size_t bytes = reader.read_at(offset, piece.bytes());
    const std::span<const std::byte> read = piece.bytes().first(bytes);
    if (bytes == 0 || !equal(read, expected.subspan(offset, bytes))) return false;
    offset += bytes;
  }
  return true;
}

// Puts a written value into the tree under a key that it keeps in locked memory.
class TreePlacer final : public tree::ValuePlacer {
 public:
  TreePlacer(const tree::BTree& tree, Bytes key) : tree_(tree) {
    if (key.empty()) return;
    key_ = tree_.source().heap().allocate(key.size());
    std::memcpy(key_.bytes().data(), key.data(), key.size());
  }
  [[nodiscard]] std::size_t inline_bytes_max() const override {
    return tree_.inline_value_bytes_max(key_.size());
  }
  void place_inline(std::span<const std::byte> value) override {
    tree_.put(key(), value, tree::PutMode::set);
  }
  void place_large(const tree::LargeValueDescriptor& value) override {
    tree_.put_large(key(), value);
  }

 private:
  [[nodiscard]] Bytes key() const { return key_.bytes(); }
  tree::BTree tree_;
  platform::LockedBuffer key_;
};

}  // namespace

std::array<std::byte, 8> integer_key(std::uint64_t number) {
  std::array<std::byte, kIntegerKeyBytes> key{};
  for (std::size_t i = 0; i < kIntegerKeyBytes; ++i) {
    key[i] = static_cast<std::byte>(number >> (8 * (kIntegerKeyBytes - 1 - i)));
  }
  return key;
}

std::uint64_t key_integer(Bytes key) {
  if (key.size() != kIntegerKeyBytes) throw InvalidArgument("an integer key has 8 bytes");
  std::uint64_t number = 0;
  for (const std::byte b : key) number = number << 8 | std::to_integer<std::uint64_t>(b);
  return number;
}

struct Tree::State {
  explicit State(tree::BTree tree_in) : tree(std::move(tree_in)) {}
  tree::BTree& use() {
    guard.check();
    return tree;
  }
  tree::BTree tree;
  tree::ForkGuard guard;
};

Tree::Tree(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tree::Tree(Tree&&) noexcept = default;
Tree& Tree::operator=(Tree&&) noexcept = default;
Tree::~Tree() = default;

const TreeOptions& Tree::options() const {
  return state_->use().options();
}
std::size_t Tree::key_bytes_max() const {
  return state_->use().key_bytes_max();
}

std::optional<Value> Tree::get(Bytes key) {
  std::optional<tree::BTree::Entry> entry = state_->use().find(key);
  if (!entry) return std::nullopt;
  if (entry->large) {
    throw InvalidArgument("the value is a large one, which no page holds; use read");
  }
  return Value::Access::make(std::move(entry->leaf), entry->value);
}

bool Tree::contains(Bytes key) {
  return state_->use().find(key).has_value();
}

std::optional<ValueReader> Tree::read(Bytes key) {
  std::optional<tree::BTree::Entry> entry = state_->use().find(key);
  if (!entry) return std::nullopt;
  return make_reader(state_->use(), *std::move(entry));
}

Cursor Tree::cursor() {
  return Cursor(std::make_unique<Cursor::State>(state_->use()));
}
std::uint64_t Tree::count() {
  return state_->use().count();
}
bool Tree::empty() {
  return state_->use().empty();
}

void Tree::put(Bytes key, Bytes value) {
  state_->use().put(key, value, tree::PutMode::set);
}

bool Tree::insert(Bytes key, Bytes value) {
  return state_->use().put(key, value, tree::PutMode::insert);
}

void Tree::append(Bytes key, Bytes value) {
  state_->use().put(key, value, tree::PutMode::append);
}

bool Tree::compare_and_swap(Bytes key, std::optional<Bytes> expected, Bytes desired) {
  tree::BTree& tree = state_->use();
  if (tree.pairs()) throw InvalidArgument("compare_and_swap is not for multi-value trees");
  tree.require_writable();
  {
    const std::optional<tree::BTree::Entry> entry = tree.find(key);
    if (entry.has_value() != expected.has_value()) return false;
    if (entry) {
      const bool same =
          entry->large
              ? large_value_equals(
                    tree, tree.descriptor({{}, entry->value, true}, entry->leaf.id()), *expected)
              : equal(entry->value, *expected);
      if (!same) return false;
    }
  }
  tree.put(key, desired, tree::PutMode::set);
  return true;
}

bool Tree::erase(Bytes key) {
  tree::BTree& tree = state_->use();
  tree.require_key(key);
  if (!tree.pairs()) return tree.erase_one({key});
  return tree.erase_run({key}, {.only_key = key}) != 0;
}

bool Tree::erase(Bytes key, Bytes value) {
  tree::BTree& tree = state_->use();
  if (!tree.pairs()) throw InvalidArgument("only a multi-value tree's pairs are erased by value");
  tree.require_key(key);
  return tree.erase_one({key, value});
}

std::uint64_t Tree::erase_range(const Range& range) {
  const Bytes from = compare(range.from, range.prefix) < 0 ? range.prefix : range.from;
  return state_->use().erase_run({from}, {.from_key_on = range.to, .prefix = range.prefix});
}

ValueWriter Tree::write(Bytes key) {
  tree::BTree& tree = state_->use();
  if (tree.pairs()) throw InvalidArgument("a multi-value tree has no large values");
  tree.require_writable();
  tree.require_key(key);
  return tree::make_value_writer(*tree.context().sink, tree.context().registry,
                                 std::make_unique<TreePlacer>(tree, key));
}

namespace tree {

namespace {
Tree make_tree(BTree tree) {
  return Tree(std::make_unique<Tree::State>(std::move(tree)));
}
}  // namespace

std::optional<Tree> find_tree(const TreeContext& context, Bytes name) {
  std::optional<BTree> found = find_in_catalog(context, name);
  if (!found) return std::nullopt;
  return make_tree(*std::move(found));
}

Tree create_tree(const TreeContext& context, Bytes name, TreeOptions options) {
  return make_tree(create_in_catalog(context, name, options));
}

bool drop_tree(const TreeContext& context, Bytes name) {
  return drop_from_catalog(context, name);
}

std::vector<TreeInfo> list_trees(const TreeContext& context) {
  std::vector<TreeInfo> trees;
  for_each_tree(context, [&](Bytes name, const CatalogEntry& entry) {
    trees.push_back(
        {std::string(name.text()), entry.options.multi_value, entry.options.integer_keys});
  });
  return trees;
}

}  // namespace tree
}  // namespace coffer
