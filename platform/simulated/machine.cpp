// See machine.hpp.
#include "platform/simulated/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <coffer/error.hpp>
#include <limits>
#include <system_error>

#include "platform/fork_generation.hpp"

namespace coffer::platform {

namespace simulated {

namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();
// A Replay on the way is a few pointers for each file, and keeps alive the blocks it shows.
constexpr std::uint64_t kStepsBetweenReplays = 1024;

std::uint64_t next_device() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), the finaliser.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

}  // namespace

void SimulatedEntropy::fill(std::span<std::byte> out) {
  const std::lock_guard guard(mutex_);
  for (std::size_t i = 0; i < out.size();) {
    auto word = random_();
    for (int byte = 0; byte < 8 && i < out.size(); ++byte, ++i, word >>= 8) {
      out[i] = static_cast<std::byte>(word);
    }
  }
}

Machine::Machine(std::uint64_t seed, Disk disk)
    : device(next_device()),
      seed_(seed),
      born_in_generation_(fork_generation()),
      disk_(std::move(disk)),
      capacity_bytes_(kNoLimit),
      entropy_(mix(seed)),
      memory_(make_memory(*this)),
      files_(make_file_system(*this)) {}

bool Machine::forked() const noexcept {
  return fork_generation() != born_in_generation_;
}

void Machine::fault(const char* operation, const Path& path, std::uint64_t offset,
                    std::uint64_t length) const {
  if (fault_) fault_(operation, path, offset, length);
}

void Machine::apply(Change change) {
  // First what may fail: a change that is not in the log has not happened.
  if (recording_ && log_.size() == log_.capacity())
    log_.reserve(std::max<std::size_t>(64, 2 * log_.size()));
  disk_.apply(change);
  if (change.is_step()) ++steps_;
  if (recording_) log_.push_back(std::move(change));
}

std::uint64_t Machine::steps() const {
  const std::lock_guard guard(mutex_);
  return steps_;
}

void Machine::record(bool on) {
  const std::lock_guard guard(mutex_);
  if (on == recording_) return;
  recording_ = on;
  log_.clear();
  base_.reset();
  replay_.reset();
  replays_on_the_way_.clear();
  if (on) base_ = Replay{disk_, 0, steps_};
}

std::vector<SimulatedStep> Machine::log() const {
  using From = Change::Kind;
  using To = SimulatedStep::Kind;
  static const std::map<From, To> kinds = {
      {From::write, To::write},
      {From::sync, To::sync},
      {From::lose_unsynced, To::sync},
      {From::allocate, To::allocate},
      {From::truncate, To::truncate},
      {From::punch, To::punch},
      {From::create, To::create},
      {From::rename, To::rename},
      {From::remove, To::remove},
      {From::make_directory, To::make_directory},
      {From::sync_directory, To::sync_directory},
  };
  const std::lock_guard guard(mutex_);
  std::vector<SimulatedStep> steps;
  for (const auto& change : log_) {
    if (!change.is_step()) continue;
    steps.push_back({kinds.at(change.kind), change.path, change.offset, change.length});
  }
  return steps;
}

void Machine::move_replay_to(std::uint64_t step) const {
  if (!replay_ || replay_->steps > step) {
    const auto after = replays_on_the_way_.upper_bound(step);
    replay_ = after == replays_on_the_way_.begin() ? *base_ : std::prev(after)->second;
  }
  while (replay_->events < log_.size()) {
    const Change& change = log_[replay_->events];
    if (change.is_step() && replay_->steps == step) break;
    replay_->disk.apply(change);
    ++replay_->events;
    if (!change.is_step()) continue;
    ++replay_->steps;
    if ((replay_->steps - base_->steps) % kStepsBetweenReplays == 0) {
      replays_on_the_way_.try_emplace(replay_->steps, *replay_);
    }
  }
}

// A machine that goes on from another's disk must not draw the other's random numbers again, which
// no two runs of a real machine do: it would repeat nonces and generations.
std::uint64_t Machine::seed_of_descendant(std::uint64_t a, std::uint64_t b) const {
  return mix(mix(mix(seed_ + 1) + a + 1) + b + 1);
}

std::unique_ptr<SimulatedPlatform> Machine::cut_at(std::uint64_t step, CutOutcome outcome,
                                                   std::uint64_t seed) const {
  const std::lock_guard guard(mutex_);
  const Disk& disk = disk_at(step);
  const auto seed_after =
      mix(seed_of_descendant(step, seed) + static_cast<std::uint64_t>(outcome) + 1);
  return std::make_unique<Machine>(seed_after, disk.after_power_cut(outcome, seed));
}

const Disk& Machine::disk_at(std::uint64_t step) const {
  Expects(base_.has_value());
  Expects(step >= base_->steps && step <= steps_);
  move_replay_to(step);
  return replay_->disk;
}

