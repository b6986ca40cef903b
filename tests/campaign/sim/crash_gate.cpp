// The gate `crash-images`: every disk that a power cut can leave.
//
// A program with several tasks is simulated once and every step of its machine recorded.  At each boundary between
// steps all subsets of the unsynced changes land in turn, up to kAllSubsetsUpTo of them, and a sample beyond; besides
// the newest write lands torn, at 512 bytes and at 4 KiB, and blocks hold garbage.  Where a boundary only adds a
// change, the subsets without it are those of the boundary before and are not tried again.
#include <fmt/format.h>

#include <atomic>
#include <chrono>

#include "tests/campaign/sim/gates.hpp"
#include "tests/campaign/sim/judge.hpp"
#include "tests/campaign/sim/life.hpp"
#include "tests/campaign/sim/words.hpp"

namespace coffer::campaign::sim {

namespace {

using platform::CutOutcome;
using platform::ExactCut;
using platform::SimulatedPlatform;

constexpr std::size_t kAllSubsetsUpTo = 10;
constexpr std::uint64_t kSampled = 200;
constexpr Shape kCrashShape{.writers = 2, .others = 1, .actions_each = 14, .snapshots = false};

/// Where the power goes, and what lands.
struct Image {
  std::uint64_t step = 0;
  ExactCut cut = {};
  bool garbage = false;  ///< by CutOutcome::torn_blocks and not by `cut`
  std::uint64_t lot = 0;
};

std::string words_of(std::uint64_t seed, const std::vector<bool>& kept, const Image& image) {
  std::string words = fmt::format("seed={} step={} lot={}", seed, image.step, image.lot);
  if (image.garbage) words += " garbage=1";
  if (!image.cut.lands.empty()) words += fmt::format(" lands={}", text_of(image.cut.lands));
  if (image.cut.torn)
    words += fmt::format(" torn={} piece={}", *image.cut.torn, image.cut.piece_bytes);
  if (!kept.empty()) words += fmt::format(" kept={}", text_of(kept));
  return fmt::format("crash-images --replay '{}'", words);
}

/// A program that has been simulated to its end.
struct Recording {
  std::unique_ptr<SimulatedPlatform> machine;
  History history;
  std::uint64_t created_at = 0;
  Lived lived;
};

Recording record(std::uint64_t seed, const std::vector<bool>& kept) {
  Recording recording;
  recording.machine = SimulatedPlatform::make(seed);
  recording.machine->record(true);
  create_store(*recording.machine);
  recording.created_at = recording.machine->steps();
  recording.lived = live(*recording.machine, recording.history,
                         {.plan = kept_of(make_plan(seed, kCrashShape), kept), .create = false});
  return recording;
}

std::optional<std::string> violation_of(const Recording& recording, const Image& image) {
  const auto machine =
      image.garbage ? recording.machine->cut_at(image.step, CutOutcome::torn_blocks, image.lot)
                    : recording.machine->cut_exactly_at(image.step, image.cut, image.lot);
  // What costs time is done for some images of each kind.
  return judge(*machine, recording.history, image.step,
               {.with_anchor = image.lot % 4 == 0,
                .check = image.lot % 4 == 1,
                .go_on = image.lot % 32 == 2})
      .violation;
}

/// Calls `try_image` with each image of a boundary until it returns false.
class Boundary {
 public:
  Boundary(std::uint64_t seed, std::uint64_t step, std::size_t before, std::size_t now)
      : step_(step), unsynced_(now), adds_(now == before + 1), random_(mixed(seed, step)) {}

  template <class Try>
  bool each(Try&& try_image) {
    return subsets(try_image) && torn(try_image);
  }

 private:
  Image image() { return {.step = step_, .lot = random_()}; }

  template <class Try>
  bool subsets(Try& try_image) {
    const std::size_t free = adds_ ? unsynced_ - 1 : unsynced_;
    const bool all = free <= kAllSubsetsUpTo;
    const std::uint64_t count = all ? std::uint64_t{1} << free : kSampled;
    for (std::uint64_t i = 0; i < count; ++i) {
      Image next = image();
      for (std::size_t bit = 0; bit < free; ++bit) {
        next.cut.lands.push_back(all ? (i >> bit & 1) != 0 : random_.one_in(2));
      }
      if (adds_) next.cut.lands.push_back(true);
      if (!try_image(next)) return false;
    }
    return true;
  }

