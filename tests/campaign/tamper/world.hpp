// What the tamper gates attack: small stores on simulated machines, copies of their files at every moment of their
// lives, and what each of these moments had to show.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <coffer/backup.hpp>
#include <coffer/error.hpp>
#include <coffer/store.hpp>

#include "platform/simulated/simulated.hpp"
#include "txn/engine.hpp"

namespace coffer::campaign::tamper {

using Bytestring = std::vector<std::byte>;
/// Everything that a store consists of, as somebody with a copying tool sees it: name in its directory -> bytes.
using Files = std::map<std::string, Bytestring>;
/// What is in a store: tree, a zero byte, key -> value.
using Contents = std::map<std::string, std::string>;

/// Every store of these gates lies here.
inline constexpr const char* kStore = "/store";
/// The smallest segments that there are: a journal of few bits.
inline constexpr std::uint64_t kSmallSegmentBytes = 64 * 1024;
/// Nothing that somebody does to a file may keep an opening busy for longer.
inline constexpr std::chrono::seconds kLongest{1};

[[nodiscard]] Key key_of(unsigned char byte);
/// For stores of some hundred kilobytes: no thread, 1 MiB of locked memory.
[[nodiscard]] Options small_options(bool read_only = false);

void create_store(platform::Platform& machine, const Key* key);
[[nodiscard]] Store open_store(platform::Platform& machine, const Key* key,
                               const Options& options = small_options());
/// Ends a process without its closing anything.
void kill(platform::SimulatedPlatform& machine, Store& store);

[[nodiscard]] Files files_of(platform::SimulatedPlatform& machine);
[[nodiscard]] std::unique_ptr<platform::SimulatedPlatform> machine_with(const Files& files,
                                                                        std::uint64_t seed);
[[nodiscard]] bool is_segment(const std::string& name);

/// What somebody hears who opens the files, checks the store and reads everything.
struct Heard {
  std::string error;  ///< the type's name; empty: there was none
  std::string text;
  Contents contents;  ///< also what was read before an error
  std::chrono::nanoseconds took{};
  [[nodiscard]] bool opened() const { return error.empty(); }
};
[[nodiscard]] Heard hear(platform::SimulatedPlatform& machine, const Key* key,
                         const Options& options = small_options(true));
/// The name of the type of the exception being handled; "other" for what no call of the interface may raise.
[[nodiscard]] std::string error_name();

/// One moment of a store's life.
struct Moment {
  Files files;
  Contents contents;
  Anchor anchor;
  std::uint64_t checkpoint = 0;
  std::uint64_t commit = 0;
};

/// Values are at least this long and random, so that what does not belong shows.
[[nodiscard]] std::string random_value(std::mt19937_64& rng, std::size_t length);
/// A commit that changes some entries, makes and drops some, and now and then a large value; `contents` follows.
/// `before_commit`, when given, becomes what will be committed before it is.
void change(Store& store, Contents& contents, std::mt19937_64& rng,
            Contents* before_commit = nullptr, Durability durability = Durability::full);

/// A life: the moment before, and one after each of `commits` commits, every fourth of them followed by a checkpoint,
/// and by another opening every ninth time.  It goes on from what is on the machine; `contents` is what that shows.
[[nodiscard]] std::vector<Moment> live(platform::SimulatedPlatform& machine, const Key* key,
                                       Contents contents, std::uint64_t seed, int commits);

/// All that was heard is true: no entry that no moment had, whatever came of it in the end.
[[nodiscard]] bool only_truth(const Contents& heard, const std::vector<Moment>& moments);
/// The moment that shows exactly this.
[[nodiscard]] std::optional<std::size_t> moment_of(const Contents& heard,
                                                   const std::vector<Moment>& moments);

}  // namespace coffer::campaign::tamper
