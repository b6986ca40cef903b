// What a store's trees hold, as a model; random changes that a transaction and the model make alike; their
// comparison.
#pragma once

#include <coffer/transaction.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/campaign/sim/random.hpp"

namespace coffer::campaign::sim {

struct State {
  using Entries = std::map<std::string, std::string>;
  std::map<std::string, Entries> trees;
  friend bool operator==(const State&, const State&) = default;
};

/// How much a workload writes.
struct Sizes {
  std::uint64_t keys = 40;           ///< different ones, in each tree
  std::uint64_t changes_max = 8;     ///< in a transaction
  std::uint64_t large_one_in = 40;   ///< values that fit no page
  std::uint64_t large_bytes = 9000;  ///< up to so many more than fit
};

/// One transaction's changes.  What it throws, the model must be thrown away with.
void change_some(WriteTransaction& transaction, State& state, Random& random, const Sizes& sizes);

/// In words, the first difference between what the transaction sees and the model.
[[nodiscard]] std::optional<std::string> difference(ReadTransaction& transaction,
                                                    const State& state);

}  // namespace coffer::campaign::sim
