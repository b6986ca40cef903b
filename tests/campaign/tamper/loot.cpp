// What attacks are made from (attacks.hpp).
#include <algorithm>

#include "backup/snapshot_restore.hpp"
#include "tests/campaign/tamper/attacks.hpp"

namespace coffer::campaign::tamper {

using platform::SimulatedPlatform;

namespace {

/// As many as make several fragments, all of them images.
void attempt(Store& store, std::uint64_t seed, Contents& contents) {
  std::mt19937_64 rng(seed);
  WriteTransaction writing = store.write();
  Tree tree = writing.create_tree("many");
  for (int i = 1000; i < 1400; ++i) {
    const std::string key = std::to_string(i);
    // Always of one length: so that both attempts lie alike in the journal.
    const std::string value = random_value(rng, 900);
    tree.append(key, value);
    contents[std::string("many") + '\0' + key] = value;
  }
  writing.commit();
}

/// The fifth write of the journal fails: what the ones before wrote, a segment each, stays there without a commit mark.
void give_up_half_way(SimulatedPlatform& machine, Store& store) {
  int writes = 0;
  machine.set_fault(
      [&writes](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
        const bool journal = is_segment(path.filename().string());
        if (std::string_view(operation) == "write" && journal && ++writes > 4) {
          throw IoError("no", operation, path, 5);
        }
      });
  Contents nobody_s;
  try {
    attempt(store, 1, nobody_s);
  } catch (const IoError&) {
    machine.set_fault({});
    return;
  }
  throw Error("the first attempt was to fail");
}

void two_attempts(Loot& loot, std::uint64_t seed) {
  const auto machine = machine_with(loot.own.back().files, seed);
  Contents contents = loot.own.back().contents;
  {
    // A journal with room for both, so that segments made meanwhile do not matter.
    std::mt19937_64 rng(seed);
    Store store = open_store(*machine, &loot.key);
    change(store, contents, rng);
    kill(*machine, store);
  }
  // Frames for all of it: what is spilled is logged by reference, in no fragment.
  Options roomy = small_options();
  roomy.locked_bytes_max = 8 << 20;
  roomy.write_buffer_bytes_max = 8 << 20;
  Store store = open_store(*machine, &loot.key, roomy);
  loot.attempts.push_back({files_of(*machine), contents, store.anchor(), 0, 0});
  give_up_half_way(*machine, store);
  loot.first_attempt = files_of(*machine);
  attempt(store, 2, contents);
  loot.attempts.push_back({files_of(*machine), contents, store.anchor(), 0, 0});
  kill(*machine, store);
}

void renew(Loot& loot, std::uint64_t seed) {
  const auto machine = machine_with(loot.own.back().files, seed);
  {
    Store store = open_store(*machine, &loot.key);
    static_cast<void>(backup_snapshot(store, "/backup"));
  }
  RestoreOptions options;
  options.store = small_options();
  static_cast<void>(
      backup::restore_snapshots(*machine, {"/backup"}, &loot.key, "/renewed", options));
  Moment renewed{.files = {}, .contents = loot.own.back().contents, .anchor = {}};
  for (const std::string& name : machine->files().list("/renewed")) {
    renewed.files[name] = machine->contents(platform::Path("/renewed") / name);
  }
  loot.renewed.push_back(std::move(renewed));
}

}  // namespace

Loot gather(std::uint64_t seed) {
  Loot loot;
  const auto machine = SimulatedPlatform::make(seed);
  create_store(*machine, &loot.key);
  loot.own = live(*machine, &loot.key, {}, seed, 40);

  const Moment& cloned = loot.own[Loot::kCloned];
  const auto clone = machine_with(cloned.files, seed + 1);
  loot.clone = live(*clone, &loot.key, cloned.contents, seed + 1, 20);

  loot.family = loot.own;
  loot.family.insert(loot.family.end(), loot.clone.begin(), loot.clone.end());

  const auto other = SimulatedPlatform::make(seed + 2);
  create_store(*other, &loot.key);
  loot.other = live(*other, &loot.key, {}, seed + 2, 40);

  const auto plain = SimulatedPlatform::make(seed + 3);
  create_store(*plain, nullptr);
  loot.plain = live(*plain, nullptr, {}, seed + 3, 12);

  renew(loot, seed + 4);
  two_attempts(loot, seed + 5);
  return loot;
}

}  // namespace coffer::campaign::tamper
