// What records say, as their writer is given it and their reader hands it over.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include <coffer/bytes.hpp>

#include "backup/ancestor.hpp"
#include "backup/record_format.hpp"
#include "crypto/key_header.hpp"

namespace coffer::backup {

/// What a backup says of the state that it shows.
struct Origin {
  crypto::StoreId store{};
  std::array<std::byte, format::kIdBytes> instance{};
  std::uint64_t commit = 0;
  std::chrono::nanoseconds taken{};
  std::uint32_t page_size = 0;
  ParentMark mark{};             ///< of the checkpoint before it, or none
  crypto::Hash parent_header{};  ///< in an increment: context_of its parent
};

/// Where a range of a tree begins or ends; refers to bytes of somebody else's.
struct RangeBound {
  format::BoundKind kind = format::BoundKind::open;
  Bytes key{};
  Bytes value{};  ///< in a multi-value tree
};

}  // namespace coffer::backup
