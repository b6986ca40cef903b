// Which kind of logical page this is: PageHeader::type.  0 is never used, so that a zeroed page is none.
#pragma once

#include <cstdint>

namespace coffer::tree {

inline constexpr std::uint8_t kPageTypeBranch = 1;
inline constexpr std::uint8_t kPageTypeLeaf = 2;
inline constexpr std::uint8_t kPageTypeChunkIndexInner = 3;
inline constexpr std::uint8_t kPageTypeChunkIndexLeaf = 4;

}  // namespace coffer::tree
