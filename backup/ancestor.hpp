// Which checkpoint a backup is of, and whether a store still knows it.
#pragma once

#include <array>
#include <cstdint>

#include "crypto/seal.hpp"
#include "pager/superblock.hpp"
#include "platform/platform.hpp"

namespace coffer::backup {

/// The checkpoint that a backup was made of; what an increment says of the backup before it.
struct ParentMark {
  std::uint64_t checkpoint = 0;  ///< 0: none
  crypto::Hash identity{};
  friend bool operator==(const ParentMark&, const ParentMark&) = default;
};

[[nodiscard]] ParentMark mark_of(const pager::Superblock& superblock);

/// Raises InvalidArgument unless the store that the backup `path` was made of, then `instance` at `then`, is what
/// the store behind `now` was at that time.
void expect_ancestor(const pager::Superblock& now, const std::array<std::byte, 16>& instance,
                     const ParentMark& then, const platform::Path& path);

/// InvalidArgument: the backup `path` is of a copy that went another way.
[[noreturn]] void raise_other_copy(const platform::Path& path);

}  // namespace coffer::backup
