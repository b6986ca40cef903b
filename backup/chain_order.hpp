// Whether backups are a chain: a full one, and increments that follow each other.  Of snapshots and of logical
// backups alike; which state a link is of is for its reader to compare.
//
// Invariants
//   O1  The first link is a full backup, and each other one names the one before it by its id.
//   O2  All links are of one store.
//   O3  What is wrong is told apart, in what the caller has to do: missing, foreign, there twice, out of order,
//       continued twice.
#pragma once

#include <vector>

#include "backup/label.hpp"
#include "crypto/key_header.hpp"
#include "platform/platform.hpp"

namespace coffer::backup {

/// What the order needs of a link; authentic.
struct ChainPlace {
  platform::Path path;
  Label label;
  crypto::StoreId store{};
};

/// Raises InvalidArgument unless the links are a chain in this order.
void expect_chain(const std::vector<ChainPlace>& links);

}  // namespace coffer::backup
