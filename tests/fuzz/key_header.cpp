// The key header: altered anywhere, with checksum and MAC made to fit or not.
#include <sodium.h>

#include <algorithm>
#include <array>

#include "crypto/key_header_format.hpp"
#include "crypto/seal_format.hpp"
#include "tests/fuzz/forge.hpp"

namespace coffer::fuzz {
namespace {

namespace layout = crypto::key_header_format;
using KeyBytes = std::array<std::byte, 32>;
constexpr std::size_t kFrontBytes = layout::kSlotsAt + 2 * layout::kSlotBytes;

KeyBytes derived(const KeyBytes& from, const char* context, std::uint64_t number) {
  KeyBytes out;
  crypto_kdf_derive_from_key(reinterpret_cast<unsigned char*>(out.data()), out.size(), number,
                             context, reinterpret_cast<const unsigned char*>(from.data()));
  return out;
}

/// A header under a known key, with two derived epochs, and the key of its MAC.
struct Golden {
  Golden() {
    for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::byte>(7 * i + 1);
    key.emplace(Key::from_bytes(raw));
    auto opened = crypto::create_key_header(*machine, &*key, {}, platform::LockPolicy::abort);
    for (int i = 0; i < 2; ++i) {
      opened = crypto::renew_key_header(*machine, *opened.keys,
                                        std::span(opened.bytes).first(layout::kCopyBytes),
                                        platform::LockPolicy::abort);
    }
    file = opened.bytes;
    const auto slot = std::span(file).subspan(layout::kSlotsAt, layout::kSlotBytes);
    crypto::StoreId store;
    std::copy_n(&file[layout::kStoreIdAt], store.size(), store.begin());
    crypto::Nonce nonce;
    std::copy_n(&slot[layout::slot::kNonceAt], nonce.size(), nonce.begin());
    crypto::Tag tag;
    std::copy_n(&slot[layout::slot::kTagAt], tag.size(), tag.begin());
    const KeyBytes wrapping = derived(raw, "cofferKE", 2);
    KeyBytes data;
    if (!crypto::Sealer(crypto::Suite::xchacha20poly1305, store, wrapping)
             .open(data, slot.subspan(layout::slot::kWrappedAt, crypto::kKeyBytes), tag,
                   {.role = crypto::Role::wrapped_key, .level = 0, .epoch = 1, .a = 1, .b = 0},
                   nonce)) {
      std::abort();
    }
    header_key = derived(data, "cofferDK", 4);
  }
  std::unique_ptr<platform::SimulatedPlatform> machine = platform::SimulatedPlatform::make(1);
  KeyBytes raw{};
  std::optional<Key> key;
  Bytestring file;
  KeyBytes header_key{};
};

void put_hash(Bytestring& file, std::size_t at, const crypto::Hash& hash) {
  std::copy(hash.begin(), hash.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::fuzz;
  static const Golden golden;
  FuzzedDataProvider input(data, size);
  const auto seal = input.ConsumeIntegral<std::uint8_t>();
  Bytestring file = golden.file;
  if ((seal & 16) != 0) file.resize(input.ConsumeIntegralInRange<std::size_t>(0, file.size() + 1));
  // The same in both copies, or in either.
  Bytestring edits = input.ConsumeRemainingBytes<std::byte>();
  for (const std::size_t copy : {0u, 1u}) {
    const std::size_t base = copy * layout::kCopyBytes;
    if (file.size() < base + layout::kCopyBytes) break;
    const auto bytes = std::span(file).subspan(base, layout::kCopyBytes);
    if ((seal & (32u << copy)) == 0) {
      for (std::size_t at = 0; at + 2 < edits.size() && at < 90; at += 3) {
        const auto place = std::to_integer<std::size_t>(edits[at]) |
                           std::to_integer<std::size_t>(edits[at + 1]) << 8;
        // Most of it is salts and zeros: half of the edits fall on the fields in front and the first slots.
        bytes[place % ((place & 0x8000) != 0 ? layout::kCopyBytes : kFrontBytes)] ^= edits[at + 2];
      }
    }
    if ((seal & (1u << copy)) != 0) {
      put_hash(file, base + layout::kChecksumAt,
               crypto::hash({}, {bytes.first(layout::kChecksumAt)}));
    }
    if ((seal & (4u << copy)) != 0) {
      put_hash(file, base + layout::kMacAt,
               crypto::hash(golden.header_key, {bytes.first(layout::kMacAt)}));
    }
  }
  // Keys are the costly part, and nothing is derived without one.
  if ((seal & 128) != 0) {
    answered([&] {
      static_cast<void>(crypto::open_key_header(*golden.machine, file, nullptr,
                                                platform::LockPolicy::abort, "keys"));
    });
    return 0;
  }
  answered([&] {
    const auto opened = crypto::open_key_header(*golden.machine, file, &*golden.key,
                                                platform::LockPolicy::abort, "keys");
    // Whatever is accepted can be used: every epoch that it says it has.
    if (opened.keys->pages(opened.keys->current_epoch()) == nullptr) std::abort();
  });
  return 0;
}
