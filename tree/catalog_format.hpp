// The catalog: a tree whose keys are the names of the store's trees, 1 to 255 bytes, and whose values
// say where each tree is and of what kind.
//
//   offset  size  what
//   0       8     page number of the tree's root, little-endian
//   8       1     options: bit 0 multi-value, bit 1 integer keys; the others are zero
//   9       7     zero
//
// A bit that is set and not known belongs to a newer Coffer: VersionUnsupported.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::tree {

inline constexpr std::size_t kCatalogNameBytesMax = 255;

inline constexpr std::size_t kCatalogRootOffset = 0;
inline constexpr std::size_t kCatalogOptionsOffset = kCatalogRootOffset + 8;
inline constexpr std::size_t kCatalogReservedOffset = kCatalogOptionsOffset + 1;
inline constexpr std::size_t kCatalogEntryBytes = 16;
static_assert(kCatalogOptionsOffset == 8 && kCatalogReservedOffset == 9);

inline constexpr std::uint8_t kCatalogMultiValueBit = 1;
inline constexpr std::uint8_t kCatalogIntegerKeysBit = 2;

}  // namespace coffer::tree
