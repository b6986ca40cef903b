// The transaction that trees are seen through.
#pragma once

#include <memory>

#include "tree/value_stream_registry.hpp"
#include "txn/pages.hpp"

namespace coffer::tree {

class KnownTrees;

struct TreeContext {
  txn::PageSource* source = nullptr;
  txn::PageSink* sink = nullptr;  ///< the same object; null in a transaction that only reads
  std::shared_ptr<StreamRegistry> registry{};  ///< the transaction's streams; may be null in tests
  KnownTrees* known_trees = nullptr;           ///< the store's; may be null
};

}  // namespace coffer::tree
