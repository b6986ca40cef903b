#include "tree/value_stream_registry.hpp"

namespace coffer::tree {

OpenStream::OpenStream(std::shared_ptr<StreamRegistry> registry) noexcept
    : registry_(std::move(registry)) {
  if (!registry_) return;
  born_after_ = registry_->last_savepoint_;
  next_ = registry_->first_;
  if (next_ != nullptr) next_->previous_ = this;
  registry_->first_ = this;
}

OpenStream::~OpenStream() {
  if (!registry_) return;
  if (next_ != nullptr) next_->previous_ = previous_;
  (previous_ != nullptr ? previous_->next_ : registry_->first_) = next_;
}

void StreamRegistry::savepoint_made(txn::SavepointId id) {
  for (OpenStream* stream = first_; stream != nullptr; stream = stream->next_) {
    stream->savepoint_made(id);
  }
  last_savepoint_ = id;
}

void StreamRegistry::rolled_back_to(txn::SavepointId id) noexcept {
  for (OpenStream* stream = first_; stream != nullptr; stream = stream->next_) {
    stream->rolled_back_to(id);
  }
}

void StreamRegistry::value_freed(std::uint64_t value_id) noexcept {
  for (OpenStream* stream = first_; stream != nullptr; stream = stream->next_) {
    stream->value_freed(value_id);
  }
}

void StreamRegistry::transaction_ended(Ending ending) noexcept {
  for (OpenStream* stream = first_; stream != nullptr; stream = stream->next_) {
    stream->transaction_ended(ending);
  }
}

}  // namespace coffer::tree
