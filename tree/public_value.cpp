#include <new>

#include "tree/value_access.hpp"

namespace coffer {

Value::Value() : pin_{} {
  ::new (static_cast<void*>(pin_)) txn::PagePin();
}

Value::Value(Value&& other) noexcept : pin_{}, bytes_(other.bytes_) {
  ::new (static_cast<void*>(pin_)) txn::PagePin(std::move(Access::pin(other)));
  other.bytes_ = {};
}

Value& Value::operator=(Value&& other) noexcept {
  if (this != &other) {
    Access::pin(*this) = std::move(Access::pin(other));
    bytes_ = other.bytes_;
    other.bytes_ = {};
  }
  return *this;
}

Value::~Value() {
  Access::pin(*this).~PagePin();
}

}  // namespace coffer
