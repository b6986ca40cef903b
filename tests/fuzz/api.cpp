// Calls of the interface in any order, compared with a model: transactions, savepoints, large values, checkpoints,
// kills and power cuts.
#include <map>
#include <string>

#include "tests/fuzz/forge.hpp"

namespace coffer::fuzz {
namespace {

using campaign::tamper::Contents;
using platform::SimulatedPlatform;

constexpr const char* kTree = "t";

class Session {
 public:
  explicit Session(FuzzedDataProvider& input) : input_(input) {
    machine_->record(true);
    campaign::tamper::create_store(*machine_, &key_);
    open();
  }
  void run() {
    for (int i = 0; i < 64 && input_.remaining_bytes() > 0; ++i) step();
    writing_.reset();
    compare();
  }

 private:
  void step() {
    switch (input_.ConsumeIntegral<std::uint8_t>() % 16) {
      case 0:
      case 1:
      case 2:
        return put(false);
      case 3:
        return put(true);
      case 4:
      case 5:
        return erase();
      case 6:
        return savepoint();
      case 7:
        return back_to_savepoint();
      case 8:
        return rollback();
      case 9:
      case 10:
        return commit(Durability::full);
      case 11:
        return commit(Durability::relaxed);
      case 12:
        writing_.reset();
        work_ = committed_;
        savepoints_.clear();
        store_->checkpoint();
        durable_ = committed_;
        return;
      case 13:
        return kill();
      case 14:
        return cut();
      default:
        return compare();
    }
  }

  [[nodiscard]] std::string key() {
    return "k" + std::to_string(input_.ConsumeIntegral<std::uint8_t>() % 32);
  }
  [[nodiscard]] Tree tree() {
    if (!writing_) writing_.emplace(store_->write());
    if (auto found = writing_->find_tree(kTree)) return std::move(*found);
    return writing_->create_tree(kTree);
  }

  void put(bool large) {
    const std::string k = key();
    const std::size_t length = large ? 3000 + input_.ConsumeIntegral<std::uint16_t>() % 80'000
                                     : input_.ConsumeIntegral<std::uint16_t>() % 1200;
    const std::string value(length,
                            static_cast<char>('a' + input_.ConsumeIntegral<std::uint8_t>() % 26));
    Tree t = tree();
    if (large) {
      ValueWriter writer = t.write(k);
      writer.write(value);
      writer.finish();
    } else {
      t.put(k, value);
    }
    work_[std::string(kTree) + '\0' + k] = value;
  }
  void erase() {
    const std::string k = key();
    const bool was = work_.erase(std::string(kTree) + '\0' + k) != 0;
    if (tree().erase(k) != was) std::abort();
  }
  void savepoint() {
    static_cast<void>(tree());
    savepoints_.emplace_back(writing_->savepoint(), work_);
  }
  void back_to_savepoint() {
    if (savepoints_.empty() || !writing_) return;
    writing_->rollback_to(savepoints_.back().first);
    work_ = savepoints_.back().second;
  }
  void rollback() {
    if (writing_) writing_->rollback();
    writing_.reset();
    savepoints_.clear();
    work_ = committed_;
  }
  void commit(Durability durability) {
    if (!writing_) return;
    writing_->commit(durability);
    writing_.reset();
    savepoints_.clear();
    committed_ = work_;
    if (durability == Durability::full) durable_ = committed_;
    since_durable_.push_back(committed_);
    if (durability == Durability::full) since_durable_.clear();
  }
  void kill() {
    rollback();
    campaign::tamper::kill(*machine_, *store_);
    store_.reset();
    // What was handed to the system is there, and durable once it was recovered.
    open();
    durable_ = committed_;
    since_durable_.clear();
    compare();
  }
  void cut() {
    rollback();
    const auto outcome = platform::kCutOutcomes[input_.ConsumeIntegral<std::uint8_t>() %
                                                platform::kCutOutcomes.size()];
    auto after =
        machine_->cut_at(machine_->steps(), outcome, input_.ConsumeIntegral<std::uint8_t>());
    campaign::tamper::kill(*machine_, *store_);
    store_.reset();
    machine_ = std::move(after);
    machine_->record(true);
    open();
    // The last durable commit, or one of those after it.
    const Contents now = contents();
    bool known = now == durable_;
    for (const Contents& state : since_durable_) known = known || now == state;
    if (!known) std::abort();
    durable_ = committed_ = work_ = now;
    since_durable_.clear();
  }
  void open() { store_.emplace(campaign::tamper::open_store(*machine_, &key_)); }

  [[nodiscard]] Contents contents() {
    Contents all;
    ReadTransaction reading = store_->read({.latest = true});
    auto found = reading.find_tree(kTree);
    if (!found) return all;
    Cursor cursor = found->cursor();
    for (bool more = cursor.first(); more; more = cursor.next()) {
      std::string value(static_cast<std::size_t>(cursor.value_size()), '\0');
      if (cursor.value_is_large()) {
        ValueReader reader = cursor.read();
        std::size_t done = 0;
        while (done < value.size()) {
          done += reader.read(std::as_writable_bytes(std::span(value)).subspan(done));
        }
      } else {
        value = std::string(cursor.value().text());
      }
      all[std::string(kTree) + '\0' + std::string(cursor.key().text())] = value;
    }
    return all;
  }
  void compare() {
    if (contents() != committed_) std::abort();
    static_cast<void>(store_->check());
  }

  FuzzedDataProvider& input_;
  Key key_ = campaign::tamper::key_of(9);
  std::unique_ptr<SimulatedPlatform> machine_ = SimulatedPlatform::make(1);
  std::optional<Store> store_;
  std::optional<WriteTransaction> writing_;
  Contents work_;
  Contents committed_;
  Contents durable_;
  std::vector<Contents> since_durable_;
  std::vector<std::pair<Savepoint, Contents>> savepoints_;
};

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  coffer::fuzz::Session(input).run();
  return 0;
}
