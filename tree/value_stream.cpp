// The public streams over what a tree hands them.
#include "tree/value_stream.hpp"

#include <algorithm>
#include <coffer/error.hpp>
#include <cstring>
#include <optional>

#include "tree/fork_guard.hpp"

namespace coffer {

// Either a value inside a page, kept where it is by the pin, or a large one.
struct ValueReader::State {
  State(txn::PagePin page, std::span<const std::byte> value)
      : pin(std::move(page)), inside(value) {}
  State(txn::PageSource& source, const tree::LargeValueDescriptor& value,
        std::shared_ptr<tree::StreamRegistry> registry)
      : large(std::in_place, source, value, std::move(registry)) {}

  txn::PagePin pin;
  std::span<const std::byte> inside;
  std::optional<tree::LargeValueReader> large;
  std::uint64_t position = 0;
  tree::ForkGuard guard;
};

ValueReader::ValueReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ValueReader::ValueReader(ValueReader&&) noexcept = default;
ValueReader& ValueReader::operator=(ValueReader&&) noexcept = default;
ValueReader::~ValueReader() {
  if (state_ && state_->guard.forked()) static_cast<void>(state_.release());
}

std::uint64_t ValueReader::size() const {
  Expects(state_ != nullptr);
  state_->guard.check();
  return state_->large ? state_->large->size() : state_->inside.size();
}

std::size_t ValueReader::read_at(std::uint64_t offset, std::span<std::byte> out) {
  Expects(state_ != nullptr);
  state_->guard.check();
  if (state_->large) return state_->large->read_at(offset, out);
  const std::span<const std::byte> value = state_->inside;
  if (offset >= value.size() || out.empty()) return 0;
  const std::span<const std::byte> rest = value.subspan(static_cast<std::size_t>(offset));
  const std::size_t length = std::min(rest.size(), out.size());
  std::memcpy(out.data(), rest.data(), length);
  return length;
}

std::size_t ValueReader::read(std::span<std::byte> out) {
  Expects(state_ != nullptr);
  state_->guard.check();
  const std::size_t length = read_at(state_->position, out);
  state_->position += length;
  return length;
}

struct ValueWriter::State {
  State(txn::PageSink& sink, std::shared_ptr<tree::StreamRegistry> registry,
        std::unique_ptr<tree::ValuePlacer> value_placer)
      : placer(std::move(value_placer)), writer(sink, std::move(registry)) {}

  std::unique_ptr<tree::ValuePlacer> placer;
  tree::LargeValueWriter writer;
  tree::ForkGuard guard;
};

ValueWriter::ValueWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
ValueWriter::ValueWriter(ValueWriter&&) noexcept = default;
ValueWriter& ValueWriter::operator=(ValueWriter&&) noexcept = default;
ValueWriter::~ValueWriter() {
  if (state_ && state_->guard.forked()) static_cast<void>(state_.release());
}

void ValueWriter::write(Bytes bytes) {
  Expects(state_ != nullptr);
  state_->guard.check();
  state_->writer.write(bytes);
}

std::uint64_t ValueWriter::size() const {
  Expects(state_ != nullptr);
  state_->guard.check();
  return state_->writer.size();
}

void ValueWriter::finish() {
  Expects(state_ != nullptr);
  state_->guard.check();
  const std::optional<std::span<const std::byte>> value = state_->writer.unsealed();
  if (value && value->size() <= state_->placer->inline_bytes_max()) {
    state_->placer->place_inline(*value);
  } else {
    state_->placer->place_large(state_->writer.finish());
  }
  state_->writer.release();
}

namespace tree {

ValueReader make_inline_reader(txn::PagePin pin, std::span<const std::byte> value) {
  return ValueReader(std::make_unique<ValueReader::State>(std::move(pin), value));
}

ValueReader make_large_reader(txn::PageSource& source, const LargeValueDescriptor& value,
                              std::shared_ptr<StreamRegistry> registry) {
  return ValueReader(std::make_unique<ValueReader::State>(source, value, std::move(registry)));
}

ValueWriter make_value_writer(txn::PageSink& sink, std::shared_ptr<StreamRegistry> registry,
                              std::unique_ptr<ValuePlacer> placer) {
  Expects(placer != nullptr);
  return ValueWriter(
      std::make_unique<ValueWriter::State>(sink, std::move(registry), std::move(placer)));
}

}  // namespace tree

}  // namespace coffer
