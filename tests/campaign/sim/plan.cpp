// See plan.hpp.
#include "tests/campaign/sim/plan.hpp"

#include <algorithm>
#include <array>

namespace coffer::campaign::sim {

std::size_t Plan::actions() const {
  std::size_t sum = 0;
  for (const auto& task : tasks) sum += task.size();
  return sum;
}

namespace {

Doing writers_doing(Random& random) {
  constexpr std::array kOften = {Doing::write,         Doing::write,         Doing::write,
                                 Doing::write_relaxed, Doing::write_relaxed, Doing::write_async,
                                 Doing::write_nothing};
  return kOften[random.below(kOften.size())];
}

Doing others_doing(Random& random, const Shape& shape) {
  constexpr std::array kOften = {Doing::read,        Doing::read,   Doing::read,
                                 Doing::read_latest, Doing::sync,   Doing::checkpoint,
                                 Doing::check,       Doing::anchor, Doing::snapshot};
  return kOften[random.below(kOften.size() - (shape.snapshots ? 0 : 1))];
}

Doing backups_doing(Random& random) {
  constexpr std::array kOften = {Doing::archive, Doing::increment,         Doing::increment,
                                 Doing::logical, Doing::logical_increment, Doing::logical_increment,
                                 Doing::restore, Doing::restore,           Doing::checkpoint};
  return kOften[random.below(kOften.size())];
}

}  // namespace

Plan make_plan(std::uint64_t seed, const Shape& shape) {
  Random random(seed);
  Plan plan;
  plan.seed = seed;
  plan.background_checkpoints = shape.others > 0 && random.below(4) != 0;
  plan.checkpoint_journal_bytes = std::uint64_t{16 * 1024} << random.below(4);
  constexpr std::array kSwitches = {2, 4, 16, 64};
  plan.switch_one_in = static_cast<std::uint64_t>(kSwitches[random.below(kSwitches.size())]);
  plan.sizes.keys = 10 + random.below(60);
  plan.sizes.changes_max = random.one_in(6) ? 40 : 6;
  for (std::size_t t = 0; t < shape.writers + shape.others; ++t) {
    auto& task = plan.tasks.emplace_back();
    for (std::size_t i = 0; i < shape.actions_each; ++i) {
      const Doing doing = t < shape.writers ? writers_doing(random)
                          : shape.backups   ? backups_doing(random)
                                            : others_doing(random, shape);
      task.push_back({doing, random()});
    }
  }
  return plan;
}

Plan kept_of(Plan plan, const std::vector<bool>& kept) {
  if (kept.empty()) return plan;
  std::size_t place = 0;
  for (auto& task : plan.tasks) {
    std::vector<Action> left;
    for (const Action& action : task) {
      if (place < kept.size() && kept[place]) left.push_back(action);
      ++place;
    }
    task = std::move(left);
  }
  return plan;
}

std::string text_of(const std::vector<bool>& bits) {
  std::string text;
  for (const bool bit : bits) text += bit ? '1' : '0';
  // What is behind the end does not count; no text at all would mean all.
  text.resize(std::max<std::size_t>(1, text.find_last_of('1') + 1), '0');
  return text;
}

std::vector<bool> bits_of(std::string_view text) {
  std::vector<bool> bits;
  for (const char c : text) bits.push_back(c == '1');
  return bits;
}

}  // namespace coffer::campaign::sim