  template <class Try>
  bool torn(Try& try_image) {
    if (unsynced_ == 0) return true;
    for (const std::uint64_t piece_bytes : {std::uint64_t{512}, std::uint64_t{4096}}) {
      for (int i = 0; i < 3; ++i) {
        Image next = image();
        next.cut.piece_bytes = piece_bytes;
        next.cut.torn = adds_ ? unsynced_ - 1 : random_.below(unsynced_);
        // The others all, none, or by lot.
        for (std::size_t bit = 0; bit < unsynced_; ++bit) {
          next.cut.lands.push_back(i == 0 || (i == 2 && random_.one_in(2)));
        }
        if (!try_image(next)) return false;
      }
    }
    Image next = image();
    next.garbage = true;
    return try_image(next);
  }

  const std::uint64_t step_;
  const std::size_t unsynced_;
  const bool adds_;
  Random random_;
};

/// Every image of a recording until `try_image` returns false.
template <class Try>
void each_image(const Recording& recording, std::uint64_t seed, Try&& try_image) {
  std::size_t before = 0;
  for (std::uint64_t step = recording.created_at; step <= recording.machine->steps(); ++step) {
    const std::size_t now = recording.machine->unsynced_at(step);
    if (!Boundary(seed, step, before, now).each(try_image)) return;
    before = now;
  }
}

/// The first image of the program without those actions that violates, within some seconds.
std::optional<std::pair<Image, std::string>> first_violation(
    std::uint64_t seed, const std::vector<bool>& kept,
    std::chrono::steady_clock::time_point until) {
  const Recording recording = record(seed, kept);
  if (recording.lived.violation) return std::pair(Image{}, *recording.lived.violation);
  std::optional<std::pair<Image, std::string>> found;
  each_image(recording, seed, [&](const Image& image) {
    if (auto violation = violation_of(recording, image)) found = {image, *violation};
    return !found && std::chrono::steady_clock::now() < until;
  });
  return found;
}

/// Fewer actions that still end in a violation: each is left out once, while there is time.
void report(GateRun& run, std::uint64_t seed, Image image, std::string what) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::seconds(20);
  std::vector<bool> kept(make_plan(seed, kCrashShape).actions(), true);
  bool fewer = false;
  for (std::size_t i = kept.size(); i-- > 0 && Clock::now() < until;) {
    kept[i] = false;
    if (auto found = first_violation(seed, kept, until)) {
      std::tie(image, what) = *found;
      fewer = true;
    } else {
      kept[i] = true;
    }
  }
  run.violated(what, words_of(seed, fewer ? kept : std::vector<bool>(), image));
}

void replay_image(GateRun& run) {
  const Words words(run.replay());
  const std::vector<bool> kept = bits_of(words.text("kept"));
  const Recording recording = record(words.number("seed"), kept);
  Image image{.step = words.number("step"),
              .garbage = words.number("garbage") != 0,
              .lot = words.number("lot")};
  image.cut.lands = bits_of(words.text("lands"));
  image.cut.piece_bytes = words.number("piece", 512);
  if (!words.text("torn").empty()) image.cut.torn = words.number("torn");
  run.ran(1, 1);
  auto violation = recording.lived.violation;
  if (!violation && image.step >= recording.created_at) violation = violation_of(recording, image);
  if (violation) run.violated(*violation, words_of(words.number("seed"), kept, image));
}

}  // namespace

void crash_images(GateRun& run) {
  if (!run.replay().empty()) return replay_image(run);
  std::atomic<std::uint64_t> programs{0};
  std::atomic<std::uint64_t> images{0};
  in_two_threads(run, [&](unsigned) {
    while (images < run.cases() && !run.stop()) {
      const std::uint64_t seed = mixed(run.seed(), programs++);
      const Recording recording = record(seed, {});
      if (recording.lived.violation) {
        report(run, seed, {}, *recording.lived.violation);
        continue;
      }
      each_image(recording, seed, [&](const Image& image) {
        ++images;
        run.ran(1, 1);
        if (auto violation = violation_of(recording, image)) {
          report(run, seed, image, *violation);
          return false;
        }
        return images < run.cases() && !run.stop();
      });
    }
  });
  run.note(fmt::format("{} programs", programs.load()));
}

}  // namespace coffer::campaign::sim
