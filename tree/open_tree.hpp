// How a transaction makes the public Tree, and what else it asks of the catalog.  The context's source
// (and sink) outlive what is made.
//
// On failure nothing has changed; see btree.hpp for when the registry's must_roll_back() is set.
#pragma once

#include <coffer/statistics.hpp>
#include <coffer/tree.hpp>

#include <optional>
#include <vector>

#include "tree/tree_context.hpp"

namespace coffer::tree {

[[nodiscard]] std::optional<Tree> find_tree(const TreeContext& context, Bytes name);
/// The tree of that name, created when absent; InvalidArgument when it is there with other options.
[[nodiscard]] Tree create_tree(const TreeContext& context, Bytes name, TreeOptions options);
/// False when there is none.
bool drop_tree(const TreeContext& context, Bytes name);
/// In the order of names.
[[nodiscard]] std::vector<TreeInfo> list_trees(const TreeContext& context);

}  // namespace coffer::tree
