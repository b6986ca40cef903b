// Where the trees last asked for have their roots, so that a transaction need not open the catalog's pages
// to find the tree it works on.
//
//   Q1  An entry is for one state of the catalog, named by the commit that made it (PageSource::
//       catalog_commit()), and answers only for that: a view that sees an older catalog, or has changed
//       it, does not ask.
//   Q2  No name is kept: only its SipHash-2-4-128 under a random key in locked memory, from which neither
//       the name nor another of the same hash can be found.
//
// Thread-safe.
#pragma once

#include <array>
#include <mutex>
#include <optional>

#include "crypto/seal.hpp"
#include "platform/locked_heap.hpp"
#include "platform/platform.hpp"
#include "tree/catalog.hpp"

namespace coffer::tree {

class KnownTrees {
 public:
  /// `heap` outlives it.
  KnownTrees(platform::LockedHeap& heap, platform::Entropy& entropy);

  [[nodiscard]] std::optional<CatalogEntry> find(CommitNumber catalog, Bytes name) const;
  void add(CommitNumber catalog, Bytes name, const CatalogEntry& entry);

 private:
  struct Known {
    crypto::ShortHash name{};
    CommitNumber catalog{};
    CatalogEntry entry;
  };
  static constexpr std::size_t kPlaces = 64;  ///< a hash has one; the last one asked for has it
  [[nodiscard]] crypto::ShortHash hash(Bytes name) const;
  [[nodiscard]] static std::size_t place_of(const crypto::ShortHash& hash);

  platform::LockedBuffer key_;
  mutable std::mutex mutex_;
  std::array<Known, kPlaces> known_{};
};

}  // namespace coffer::tree