std::size_t Machine::unsynced_at(std::uint64_t step) const {
  const std::lock_guard guard(mutex_);
  return disk_at(step).unsynced().size();
}

std::unique_ptr<SimulatedPlatform> Machine::cut_exactly_at(std::uint64_t step, const ExactCut& cut,
                                                           std::uint64_t seed) const {
  const std::lock_guard guard(mutex_);
  const Disk& disk = disk_at(step);
  std::uint64_t which = mix(cut.piece_bytes + cut.torn.value_or(cut.lands.size()));
  for (const bool lands : cut.lands) which = mix(which * 2 + (lands ? 1 : 0));
  return std::make_unique<Machine>(mix(seed_of_descendant(step, seed) + which),
                                   disk.after_power_cut(cut, seed));
}

std::unique_ptr<SimulatedPlatform> Machine::copy() const {
  const std::lock_guard guard(mutex_);
  return std::make_unique<Machine>(seed_of_descendant(steps_, mix(++copies_made_)),
                                   disk_.all_durable());
}

namespace {

/// From the root on, "." and ".." taken out as text: there are no links here.  Much cheaper than what the standard's
/// path has for it, and every operation does it.
std::vector<std::string> names_on_the_way(const Path& path) {
  std::vector<std::string> names;
  const std::string text = path.generic_string();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty() || name == ".") continue;
    if (name != "..") {
      names.push_back(std::move(name));
    } else if (!names.empty()) {
      names.pop_back();
    }
  }
  return names;
}

}  // namespace

Machine::Place Machine::find(const char* operation, const Path& path) const {
  Place place;
  place.node = kRootDirectory;
  const auto refuse = [&](int code) {
    throw IoError(fmt::format("cannot {} '{}': {} (errno {}, simulated)", operation, path.string(),
                              std::generic_category().message(code), code),
                  operation, path, code);
  };
  for (std::string& part : names_on_the_way(path)) {
    if (place.node == kNoNode) refuse(ENOENT);
    const auto* directory = disk_.directory(place.node);
    if (directory == nullptr) refuse(ENOTDIR);
    place.directory = place.node;
    place.name = std::move(part);
    const auto found = directory->live.find(place.name);
    place.node = found == directory->live.end() ? kNoNode : found->second;
  }
  return place;
}

Machine::Place Machine::find_file(const char* operation, const Path& path) const {
  auto place = find(operation, path);
  if (disk_.file(place.node) == nullptr) {
    const int code = place.node == kNoNode ? ENOENT : EISDIR;
    throw IoError(fmt::format("cannot {} '{}': {} (errno {}, simulated)", operation, path.string(),
                              std::generic_category().message(code), code),
                  operation, path, code);
  }
  return place;
}

void Machine::require_space(const char* operation, const Path& path, std::uint64_t blocks) const {
  if (capacity_bytes_ == kNoLimit || blocks == 0) return;
  if (blocks * BlockImage::kBlockBytes > free_bytes()) {
    throw NoSpace(
        fmt::format("cannot {} '{}': the simulated disk of {} bytes is full; free space "
                    "on it and repeat the operation",
                    operation, path.string(), capacity_bytes_));
  }
}

std::uint64_t Machine::free_bytes() const {
  constexpr std::uint64_t kPlenty = std::uint64_t{1} << 50;
  if (capacity_bytes_ == kNoLimit) return kPlenty;
  const auto used = disk_.used_bytes();
  return used >= capacity_bytes_ ? 0 : capacity_bytes_ - used;
}

std::vector<std::byte> Machine::contents(const Path& path) const {
  const std::lock_guard guard(mutex_);
  const auto& image = disk_.file(find_file("look into", path).node)->live;
  std::vector<std::byte> bytes(image.size());
  image.read(0, bytes);
  return bytes;
}

void Machine::rot(const Path& path, std::uint64_t offset, std::byte flipped_bits) {
  const std::lock_guard guard(mutex_);
  Change change;
  change.kind = Change::Kind::rot;
  change.node = find_file("rot in", path).node;
  change.offset = offset;
  change.length = std::to_integer<std::uint64_t>(flipped_bits);
  apply(std::move(change));
}

void Machine::set_contents(const Path& path, std::span<const std::byte> bytes) {
  const std::lock_guard guard(mutex_);
  Change change;
  change.kind = Change::Kind::overwrite;
  change.node = find_file("tamper with", path).node;
  change.payload = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  change.length = bytes.size();
  apply(std::move(change));
}

}  // namespace simulated

std::unique_ptr<SimulatedPlatform> SimulatedPlatform::make(std::uint64_t seed) {
  return std::make_unique<simulated::Machine>(seed, simulated::Disk());
}

}  // namespace coffer::platform
