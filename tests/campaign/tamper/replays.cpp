// Replays: what is genuine and was in its place once, or is in another place now.  Pages in their slots, blocks of the
// journal at their positions, and links of chains of backups.
#include <algorithm>
#include <array>

#include "tests/campaign/tamper/attacks.hpp"
#include "tests/campaign/tamper/backups.hpp"
#include "tests/campaign/tamper/tamper_gates.hpp"

namespace coffer::campaign::tamper {

namespace {

using platform::SimulatedPlatform;

/// Of the units of a file that lie at one place and differ, some as they were at an older moment.
bool put_back(Bytestring& now, const Bytestring& then, std::size_t unit, std::mt19937_64& rng) {
  std::vector<std::size_t> changed;
  for (std::size_t at = 0; at + unit <= std::min(now.size(), then.size()); at += unit) {
    if (!std::equal(&now[at], &now[at] + unit, &then[at])) changed.push_back(at);
  }
  if (changed.empty()) return false;
  const std::size_t count = 1 + rng() % std::min<std::size_t>(changed.size(), 3);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = changed[rng() % changed.size()];
    std::copy_n(&then[at], unit, &now[at]);
  }
  return true;
}

std::string file_case(const Loot& loot, std::mt19937_64& rng, bool pages) {
  for (;;) {
    const std::size_t now = 8 + rng() % (loot.own.size() - 8);
    const std::size_t then = rng() % now;
    Attacked attacked{loot.own[now].files,
                      pages ? Must::tampered_or_latest : Must::refuse_or_any_moment, &loot.own,
                      now};
    bool changed = false;
    for (auto& [name, bytes] : attacked.files) {
      const auto older = loot.own[then].files.find(name);
      if (older == loot.own[then].files.end() || (pages ? name != "pages" : !is_segment(name))) {
        continue;
      }
      changed = put_back(bytes, older->second, 4096, rng) || changed;
    }
    if (!changed) continue;
    const auto machine = machine_with(attacked.files, rng());
    return verdict(attacked, hear(*machine, &loot.key, small_options(rng() % 2 == 0)));
  }
}

/// Two chains of each kind from one store: a full backup and two increments, a later full one and one increment.
class Links {
 public:
  explicit Links(const Key& key)
      : machine_(SimulatedPlatform::make(11)), verifier_(*machine_, key) {
    create_store(*machine_, &key);
    Store store = open_store(*machine_, &key);
    Contents contents;
    std::mt19937_64 rng(11);
    for (const bool snapshots : {true, false}) {
      std::vector<platform::Path>& links = links_[snapshots ? 0 : 1];
      for (const int parent : {-1, 0, 1, -1, 3}) {
        change(store, contents, rng);
        const platform::Path file((snapshots ? "/snapshot" : "/logical") +
                                  std::to_string(links.size()));
        if (parent < 0) {
          static_cast<void>(snapshots ? backup_snapshot(store, file) : backup_logical(store, file));
        } else {
          const auto& before = links[static_cast<std::size_t>(parent)];
          static_cast<void>(snapshots ? backup_increment(store, file, before)
                                      : backup_logical_increment(store, file, before));
        }
        links.push_back(file);
      }
    }
  }

  std::string run(std::mt19937_64& rng) {
    static const std::vector<std::vector<std::size_t>> kGenuine = {
        {0}, {0, 1}, {0, 1, 2}, {3}, {3, 4}};
    const auto& links = links_[rng() % 2];
    std::vector<std::size_t> chain(1 + rng() % 4);
    for (std::size_t& link : chain) link = rng() % links.size();
    // Near to a genuine one, often.
    if (rng() % 2 == 0) {
      chain = kGenuine[rng() % kGenuine.size()];
      if (rng() % 4 != 0) chain[rng() % chain.size()] = rng() % links.size();
    }
    std::vector<platform::Path> files;
    for (const std::size_t link : chain) files.push_back(links[link]);
    const std::string said = verifier_.said_of(files);
    const bool genuine = std::ranges::find(kGenuine, chain) != kGenuine.end();
    if (genuine) return said.empty() ? "" : "a genuine chain was refused as " + said;
    return refused_as_damage(said) ? "" : "links of different chains were accepted: " + said;
  }

 private:
  std::unique_ptr<SimulatedPlatform> machine_;
  Verifier verifier_;
  std::array<std::vector<platform::Path>, 2> links_;
};

}  // namespace

void run_replays(GateRun& run) {
  const Loot loot = gather(run.seed());
  Links links(loot.key);
  each_case(run, "tamper-replays", run.cases(), [&](std::uint64_t i) -> std::string {
    std::mt19937_64 rng(seed_of(run, i));
    const std::string wrong = i % 3 == 2 ? links.run(rng) : file_case(loot, rng, i % 3 == 0);
    static constexpr std::array kKinds = {"pages: ", "records: ", "links: "};
    return wrong.empty() ? "" : kKinds[i % 3] + wrong;
  });
}

}  // namespace coffer::campaign::tamper
