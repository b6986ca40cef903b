// How a tree makes the public ValueReader and ValueWriter, and how a finished value comes back to
// it.
#pragma once

#include <coffer/value.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "tree/large_value.hpp"
#include "tree/value_stream_registry.hpp"
#include "txn/pages.hpp"

namespace coffer::tree {

/// A reader of a value inside a page; keeps the page pinned.
[[nodiscard]] ValueReader make_inline_reader(txn::PagePin pin, std::span<const std::byte> value);
/// A reader of a large value.  `registry` is the transaction's, or null for a read transaction
/// whose end the caller sees to.
[[nodiscard]] ValueReader make_large_reader(txn::PageSource& source,
                                            const LargeValueDescriptor& value,
                                            std::shared_ptr<StreamRegistry> registry);

/// Puts a finished value in its place: replaces what stood there and frees it.  If a call raises,
/// nothing has changed, and the value is still the writer's.
class ValuePlacer {
 public:
  virtual ~ValuePlacer() = default;
  /// The longest value that `place_inline` takes.
  [[nodiscard]] virtual std::size_t inline_bytes_max() const = 0;
  /// `value` lies in locked memory, valid during the call.
  virtual void place_inline(std::span<const std::byte> value) = 0;
  virtual void place_large(const LargeValueDescriptor& value) = 0;
};

[[nodiscard]] ValueWriter make_value_writer(txn::PageSink& sink,
                                            std::shared_ptr<StreamRegistry> registry,
                                            std::unique_ptr<ValuePlacer> placer);

}  // namespace coffer::tree
