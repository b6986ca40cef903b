// The public Store, its transactions and tickets: thin handles on the engine.
#include <coffer/store.hpp>

#include <chrono>

#include <fmt/format.h>

#include "platform/platform.hpp"
#include "tree/check.hpp"
#include "tree/open_tree.hpp"
#include "tree/store_state.hpp"
#include "txn/engine.hpp"

namespace coffer {

namespace {

/// Hands what the trees refer to on to the engine's check, opening every chunk on the way.
class TreeWalk final : public tree::CheckVisitor {
 public:
  TreeWalk(txn::PageSource& source, const txn::Engine::References& references, CheckReport& report)
      : source_(source), references_(references), report_(report), buffer_(source.chunk_buffer()) {}

  void page(PageId id) override { references_.page(id); }
  void chunk(std::uint64_t value_id, std::uint64_t index, const txn::ChunkRef& ref) override {
    if (ref.sealed_bytes == 0 || ref.sealed_bytes > source_.chunk_bytes()) {
      throw Corrupted(fmt::format(
          "chunk {} of value {} has an impossible length; restore from a backup", index, value_id));
    }
    source_.read_chunk(value_id, index, ref, buffer_.bytes().first(ref.sealed_bytes));
    report_.bytes_verified += ref.sealed_bytes;
    references_.run(txn::run_of(ref, report_.page_size));
  }

 private:
  txn::PageSource& source_;
  const txn::Engine::References& references_;
  CheckReport& report_;
  txn::ChunkBuffer buffer_;
};

}  // namespace

const char* version() {
  return COFFER_VERSION;
}

std::unique_ptr<Store::State> Store::State::open(platform::Platform& platform,
                                                 const platform::Path& path, const Key* key,
                                                 const Options& options) {
  return std::make_unique<State>(txn::Engine::open(platform, path, key, options),
                                 platform.entropy());
}

std::unique_ptr<Store::State> Store::State::create(platform::Platform& platform,
                                                   const platform::Path& path, const Key* key,
                                                   const CreateOptions& create,
                                                   const Options& options) {
  if (options.read_only) throw InvalidArgument("a store cannot be created read-only");
  txn::Engine::create(platform, path, key, create, options);
  return open(platform, path, key, options);
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Store Store::create(const std::filesystem::path& path, const Key& key, const CreateOptions& create,
                    const Options& options) {
  return Store(State::create(platform::native_platform(), path, &key, create, options));
}

Store Store::create_unencrypted(const std::filesystem::path& path, const CreateOptions& create,
                                const Options& options) {
  return Store(State::create(platform::native_platform(), path, nullptr, create, options));
}

Store Store::open(const std::filesystem::path& path, const Key& key, const Options& options) {
  return Store(State::open(platform::native_platform(), path, &key, options));
}

Store Store::open_unencrypted(const std::filesystem::path& path, const Options& options) {
  return Store(State::open(platform::native_platform(), path, nullptr, options));
}

ReadTransaction Store::read(const ReadOptions& options) {
  return ReadTransaction(std::make_unique<ReadTransaction::State>(
      *state_, state_->engine->begin_read(options.latest)));
}

WriteTransaction Store::write() {
  return WriteTransaction(
      std::make_unique<WriteTransaction::State>(*state_, state_->engine->begin_write(true)));
}

std::optional<WriteTransaction> Store::try_write() {
  auto view = state_->engine->begin_write(false);
  if (!view) return std::nullopt;
  return WriteTransaction(std::make_unique<WriteTransaction::State>(*state_, std::move(view)));
}

void Store::sync() {
  state_->engine->sync();
}
void Store::checkpoint() {
  state_->engine->checkpoint();
}
Anchor Store::anchor() const {
  return state_->engine->anchor();
}
Statistics Store::statistics() const {
  return state_->engine->statistics();
}
void Store::close() {
  state_->engine->close();
}

CheckReport Store::check() {
  const auto begun = std::chrono::steady_clock::now();
  CheckReport report;
  report.page_size = state_->engine->statistics().page_size;
  state_->engine->check(
      report, [&](txn::PageSource& source, const txn::Engine::References& references) {
        TreeWalk walk(source, references, report);
        const tree::CheckCounts counts = tree::check_all_trees({.source = &source}, walk);
        report.trees = counts.trees;
        report.entries = counts.entries;
      });
  report.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begun);
  return report;
}

}  // namespace coffer
