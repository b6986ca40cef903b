// Structured attacks on backups: cut, extended, spliced, and put behind a parent that only looks like theirs.
#include <algorithm>

#include "tests/campaign/tamper/backups.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"
#include "tests/campaign/tamper/watched_platform.hpp"

namespace coffer::campaign::tamper {

namespace {

using platform::SimulatedPlatform;

/// What a message of a secretstream is longer than its plaintext.
constexpr std::size_t kOverhead = 17;

/// Lengths at which something ends: the header, the manifest, what is sealed last.
std::size_t any_length(std::size_t whole, std::mt19937_64& rng) {
  switch (rng() % 4) {
    case 0:
      return whole - std::min<std::size_t>(whole, 8 + kOverhead);  // a snapshot's sealed end
    case 1:
      return whole - std::min<std::size_t>(whole, 1 + rng() % 40);
    case 2:
      return std::min<std::size_t>(whole - 1, 4608 + rng() % 100);
    default:
      return rng() % whole;
  }
}

void alter(Bytestring& bytes, const Bytestring& other, std::mt19937_64& rng) {
  const std::size_t at = rng() % bytes.size();
  const std::size_t length = 1 + rng() % std::min<std::size_t>(bytes.size() - at, 6000);
  switch (rng() % 6) {
    case 0:
      bytes.resize(any_length(bytes.size(), rng));
      return;
    case 1:
      bytes.resize(bytes.size() + 1 + rng() % 5000, static_cast<std::byte>(rng() % 2));
      return;
    case 2:  // part of another backup of the same store
      if (at < other.size()) {
        std::copy_n(&other[at], std::min(length, other.size() - at), &bytes[at]);
      }
      return;
    case 3:
      std::fill_n(&bytes[at], length, std::byte{0});
      return;
    case 4:  // a piece that is left out
      bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  bytes.begin() + static_cast<std::ptrdiff_t>(at + length));
      return;
    default:  // a piece that is there twice
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), &bytes[at],
                   &bytes[at] + length);
  }
}

class BackupAttacks {
 public:
  BackupAttacks(const Key& key, std::uint64_t seed)
      : machine_(SimulatedPlatform::make(seed)),
        backed_up_(*machine_, key, seed, "/backups"),
        verifier_(*machine_, key) {}

  std::string run(std::mt19937_64& rng) {
    const auto& chains = backed_up_.chains();
    const Chain& chain = chains[rng() % chains.size()];
    const platform::Path& other = chains[rng() % chains.size()].last();
    const Bytestring genuine = machine_->contents(chain.last());
    Bytestring altered = genuine;
    alter(altered, machine_->contents(other), rng);
    if (altered == genuine) return "";
    verifier_.learn(chain.files);
    machine_->set_contents(chain.last(), altered);
    const auto begin = std::chrono::steady_clock::now();
    const std::string said = verifier_.said_of(chain.files);
    const bool slow = std::chrono::steady_clock::now() - begin > kLongest;
    machine_->set_contents(chain.last(), genuine);
    if (slow) return "it took longer than a second";
    return refused_as_damage(said) ? "" : chain.kind + ": " + (said.empty() ? "accepted" : said);
  }

 private:
  std::unique_ptr<SimulatedPlatform> machine_;
  BackedUp backed_up_;
  Verifier verifier_;
};

/// Two machines that draw alike, so that their backups have the same ids, keys and instance, and differ in what users
/// stored: what one machine's increment names as its parent is there, by all that its label says, on the other.
std::string wrong_parent(const Key& key, std::uint64_t seed) {
  std::vector<std::unique_ptr<SimulatedPlatform>> machines;
  std::vector<std::unique_ptr<WatchedPlatform>> watched;
  std::vector<std::unique_ptr<BackedUp>> backed_up;
  for (const std::uint64_t which : {0u, 1u}) {
    machines.push_back(SimulatedPlatform::make(seed));
    watched.push_back(std::make_unique<WatchedPlatform>(*machines.back()));
    // What is drawn for streams and nonces differs, as it would have to; ids and keys are 16 and 32 bytes.
    watched.back()->entropy().hook = [which](std::span<std::byte> out) {
      if (which == 1 && (out.size() == 20 || out.size() == 8)) out[0] ^= std::byte{1};
    };
    backed_up.push_back(std::make_unique<BackedUp>(*watched.back(), key, seed + which, "/backups"));
  }
  for (const Chain& chain : backed_up[0]->chains()) {
    if (chain.files.size() < 2) continue;
    const platform::Path& parent = chain.files.front();
    const Bytestring foreign = machines[1]->contents(parent);
    if (foreign == machines[0]->contents(parent)) continue;
    Verifier verifier(*machines[0], key);
    verifier.learn(chain.files);
    machines[0]->set_contents(parent, foreign);
    const std::string said = verifier.said_of(chain.files);
    if (said != "Tampered") {
      return chain.kind +
             " behind a parent of another state: " + (said.empty() ? "accepted" : said);
    }
  }
  return "";
}

}  // namespace

void run_backups(GateRun& run) {
  constexpr std::uint64_t kParentsEach = 100;
  const Key key = key_of(9);
  BackupAttacks attacks(key, run.seed());
  each_case(run, "tamper-backups", run.cases(), [&](std::uint64_t i) -> std::string {
    std::mt19937_64 rng(seed_of(run, i));
    return i % kParentsEach == kParentsEach - 1 ? wrong_parent(key, seed_of(run, i))
                                                : attacks.run(rng);
  });
}

}  // namespace coffer::campaign::tamper
