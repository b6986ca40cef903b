#include "tests/campaign/tamper/world.hpp"

#include <algorithm>
#include <array>

#include "tree/store_state.hpp"

namespace coffer::campaign::tamper {

using platform::SimulatedPlatform;

Key key_of(unsigned char byte) {
  std::array<std::byte, 32> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::byte>(byte + 31 * i);
  return Key::from_bytes(raw);
}

Options small_options(bool read_only) {
  Options options;
  options.read_only = read_only;
  options.background_checkpoints = false;
  options.locked_bytes_max = 1024 * 1024;
  options.write_buffer_bytes_max = 512 * 1024;
  options.checkpoint_journal_bytes = 64 * 1024 * 1024;
  return options;
}

void create_store(platform::Platform& machine, const Key* key) {
  txn::Engine::create(machine, kStore, key, {}, small_options(), kSmallSegmentBytes);
}

Store open_store(platform::Platform& machine, const Key* key, const Options& options) {
  return Store(std::make_unique<Store::State>(txn::Engine::open(machine, kStore, key, options),
                                              machine.entropy()));
}

void kill(SimulatedPlatform& machine, Store& store) {
  machine.set_fault([](const char* operation, const platform::Path& path, std::uint64_t,
                       std::uint64_t) { throw IoError("killed", operation, path, 5); });
  { const Store dying = std::move(store); }
  machine.set_fault({});
}

Files files_of(SimulatedPlatform& machine) {
  Files files;
  for (const std::string& name : machine.files().list(kStore)) {
    files[name] = machine.contents(platform::Path(kStore) / name);
  }
  return files;
}

std::unique_ptr<SimulatedPlatform> machine_with(const Files& files, std::uint64_t seed) {
  auto machine = SimulatedPlatform::make(seed);
  machine->files().make_directory(kStore);
  for (const auto& [name, bytes] : files) {
    const auto file = machine->files().create(platform::Path(kStore) / name);
    if (!bytes.empty()) file->write_at(0, bytes);
    file->sync();
  }
  return machine;
}

bool is_segment(const std::string& name) {
  return name.starts_with("journal-") && name != "journal-new";
}

std::string error_name() {
  try {
    throw;
  } catch (const Tampered&) {
    return "Tampered";
  } catch (const Corrupted&) {
    return "Corrupted";
  } catch (const WrongKey&) {
    return "WrongKey";
  } catch (const VersionUnsupported&) {
    return "VersionUnsupported";
  } catch (const InvalidArgument&) {
    return "InvalidArgument";
  } catch (const Conflict&) {
    return "Conflict";
  } catch (const NoSpace&) {
    return "NoSpace";
  } catch (const IoError&) {
    return "IoError";
  } catch (...) {
    return "other";
  }
}

namespace {

std::string value_at(const Cursor& cursor) {
  if (!cursor.value_is_large()) return std::string(cursor.value().text());
  ValueReader reader = cursor.read();
  std::string value(static_cast<std::size_t>(cursor.value_size()), '\0');
  std::size_t done = 0;
  while (done < value.size()) {
    const std::size_t got = reader.read(std::as_writable_bytes(std::span(value)).subspan(done));
    if (got == 0) break;
    done += got;
  }
  value.resize(done);
  return value;
}

void read_all(Store& store, Contents& contents) {
  ReadTransaction reading = store.read();
  for (const TreeInfo& info : reading.trees()) {
    Tree tree = reading.tree(info.name);
    Cursor cursor = tree.cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
      contents[info.name + '\0' + std::string(cursor.key().text())] = value_at(cursor);
    }
  }
}

}  // namespace

Heard hear(SimulatedPlatform& machine, const Key* key, const Options& options) {
  Heard heard;
  const auto begin = std::chrono::steady_clock::now();
  try {
    Store store = open_store(machine, key, options);
    read_all(store, heard.contents);
    static_cast<void>(store.check());
  } catch (const std::exception& e) {
    heard.error = error_name();
    heard.text = e.what();
  }
  heard.took = std::chrono::steady_clock::now() - begin;
  return heard;
}

std::string random_value(std::mt19937_64& rng, std::size_t length) {
  std::string value(length, '\0');
  for (char& c : value) c = static_cast<char>('!' + rng() % 90);
  return value;
}

namespace {

/// Longer than what lies inside a page: a value of this is one chunk.
constexpr std::size_t kLargeBytes = 6000;

void put(Tree& tree, const std::string& key, const std::string& value) {
  if (value.size() < kLargeBytes) {
    tree.put(key, value);
    return;
  }
  ValueWriter writer = tree.write(key);
  writer.write(value);
  writer.finish();
}

}  // namespace

void change(Store& store, Contents& contents, std::mt19937_64& rng, Contents* before_commit,
            Durability durability) {
  static const std::string kName = "entries";
  WriteTransaction writing = store.write();
  Tree tree = contents.empty() ? writing.create_tree(kName) : writing.tree(kName);
  const int count = contents.empty() ? 200 : 6;
  for (int i = 0; i < count; ++i) {
    const std::string key = "key " + std::to_string(rng() % 400);
    if (rng() % 8 == 0 && contents.size() > 1) {
      if (tree.erase(key)) contents.erase(kName + '\0' + key);
      continue;
    }
    const std::string value =
        random_value(rng, i == 1 && rng() % 3 == 0 ? kLargeBytes : 40 + rng() % 900);
    put(tree, key, value);
    contents[kName + '\0' + key] = value;
  }
  if (before_commit != nullptr) *before_commit = contents;
  writing.commit(durability);
}

std::vector<Moment> live(SimulatedPlatform& machine, const Key* key, Contents contents,
                         std::uint64_t seed, int commits) {
  std::mt19937_64 rng(seed);
  std::vector<Moment> moments;
  std::optional<Store> store(open_store(machine, key));
  for (int i = 0; i <= commits; ++i) {
    if (i > 0) change(*store, contents, rng);
    if (i % 4 == 3) store->checkpoint();
    const Statistics statistics = store->statistics();
    moments.push_back({.files = files_of(machine),
                       .contents = contents,
                       .anchor = store->anchor(),
                       .checkpoint = statistics.checkpoint,
                       .commit = statistics.last_commit});
    if (i % 9 == 8) {
      kill(machine, *store);
      store.emplace(open_store(machine, key));
    }
  }
  kill(machine, *store);
  return moments;
}

bool only_truth(const Contents& heard, const std::vector<Moment>& moments) {
  return std::ranges::all_of(heard, [&](const auto& entry) {
    return std::ranges::any_of(moments, [&](const Moment& moment) {
      const auto found = moment.contents.find(entry.first);
      return found != moment.contents.end() && found->second == entry.second;
    });
  });
}

std::optional<std::size_t> moment_of(const Contents& heard, const std::vector<Moment>& moments) {
  // From the end: a moment that a later one equals is no different to anybody.
  for (std::size_t i = moments.size(); i-- > 0;) {
    if (moments[i].contents == heard) return i;
  }
  return std::nullopt;
}

}  // namespace coffer::campaign::tamper
