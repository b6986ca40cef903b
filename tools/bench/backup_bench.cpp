// See backup_bench.hpp.
#include "tools/bench/backup_bench.hpp"

#include <coffer/backup.hpp>
#include <coffer/coffer.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>

#include "crypto/chunk_stream.hpp"
#include "crypto/seal.hpp"
#include "platform/locked_heap.hpp"
#include "platform/platform.hpp"
#include "tools/bench/file_system.hpp"
#include "tools/bench/result.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/system/interrupts.hpp"

namespace coffer::tools::bench {
namespace {

enum class Task : std::uint8_t {
  copy,
  decrypt,
  stream,
  snapshot_as_it_lies,
  snapshot,
  increment,
  logical,
  restore_snapshot,
  restore_logical,
};
constexpr std::array kTasks = {Task::copy,
                               Task::snapshot_as_it_lies,
                               Task::decrypt,
                               Task::snapshot,
                               Task::restore_snapshot,
                               Task::increment,
                               Task::stream,
                               Task::logical,
                               Task::restore_logical};

const char* name_of(Task task) {
  switch (task) {
    case Task::copy:
      return "copy";
    case Task::decrypt:
      return "decrypt";
    case Task::stream:
      return "stream";
    case Task::snapshot_as_it_lies:
      return "snapshot_no_verify";
    case Task::snapshot:
      return "snapshot";
    case Task::increment:
      return "increment";
    case Task::logical:
      return "logical";
    case Task::restore_snapshot:
      return "restore_snapshot";
    case Task::restore_logical:
      break;
  }
  return "restore_logical";
}

const char* title_of(Task task) {
  switch (task) {
    case Task::copy:
      return "copy the page file, and sync";
    case Task::decrypt:
      return "open as many pages, one core";
    case Task::stream:
      return "seal as much in a secretstream, one core";
    case Task::snapshot_as_it_lies:
      return "snapshot, not verified";
    case Task::snapshot:
      return "snapshot";
    case Task::increment:
      return "increment after a change of 1 %";
    case Task::logical:
      return "logical backup";
    case Task::restore_snapshot:
      return "restore of the snapshot";
    case Task::restore_logical:
      break;
  }
  return "restore of the logical backup";
}

/// One task's time over another's, round by round.
struct Ratio {
  const char* name;
  Task over;
  Task under;
};
constexpr std::array kRatios = {
    Ratio{"speed of a snapshot that is not verified, of copying", Task::copy,
          Task::snapshot_as_it_lies},
    Ratio{"speed of a snapshot, of opening its pages", Task::decrypt, Task::snapshot},
    Ratio{"time of an increment, of the snapshot's", Task::increment, Task::snapshot},
    Ratio{"speed of a logical backup, of sealing it", Task::stream, Task::logical},
    Ratio{"time of a snapshot's restore, of making it", Task::restore_snapshot, Task::snapshot},
    Ratio{"time of a logical restore, of making it", Task::restore_logical, Task::logical},
};

constexpr std::size_t kValueBytes = 400;
constexpr std::size_t kRecordBytes = 500;  // with its key, in a leaf that is filled in order
constexpr std::size_t kSealedBytes = 4000;

class BackupBench {
 public:
  BackupBench(const BackupBenchOptions& options, const GlobalOptions& global)
      : options_(options), directory_(options.directory), random_(options.seed) {
    store_options_.memory_locking = global.memory_locking();
    if (global.locked_bytes_max) store_options_.locked_bytes_max = *global.locked_bytes_max;
    backup_options_.memory_locking = global.memory_locking();
    backup_options_.watch = [](const BackupProgress&) { return !interrupted(); };
  }

