// The store's named trees.
//
//   K1  The catalog's root is PageSource::catalog_root(): kNoPage until the first tree is created.
//   K2  Creating and dropping a tree happens whole or not at all.
#pragma once

#include <array>
#include <functional>

#include "tree/btree.hpp"
#include "tree/catalog_format.hpp"

namespace coffer::tree {

struct CatalogEntry {
  PageId root;
  TreeOptions options;
};

[[nodiscard]] std::array<std::byte, kCatalogEntryBytes> encode_catalog_entry(
    const CatalogEntry& entry);
/// Corrupted, naming `page`, when it cannot be one; VersionUnsupported when it has bits that are not known.
[[nodiscard]] CatalogEntry decode_catalog_entry(Bytes value, PageId page);

/// The catalog itself as a tree; nothing in a store that never had one.
[[nodiscard]] std::optional<BTree> catalog_tree(const TreeContext& context);
[[nodiscard]] std::optional<BTree> find_in_catalog(const TreeContext& context, Bytes name);
/// The tree of that name, created when absent; InvalidArgument when it has other options.
[[nodiscard]] BTree create_in_catalog(const TreeContext& context, Bytes name, TreeOptions options);
bool drop_from_catalog(const TreeContext& context, Bytes name);
/// In the order of names; the bytes of `name` are valid during the call.
void for_each_tree(const TreeContext& context,
                   const std::function<void(Bytes name, const CatalogEntry& entry)>& visit);

}  // namespace coffer::tree
