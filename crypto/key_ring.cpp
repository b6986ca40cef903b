// Sealers point into the locked page, which lives as long as the ring.
#include "crypto/key_ring.hpp"

#include <optional>
#include <utility>

namespace coffer::crypto {
namespace {

class LockedKeyRing final : public KeyRing {
 public:
  LockedKeyRing(const RingIdentity& identity, std::optional<KeyPage> page)
      : identity_(identity),
        page_(std::move(page)),
        pages_(sealer(&KeyMaterial::pages)),
        journal_(sealer(&KeyMaterial::journal)),
        superblock_(sealer(&KeyMaterial::superblock)) {
    if (page_) {
      (*page_)->wipe_opening();
    }
  }

  [[nodiscard]] Suite suite() const override { return identity_.suite; }
  [[nodiscard]] const StoreId& store_id() const override { return identity_.store; }
  [[nodiscard]] std::uint32_t current_epoch() const override { return identity_.epoch; }
  [[nodiscard]] const Sealer* pages(std::uint32_t epoch) const override {
    return epoch == identity_.epoch ? &pages_ : nullptr;
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

 private:
  [[nodiscard]] std::span<const std::byte> key(KeyBytes KeyMaterial::*which) const {
    return page_ ? std::span<const std::byte>((**page_).*which) : std::span<const std::byte>();
  }
  [[nodiscard]] Sealer sealer(KeyBytes KeyMaterial::*which) const {
    return {identity_.suite, identity_.store, key(which)};
  }

  RingIdentity identity_;
  std::optional<KeyPage> page_;
  Sealer pages_;
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

}  // namespace coffer::crypto
