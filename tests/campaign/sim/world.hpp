// A simulated program that uses a store: its tasks carry out a plan, and what they see is compared with the history.
//
// A World lives as long as one process would: it opens the store, does what the plan says, and closes it or is
// killed.  The machine and the history outlive it.  With a Scheduler the tasks are interleaved; without one the
// plan's tasks are carried out one behind the other.
#pragma once

#include <coffer/key.hpp>
#include <coffer/store.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "platform/simulated/simulated.hpp"
#include "tests/campaign/sim/history.hpp"
#include "tests/campaign/sim/plan.hpp"

namespace coffer::campaign::sim {

/// Something that must not be.
struct Violated : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Which of the engine's errors a case may meet with.
enum class Expected : std::uint8_t {
  nothing,       ///< none
  faults,        ///< what a failing system makes of a call, never damage
  media_faults,  ///< damage as well
};

/// The key of all simulated stores.
[[nodiscard]] const Key& store_key();
/// A small store's, for what is not said in a plan.
[[nodiscard]] Options small_options();
/// Null when `e` may be met with; otherwise what is wrong with it.
[[nodiscard]] std::optional<std::string> unexpected(const std::exception& e, Expected expected);

inline constexpr const char* kStorePath = "/store";
void create_store(platform::Platform& platform, const std::string& path = kStorePath);
[[nodiscard]] std::unique_ptr<Store> open_store(platform::Platform& platform,
                                                const Options& options,
                                                const std::string& path = kStorePath);

/// Where a World's store is, and when.
struct Scene {
  explicit Scene(platform::SimulatedPlatform& machine)
      : platform(&machine), now([&machine] { return machine.steps(); }) {}
  /// A system without steps: nothing is before anything else.
  Scene(platform::Platform& native, std::string where)
      : platform(&native), path(std::move(where)), now([] { return std::uint64_t{0}; }) {}

  platform::Platform* platform;
  std::string path = kStorePath;
  std::function<std::uint64_t()> now;
};

class World {
 public:
  World(Scene scene, History& history, const Plan& plan, Expected expected);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// Creates the store, opens it, carries out the plan with a thread for each task, and closes the store.  Raises
  /// Violated.
  void create_and_run();
  /// The same with a store that is there.
  void open_and_run();

  /// What the engine refused while faults were about.
  [[nodiscard]] std::uint64_t errors() const { return errors_; }

 private:
  void run_all();
  void run_task(std::size_t task);
  void perform(const Action& action);
  void write(const Action& action);
  std::uint64_t commit(WriteTransaction& transaction, Doing doing);
  void read(const Action& action, bool latest);
  void back_up(const Action& action);
  void back_up_into_file(const Action& action);
  void restore(const Action& action);
  void close();
  void require_same(ReadTransaction& transaction);
  void note_violation(std::string what);
  /// Runs it; an error of the engine that may be is counted.  False when there was one.
  bool attempt(const std::function<void()>& work);

  const Scene scene_;
  History& history_;
  const Plan& plan_;
  const Expected expected_;
  std::unique_ptr<Store> store_;
  std::optional<std::string> violation_;
  std::uint64_t errors_ = 0;
};

}  // namespace coffer::campaign::sim
