// What Metadata is made of; for metadata.cpp and checkpoint.cpp.
#pragma once

#include <optional>
#include <vector>

#include "pager/free_map.hpp"
#include "pager/metadata.hpp"
#include "pager/node_cache.hpp"
#include "pager/node_store.hpp"
#include "pager/reader_gate.hpp"
#include "pager/table_update.hpp"

namespace coffer::pager {

/// What prepare() made and install() puts in force.
struct PreparedCheckpoint {
  TableRoot table;
  FreeMap free_map;
  std::vector<ChangedNode> table_nodes;  ///< to be replaced in, or dropped from, the cache
  std::vector<SlotRun> node_slots;       ///< held for the checkpoint
  std::vector<SlotRun> adopted;          ///< likewise; written by somebody else
};

struct Metadata::State final : TableReader {
  State(PageFile& f, SlotLedger& l, const crypto::KeyRing& k, platform::Entropy& e,
        std::uint64_t cache_bytes_max)
      : file(f),
        ledger(l),
        keys(k),
        entropy(e),
        table_shape(format::table_shape(f.page_bytes())),
        free_shape(format::free_map_shape(f.page_bytes())),
        cache(cache_bytes_max) {}

  PageFile& file;
  SlotLedger& ledger;
  const crypto::KeyRing& keys;
  platform::Entropy& entropy;
  const format::Shape table_shape;
  const format::Shape free_shape;

  /// Held shared by whoever reads nodes of the checkpoint in force from disk (M2) or what follows;
  /// exclusively by install.  The one thread that prepares and installs reads without it.
  ReaderGate gate;
  TableRoot table;
  FreeMap free_map;
  mutable NodeCache cache;

  std::optional<PreparedCheckpoint> prepared;

  /// The node of the table in force; nullptr when its subtree is empty.  Under the gate.
  [[nodiscard]] NodePointer table_node(unsigned level, std::uint64_t index) const override;
  [[noreturn]] void raise_reused(PageId page, SlotId slot) const override;
  /// Likewise from disk; compares its count with the reference's.
  [[nodiscard]] NodePointer read_counted(const NodePlace& place, const Child& child) const;
};

}  // namespace coffer::pager
