// Nonces on the disk: whatever is sealed anew, over commits, checkpoints, crashes, clones and restored copies, no nonce
// stands in front of two different things.
#include <unordered_map>

#include "crypto/seal.hpp"
#include "journal/journal_format.hpp"
#include "pager/superblock.hpp"
#include "tests/campaign/tamper/attacks.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"

namespace coffer::campaign::tamper {

namespace {

/// Everything that was seen so far: nonce -> hash of what it was used for.
class Seen {
 public:
  /// False: the nonce stands in front of something else as well.
  bool note(std::span<const std::byte> nonce, std::span<const std::byte> sealed) {
    if (std::ranges::all_of(nonce, [](std::byte b) { return b == std::byte{0}; })) return true;
    const std::string key(reinterpret_cast<const char*>(nonce.data()), nonce.size());
    const crypto::Hash hash = crypto::hash({}, {sealed});
    const auto [found, added] = seen_.emplace(key, hash);
    return added || found->second == hash;
  }
  [[nodiscard]] std::size_t size() const { return seen_.size(); }

 private:
  std::unordered_map<std::string, crypto::Hash> seen_;
};

/// The first ciphertext bytes behind a nonce: two units that agree in them are the same.
constexpr std::size_t kSome = 32;

bool note_all(const Files& files, Seen& seen) {
  bool good = true;
  const auto unit = [&](const Bytestring& bytes, std::size_t at) {
    if (at + crypto::kNonceBytes + kSome > bytes.size()) return;
    const auto nonce = std::span(bytes).subspan(at, crypto::kNonceBytes);
    good = seen.note(nonce, std::span(bytes).subspan(at + crypto::kNonceBytes, kSome)) && good;
  };
  for (const auto& [name, bytes] : files) {
    if (name == "pages") {
      for (std::size_t at = 0; at < bytes.size(); at += 4096) unit(bytes, at);
    } else if (name == "superblock") {
      unit(bytes, 0);
      unit(bytes, pager::kSuperblockBytes);
    } else if (is_segment(name)) {
      for (std::size_t at = 0; at < bytes.size(); at += journal::kGridBytes) {
        unit(bytes, at + journal::format::kHeaderNonceAt);
        unit(bytes, at + journal::format::kBodyNonceAt);
      }
    }
  }
  return good;
}

}  // namespace

void run_nonces(GateRun& run) {
  std::size_t nonces = 0;
  each_case(run, "disk-nonces", run.cases(), [&](std::uint64_t i) -> std::string {
    const Loot loot = gather(seed_of(run, i));
    Seen seen;
    for (const auto* moments : {&loot.family, &loot.attempts, &loot.renewed, &loot.other}) {
      for (const Moment& moment : *moments) {
        if (!note_all(moment.files, seen)) return "a nonce was used twice";
      }
    }
    nonces += seen.size();
    return "";
  });
  run.note(std::to_string(nonces) + " nonces on disk");
}

}  // namespace coffer::campaign::tamper
