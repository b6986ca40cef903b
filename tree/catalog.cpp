#include "tree/catalog.hpp"

#include <coffer/error.hpp>

#include <algorithm>

#include "tree/btree_cursor.hpp"
#include "tree/known_trees.hpp"
#include "tree/undo.hpp"

namespace coffer::tree {

namespace {

void require_name(Bytes name) {
  if (name.empty() || name.size() > kCatalogNameBytesMax) {
    throw InvalidArgument("a tree's name has 1 to 255 bytes");
  }
}

void require_writer(const TreeContext& context) {
  if (context.sink == nullptr) {
    throw InvalidArgument("this transaction only reads; change trees in a WriteTransaction");
  }
}

}  // namespace

std::array<std::byte, kCatalogEntryBytes> encode_catalog_entry(const CatalogEntry& entry) {
  std::array<std::byte, kCatalogEntryBytes> out{};
  const unsigned options = (entry.options.multi_value ? kCatalogMultiValueBit : 0u) |
                           (entry.options.integer_keys ? kCatalogIntegerKeysBit : 0u);
  store(out.data() + kCatalogRootOffset, entry.root.value);
  store(out.data() + kCatalogOptionsOffset, static_cast<std::uint8_t>(options));
  return out;
}

CatalogEntry decode_catalog_entry(Bytes value, PageId page) {
  if (value.size() != kCatalogEntryBytes) raise_damaged(page, "a catalog entry has a wrong size");
  const auto options = load<std::uint8_t>(value.data() + kCatalogOptionsOffset);
  const Bytes reserved = value.subspan(kCatalogReservedOffset);
  const bool known =
      (options & ~(kCatalogMultiValueBit | kCatalogIntegerKeysBit)) == 0 &&
      std::all_of(reserved.begin(), reserved.end(), [](std::byte b) { return b == std::byte{0}; });
  if (!known) {
    throw VersionUnsupported(
        "the catalog names a tree of a kind that this Coffer does not know; open the store with "
        "the "
        "newer version that wrote it");
  }
  return {PageId(load<std::uint64_t>(value.data() + kCatalogRootOffset)),
          {.multi_value = (options & kCatalogMultiValueBit) != 0,
           .integer_keys = (options & kCatalogIntegerKeysBit) != 0}};
}

std::optional<BTree> catalog_tree(const TreeContext& context) {
  const PageId root = context.source->catalog_root();
  if (root == kNoPage) return std::nullopt;
  return BTree(context, root, {});
}

namespace {

std::optional<CatalogEntry> read_catalog(const TreeContext& context, Bytes name) {
  const std::optional<BTree> catalog = catalog_tree(context);
  if (!catalog) return std::nullopt;
  const std::optional<BTree::Entry> found = catalog->find(name);
  if (!found) return std::nullopt;
  if (found->large) raise_damaged(found->leaf.id(), "a catalog entry is a large value");
  return decode_catalog_entry(found->value, found->leaf.id());
}

}  // namespace

std::optional<BTree> find_in_catalog(const TreeContext& context, Bytes name) {
  require_name(name);
  const std::optional<CommitNumber> catalog =
      context.known_trees ? context.source->catalog_commit() : std::nullopt;
  std::optional<CatalogEntry> entry;
  if (catalog) entry = context.known_trees->find(*catalog, name);
  if (!entry) {
    entry = read_catalog(context, name);
    if (!entry) return std::nullopt;
    if (catalog) context.known_trees->add(*catalog, name, *entry);
  }
  return BTree(context, entry->root, entry->options);
}

BTree create_in_catalog(const TreeContext& context, Bytes name, TreeOptions options) {
  require_writer(context);
  if (std::optional<BTree> existing = find_in_catalog(context, name)) {
    if (existing->options() != options) {
      throw InvalidArgument("the tree is there already, and of another kind");
    }
    return *std::move(existing);
  }
  context.sink->note_catalog_change();
  Undo undo(context);
  if (context.source->catalog_root() == kNoPage) {
    context.sink->set_catalog_root(BTree::create_root(*context.sink));
  }
  const PageId root = BTree::create_root(*context.sink);
  const auto entry = encode_catalog_entry({root, options});
  catalog_tree(context)->put(name, Bytes(entry), PutMode::set);
  undo.keep();
  return BTree(context, root, options);
}

bool drop_from_catalog(const TreeContext& context, Bytes name) {
  require_writer(context);
  std::optional<BTree> tree = find_in_catalog(context, name);
  if (!tree) return false;
  context.sink->note_catalog_change();
  Undo undo(context);
  tree->free_all();
  catalog_tree(context)->erase_one({name});
  undo.keep();
  return true;
}

void for_each_tree(const TreeContext& context,
                   const std::function<void(Bytes name, const CatalogEntry& entry)>& visit) {
  std::optional<BTree> catalog = catalog_tree(context);
  if (!catalog) return;
  BTreeCursor cursor(*std::move(catalog));
  for (bool more = cursor.first(); more; more = cursor.next()) {
    const LeafCell cell = cursor.cell();
    if (cell.large) raise_damaged(cursor.leaf_id(), "a catalog entry is a large value");
    visit(cell.key, decode_catalog_entry(cell.value, cursor.leaf_id()));
  }
}

}  // namespace coffer::tree
