// The making of checkpoints (metadata.hpp, M3 to M5).
#include <algorithm>
#include <utility>

#include "pager/metadata_state.hpp"

namespace coffer::pager {

namespace {

/// A file grows by no more than this at a time beyond what is needed (slot_ledger.cpp): whoever
/// asks for a bound and only then reserves is covered.
constexpr std::uint64_t kGrowthBytes = std::uint64_t{64} << 20;

void append(std::vector<SlotRun>& to, const std::vector<SlotRun>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// Holds for the checkpoint what others wrote and it will name: the version that a page has now may
/// be given up by its last reader before the superblock is written.  What the caller holds for the
/// checkpoint by itself stays the caller's.
void adopt(Metadata::State& s, const std::vector<SlotRun>& runs, std::vector<SlotRun>& adopted) {
  adopted.reserve(runs.size());
  for (const SlotRun& run : runs) {
    // L1: what nothing holds could have been given to somebody else by now.
    Expects(!s.ledger.reusable(run.first));
    if (s.ledger.held(run, Hold::checkpoint)) continue;
    adopted.push_back(run);
    s.ledger.hold(run, Hold::checkpoint);
  }
}

}  // namespace

std::uint64_t Metadata::node_slots_max(std::uint64_t pages, PageId next_page) const {
  const State& s = *state_;
  const auto guard = s.gate.shared();
  // The page table: on each level no more nodes than pages change, nor more than there can be;
  // where the tree grows, also the path from the former root.
  std::uint64_t nodes = 0;
  const unsigned levels = std::max(s.table.levels, s.table_shape.levels_for(next_page.value));
  for (unsigned level = 0; pages != 0 && level < levels; ++level) {
    const std::uint64_t possible =
        std::max<std::uint64_t>(1, s.table_shape.nodes_for(next_page.value, level));
    const std::uint64_t grown = s.table.levels != 0 && level >= s.table.levels ? 1 : 0;
    nodes += std::min(pages + grown, possible);
  }
  // The free map: a chain of freed and allocated node slots can reach every leaf.
  return nodes +
         s.free_shape.all_nodes_for(s.file.slot_count() + kGrowthBytes / s.file.page_bytes(),
                                    s.free_map.level_count());
}

CheckpointRoots Metadata::prepare(const CheckpointChanges& changes, crypto::NonceRun& nonces) {
  State& s = *state_;
  Expects(!s.prepared);
  s.prepared.emplace();
  try {
    auto& node_slots = s.prepared->node_slots;
    TableUpdate table(s, s.table, s.file.page_bytes(), changes.checkpoint);
    table.plan(changes.pages);
    node_slots = s.ledger.allocate_scattered(table.slots_needed(), Hold::checkpoint);
    const std::vector<SlotRun> table_slots = node_slots;

    CheckpointRoots roots;
    append(roots.now_used, table.page_slots());
    append(roots.now_used, changes.runs_used);
    adopt(s, roots.now_used, s.prepared->adopted);
    append(roots.now_used, table_slots);
    append(roots.no_longer_used, table.slots_gone());
    append(roots.no_longer_used, changes.runs_unused);

    FreeMapUpdate map(s.free_map, s.ledger, s.file.page_bytes(), s.keys.suite());
    for (const SlotRun& run : roots.now_used) map.set(run);
    for (const SlotRun& run : roots.no_longer_used) map.clear(run);
    map.settle(node_slots);
    append(roots.now_used, map.node_slots());
    append(roots.no_longer_used, map.slots_gone());

    NodeWriter writer(s.file, s.keys, nonces, s.entropy, changes.checkpoint);
    table.write(table_slots, writer, s.cache.bytes_max());
    map.write(writer);
    writer.flush();

    roots.table_root = table.after().root.ref;
    roots.table_levels = static_cast<std::uint8_t>(table.after().levels);
    roots.page_count = table.after().root.count;
    roots.free_root = map.after().root().ref;
    roots.free_levels = static_cast<std::uint8_t>(map.after().level_count());
    roots.slot_count = map.slot_count();

    s.prepared->table = table.after();
    s.prepared->free_map = map.after();
    s.prepared->table_nodes = std::move(table.changed_nodes());
    return roots;
  } catch (...) {
    abandon();
    throw;
  }
}

void Metadata::install() {
  State& s = *state_;
  Expects(s.prepared.has_value());
  {
    const ReaderGate::Exclusive guard(s.gate);
    s.table = s.prepared->table;
    std::swap(s.free_map, s.prepared->free_map);
    for (ChangedNode& changed : s.prepared->table_nodes) {
      s.cache.erase(changed.level, changed.index);
      if (changed.node == nullptr) continue;
      try {
        s.cache.put(changed.level, changed.index, std::move(changed.node));
      } catch (const std::bad_alloc&) {
        // It is read again when it is wanted.
      }
    }
  }
  s.prepared.reset();
}

void Metadata::abandon() noexcept {
  State& s = *state_;
  if (!s.prepared) return;
  for (const SlotRun& run : s.prepared->node_slots) s.ledger.release(run, Hold::checkpoint);
  for (const SlotRun& run : s.prepared->adopted) s.ledger.release(run, Hold::checkpoint);
  s.prepared.reset();
}

}  // namespace coffer::pager
