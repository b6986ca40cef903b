// Sealers point into the locked page, which lives as long as the ring.
#include "crypto/key_ring.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace coffer::crypto {
namespace {

class LockedKeyRing final : public KeyRing {
 public:
  LockedKeyRing(const RingIdentity& identity, std::optional<KeyPage> page)
      : identity_(identity),
        page_(std::move(page)),
        journal_(sealer(key(&KeyMaterial::journal))),
        superblock_(sealer(key(&KeyMaterial::superblock))) {
    Expects(identity.base_epoch <= identity.epoch &&
            identity.epoch - identity.base_epoch < kEpochsMax);
    const std::size_t epochs = identity.epoch - identity.base_epoch + 1;
    pages_.reserve(epochs);
    for (std::size_t i = 0; i < epochs; ++i) {
      pages_.push_back(page_ ? sealer(std::span<const std::byte>((*page_)->pages[i])) : sealer({}));
    }
    if (page_) {
      (*page_)->wipe_opening();
    }
  }

  [[nodiscard]] Suite suite() const override { return identity_.suite; }
  [[nodiscard]] const StoreId& store_id() const override { return identity_.store; }
  [[nodiscard]] std::uint32_t current_epoch() const override { return identity_.epoch; }
  [[nodiscard]] const Sealer* pages(std::uint32_t epoch) const override {
    const bool known = epoch >= identity_.base_epoch && epoch <= identity_.epoch;
    return known ? &pages_[epoch - identity_.base_epoch] : nullptr;
  }
  [[nodiscard]] const Sealer& journal() const override { return journal_; }
  [[nodiscard]] const Sealer& superblock() const override { return superblock_; }
  [[nodiscard]] Hash anchor_hash(
      std::initializer_list<std::span<const std::byte>> parts) const override {
    return hash(key(&KeyMaterial::anchor), parts);
  }
  void derive_backup_key(std::span<const std::byte, kBackupSaltBytes> salt,
                         std::span<std::byte, kKeyBytes> out) const override {
    if (!page_) return;
    hash_into(out, key(&KeyMaterial::backup), {salt});
  }
  [[nodiscard]] const Hash& header_hash() const override { return identity_.header_hash; }

  [[nodiscard]] const KeyMaterial* material() const { return page_ ? &**page_ : nullptr; }

 private:
  [[nodiscard]] std::span<const std::byte> key(KeyBytes KeyMaterial::*which) const {
    return page_ ? std::span<const std::byte>((**page_).*which) : std::span<const std::byte>();
  }
  [[nodiscard]] Sealer sealer(std::span<const std::byte> key) const {
    return {identity_.suite, identity_.store, key};
  }

  RingIdentity identity_;
  std::optional<KeyPage> page_;
  std::vector<Sealer> pages_;  // of the base epoch first; callers hold addresses in it
  Sealer journal_;
  Sealer superblock_;
};

}  // namespace

std::unique_ptr<KeyRing> make_key_ring(const RingIdentity& identity, KeyPage page) {
  Expects(identity.suite != Suite::none);
  return std::make_unique<LockedKeyRing>(identity, std::move(page));
}

std::unique_ptr<KeyRing> make_keyless_ring(const RingIdentity& identity) {
  Expects(identity.suite == Suite::none);
  return std::make_unique<LockedKeyRing>(identity, std::nullopt);
}

const KeyMaterial* key_material_of(const KeyRing& ring) {
  const auto* const locked = dynamic_cast<const LockedKeyRing*>(&ring);
  Expects(locked != nullptr);
  return locked->material();
}

}  // namespace coffer::crypto
