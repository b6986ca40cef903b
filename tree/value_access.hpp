// How the library makes a public Value: a pin that lives in the handle itself, so that a point read
// allocates nothing.
#pragma once

#include <coffer/value.hpp>

#include <new>
#include <utility>

#include "txn/pages.hpp"

namespace coffer {

struct Value::Access {
  static_assert(sizeof(txn::PagePin) == sizeof(Value::pin_));
  static_assert(alignof(txn::PagePin) <= 8);

  [[nodiscard]] static txn::PagePin& pin(Value& value) {
    return *std::launder(reinterpret_cast<txn::PagePin*>(value.pin_));
  }
  [[nodiscard]] static Value make(txn::PagePin held, Bytes bytes) {
    Value value;
    pin(value) = std::move(held);
    value.bytes_ = bytes;
    return value;
  }
};

}  // namespace coffer
