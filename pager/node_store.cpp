// See node_store.hpp.
#include "pager/node_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <coffer/error.hpp>

namespace coffer::pager {

namespace {

constexpr std::size_t kStagingBytes = std::size_t{256} << 10;

}  // namespace

namespace {

/// The key that a reference to a node names; raises when there is none, or its length cannot be.
const crypto::Sealer& sealer_of(const PageFile& file, const crypto::KeyRing& keys,
                                const NodePlace& place, const SlotRef& ref) {
  if (ref.sealed_bytes < format::kNodeHeaderBytes ||
      ref.sealed_bytes > content_bytes(file.page_bytes())) {
    throw Corrupted(
        fmt::format("the reference to {} has a length of {}, which cannot be; restore the "
                    "store from a backup",
                    describe(place), ref.sealed_bytes));
  }
  const crypto::Sealer* const sealer = keys.pages(ref.epoch.value);
  if (sealer == nullptr) {
    raise_damaged(keys.suite(), fmt::format("{} names key epoch {}, which the store does not have",
                                            describe(place), ref.epoch.value));
  }
  return *sealer;
}

/// `ciphertext` may be `bytes`.
NodePointer open_node(const PageFile& file, const crypto::Sealer& sealer, const NodePlace& place,
                      const SlotRef& ref, const crypto::Nonce& nonce,
                      std::span<const std::byte> ciphertext, std::vector<std::byte>&& bytes) {
  if (!sealer.open(bytes, ciphertext, ref.tag, place.associated(ref.epoch), nonce)) {
    file.raise_unverified(fmt::format("{} in slot {} of '{}' does not verify", describe(place),
                                      ref.slot.value, file.path().string()));
  }
  return std::make_shared<const Node>(place, file.page_bytes(), std::move(bytes));
}

}  // namespace

NodePointer read_node(const PageFile& file, const crypto::KeyRing& keys, const NodePlace& place,
                      const SlotRef& ref) {
  const crypto::Sealer& sealer = sealer_of(file, keys, place, ref);
  crypto::Nonce nonce;
  std::vector<std::byte> bytes(ref.sealed_bytes);
  file.read(ref.slot, nonce, bytes);
  const std::span<const std::byte> ciphertext(bytes);
  return open_node(file, sealer, place, ref, nonce, ciphertext, std::move(bytes));
}

NodePointer read_node_slot(const PageFile& file, const crypto::KeyRing& keys,
                           const NodePlace& place, const SlotRef& ref, std::span<std::byte> slot) {
  const crypto::Sealer& sealer = sealer_of(file, keys, place, ref);
  file.read_slots({ref.slot, 1}, slot);
  crypto::Nonce nonce;
  std::copy_n(slot.begin(), nonce.size(), nonce.begin());
  return open_node(file, sealer, place, ref, nonce, slot.subspan(nonce.size(), ref.sealed_bytes),
                   std::vector<std::byte>(ref.sealed_bytes));
}

NodeWriter::NodeWriter(PageFile& file, const crypto::KeyRing& keys, crypto::NonceRun& nonces,
                       platform::Entropy& entropy, std::uint64_t birth)
    : file_(file),
      keys_(keys),
      nonces_(nonces),
      filler_(entropy),
      epoch_(keys.current_epoch()),
      birth_(birth),
      slots_max_(std::max<std::size_t>(4, kStagingBytes / file.page_bytes())) {
  staging_.resize(slots_max_ * file.page_bytes());
}

SlotRef NodeWriter::add(const NodePlace& place, SlotId slot, std::span<const std::byte> plain) {
  const std::size_t page = file_.page_bytes();
  Expects(!plain.empty() && plain.size() <= content_bytes(file_.page_bytes()));
  const crypto::Sealer* const sealer = keys_.pages(epoch_.value);
  Ensures(sealer != nullptr);
  if (slots_ == slots_max_ || (slots_ != 0 && first_.next(slots_) != slot)) flush();
  if (slots_ == 0) first_ = slot;

  const std::span<std::byte> out(staging_.data() + slots_ * page, page);
  const crypto::Nonce nonce = nonces_.next();
  std::copy(nonce.begin(), nonce.end(), out.begin());
  const auto ciphertext = out.subspan(nonce.size(), plain.size());
  SlotRef ref;
  ref.slot = slot;
  ref.sealed_bytes = static_cast<std::uint32_t>(plain.size());
  ref.epoch = epoch_;
  ref.birth = birth_;
  ref.tag = sealer->seal(ciphertext, plain, place.associated(epoch_), nonce);
  filler_.fill(out.subspan(nonce.size() + plain.size()));
  ++slots_;
  return ref;
}

void NodeWriter::flush() {
  if (slots_ == 0) return;
  std::vector<std::span<const std::byte>> pieces;
  pieces.reserve(slots_);
  const std::span<const std::byte> staged(staging_);
  for (std::size_t i = 0; i < slots_; ++i) {
    pieces.push_back(staged.subspan(i * file_.page_bytes(), file_.page_bytes()));
  }
  file_.write(first_, pieces);
  slots_ = 0;
}

}  // namespace coffer::pager