  void make_store() {
    records_ = std::max<std::uint64_t>(1, options_.store_bytes / kRecordBytes);
    Options relaxed = store_options_;
    relaxed.durability = Durability::relaxed;
    Store store = Store::create(path("store"), key_, {}, relaxed);
    for (std::uint64_t i = 0; i < records_;) {
      if (interrupted()) throw Cancelled("interrupted; nothing was measured");
      WriteTransaction writing = store.write();
      Tree tree = writing.create_tree("records");
      for (int n = 0; n < 20'000 && i < records_; ++n, ++i) tree.append(integer_key(i), value());
      writing.commit();
    }
    store.close();
    store_.emplace(Store::open(path("store"), key_, store_options_));
  }

  double run(Task task) {
    if (interrupted()) throw Cancelled("interrupted");
    if (task == Task::increment) change_one_in_a_hundred();
    const auto begin = std::chrono::steady_clock::now();
    switch (task) {
      case Task::copy:
        copy();
        break;
      case Task::decrypt:
        decrypt();
        break;
      case Task::stream:
        stream();
        break;
      case Task::snapshot_as_it_lies: {
        BackupOptions fast = backup_options_;
        fast.verify = false;
        report_ = backup_snapshot(*store_, path("fast"), fast);
        break;
      }
      case Task::snapshot:
        report_ = backup_snapshot(*store_, path("full"), backup_options_);
        break;
      case Task::increment:
        changed_ = backup_increment(*store_, path("more"), path("full"), backup_options_);
        break;
      case Task::logical:
        logical_ = backup_logical(*store_, path("logical"), backup_options_);
        break;
      case Task::restore_snapshot:
        static_cast<void>(
            restore_backup({path("full")}, &key_, path("restored"), restoring(nullptr)));
        break;
      case Task::restore_logical:
        static_cast<void>(
            restore_backup({path("logical")}, &key_, path("restored"), restoring(&key_)));
        break;
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (task == Task::restore_snapshot || task == Task::restore_logical) compare();
    if (task == Task::snapshot_as_it_lies) std::filesystem::remove(path("fast"));
    if (task == Task::copy) std::filesystem::remove(path("copy"));
    return taken.count();
  }

  void end_round() {
    for (const char* name : {"full", "more", "logical"}) std::filesystem::remove(path(name));
  }
  [[nodiscard]] nlohmann::ordered_json amounts() const {
    return {{"pages", report_.slots},
            {"page_size", report_.page_size},
            {"pages_in_increment", changed_.slots},
            {"records", records_},
            {"logical_bytes", logical_.bytes}};
  }

 private:
  [[nodiscard]] std::filesystem::path path(const char* name) const {
    return directory_.path() / name;
  }
  [[nodiscard]] RestoreOptions restoring(const Key* new_key) const {
    RestoreOptions options;
    options.new_key = new_key;
    options.store = store_options_;
    options.watch = backup_options_.watch;
    return options;
  }
  Bytes value() {
    for (char& c : value_) c = static_cast<char>(random_());
    return Bytes(std::string_view(value_.data(), value_.size()));
  }
  /// As many records as make one page in a hundred another, all over the store.
  void change_one_in_a_hundred() {
    WriteTransaction writing = store_->write();
    Tree tree = writing.tree("records");
    for (std::uint64_t n = report_.slots / 100; n > 0; --n)
      tree.put(integer_key(random_() % records_), value());
    writing.commit();
  }
  void copy() {
    auto& files = platform::native_platform().files();
    const auto from = files.open(path("store") / "pages", platform::OpenMode::read_only);
    const auto to = files.create(path("copy"));
    std::vector<std::byte> buffer(128 << 10);
    for (std::uint64_t at = 0;;) {
      const std::size_t got = from->read_at(at, buffer);
      if (got == 0) break;
      to->write_at(at, std::span(buffer).first(got));
      at += got;
    }
    to->sync();
  }
  void decrypt() {
    crypto::ensure_ready();
    const std::array<std::byte, crypto::kKeyBytes> key{};
    const crypto::Sealer sealer(crypto::Suite::xchacha20poly1305, {}, key);
    std::vector<std::byte> plain(kSealedBytes);
    std::vector<std::byte> sealed(kSealedBytes);
    const crypto::AssociatedData place{.role = crypto::Role::page};
    const crypto::Tag tag = sealer.seal(sealed, plain, place, {});
    for (std::uint64_t i = 0; i < report_.slots; ++i) {
      if (!sealer.open(plain, sealed, tag, place, {})) throw Error("the cipher failed");
    }
  }
  void stream() {
    platform::LockedHeap heap(platform::native_platform().memory(), 4096,
                              platform::LockPolicy::proceed_unlocked, "a measurement");
    const std::array<std::byte, crypto::kKeyBytes> key{};
    crypto::ChunkSealer sealer(crypto::Suite::xchacha20poly1305, key, heap);
    sealer.bind({});
    std::vector<std::byte> plain(65'536);
    std::vector<std::byte> sealed(plain.size() + crypto::kChunkOverheadBytes);
    const std::uint64_t bytes = records_ * (kValueBytes + 8 + 11);
    for (std::uint64_t done = 0; done < bytes; done += plain.size())
      sealer.seal(sealed, plain, false);
  }
  /// What was restored, with the store; then it goes.
  void compare() {
    {
      Options options = store_options_;
      options.read_only = true;
      Store restored = Store::open(path("restored"), key_, options);
      if (sum_of(restored) != sum_of(*store_)) {
        throw Error("what was restored is not what was backed up");
      }
    }
    std::filesystem::remove_all(path("restored"));
  }
  static std::uint64_t sum_of(Store& store) {
    ReadTransaction reading = store.read();
    Tree tree = reading.tree("records");
    Cursor cursor = tree.cursor();
    std::uint64_t sum = 0;
    for (bool more = cursor.first(); more; more = cursor.next()) {
      for (const char c : cursor.value().text()) sum = sum * 31 + static_cast<unsigned char>(c);
    }
    return sum;
  }

  const BackupBenchOptions& options_;
  TemporaryDirectory directory_;
  std::mt19937_64 random_;
  std::array<char, kValueBytes> value_{};
  Key key_ = Key::generate();
  Options store_options_;
  BackupOptions backup_options_;
  std::optional<Store> store_;
  std::uint64_t records_ = 0;
  BackupReport report_;
  BackupReport changed_;
  BackupReport logical_;
};

using Times = std::map<Task, std::vector<double>>;

std::vector<double> ratios_of(const Times& times, const Ratio& ratio) {
  std::vector<double> all;
  for (std::size_t i = 0; i < times.at(ratio.over).size(); ++i)
    all.push_back(times.at(ratio.over)[i] / times.at(ratio.under)[i]);
  return all;
}

std::string as_text(const BackupBench& bench, const Times& times, const std::string& file_system) {
  std::string text = fmt::format("{}; file system {}\n{:<44}{:>12}{:>20}\n", bench.amounts().dump(),
                                 file_system, "task", "median s", "spread");
  for (const Task task : kTasks) {
    const auto [least, most] = std::minmax_element(times.at(task).begin(), times.at(task).end());
    text += fmt::format("{:<44}{:>12.3f}{:>20}\n", title_of(task), median(times.at(task)),
                        fmt::format("{:.3f} to {:.3f}", *least, *most));
  }
  text += fmt::format("\n{:<56}{:>8}{:>20}\n", "ratio, in each round", "median", "spread");
  for (const Ratio& ratio : kRatios) {
    const std::vector<double> all = ratios_of(times, ratio);
    const auto [least, most] = std::minmax_element(all.begin(), all.end());
    text += fmt::format("{:<56}{:>8.3f}{:>20}\n", ratio.name, median(all),
                        fmt::format("{:.3f} to {:.3f}", *least, *most));
  }
  return text;
}

std::string as_json(const BackupBench& bench, const Times& times, const std::string& file_system) {
  nlohmann::ordered_json json = bench.amounts();
  json["file_system"] = file_system;
  for (const Task task : kTasks) json["seconds"][name_of(task)] = times.at(task);
  for (const Ratio& ratio : kRatios) json["ratios"][ratio.name] = ratios_of(times, ratio);
  return json.dump() + "\n";
}

}  // namespace

ExitCode run_backup_benchmark(const BackupBenchOptions& options, const GlobalOptions& global) {
  catch_interrupts();
  BackupBench bench(options, global);
  Times times;
  {
    std::atomic<std::uint32_t> round = 0;
    std::atomic<const char*> doing = "making the store";
    const Progress progress([&] {
      return fmt::format("round {} of {}: {}", round.load() + 1, options.rounds, doing.load());
    });
    bench.make_store();
    for (; round < options.rounds; ++round) {
      for (const Task task : kTasks) {
        doing = title_of(task);
        times[task].push_back(bench.run(task));
      }
      bench.end_round();
    }
  }
  const std::string file_system = file_system_of(options.directory);
  print(global.json ? as_json(bench, times, file_system) : as_text(bench, times, file_system));
  return ExitCode::done;
}

}  // namespace coffer::tools::bench
