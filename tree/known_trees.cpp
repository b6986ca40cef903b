#include "tree/known_trees.hpp"

namespace coffer::tree {

KnownTrees::KnownTrees(platform::LockedHeap& heap, platform::Entropy& entropy)
    : key_(heap.allocate(crypto::kShortHashKeyBytes)) {
  entropy.fill(key_.bytes());
}

crypto::ShortHash KnownTrees::hash(Bytes name) const {
  return crypto::short_hash(key_.bytes().first<crypto::kShortHashKeyBytes>(), name);
}

std::size_t KnownTrees::place_of(const crypto::ShortHash& hash) {
  return std::to_integer<std::size_t>(hash[0]) % kPlaces;
}

std::optional<CatalogEntry> KnownTrees::find(CommitNumber catalog, Bytes name) const {
  const crypto::ShortHash wanted = hash(name);
  const std::scoped_lock lock(mutex_);
  const Known& known = known_[place_of(wanted)];
  if (known.entry.root == kNoPage || known.catalog != catalog || known.name != wanted) {
    return std::nullopt;
  }
  return known.entry;
}

void KnownTrees::add(CommitNumber catalog, Bytes name, const CatalogEntry& entry) {
  const crypto::ShortHash added = hash(name);
  const std::scoped_lock lock(mutex_);
  known_[place_of(added)] = {.name = added, .catalog = catalog, .entry = entry};
}

}  // namespace coffer::tree
