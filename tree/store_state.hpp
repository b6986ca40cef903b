// What stands behind the public handles.  In a forked child every call raises Error and destructors let
// everything be: the memory, threads and locks are the parent's.
#pragma once

#include <memory>

#include <coffer/store.hpp>

#include "tree/known_trees.hpp"
#include "tree/tree_context.hpp"
#include "txn/engine.hpp"

namespace coffer {

struct Store::State {
  explicit State(std::unique_ptr<txn::Engine> opened, platform::Entropy& entropy)
      : engine(std::move(opened)), known_trees(engine->heap(), entropy) {}

  /// Store::open and Store::create on any platform.  `key` null: not encrypted.
  [[nodiscard]] static std::unique_ptr<State> open(platform::Platform& platform,
                                                   const platform::Path& path, const Key* key,
                                                   const Options& options);
  [[nodiscard]] static std::unique_ptr<State> create(platform::Platform& platform,
                                                     const platform::Path& path, const Key* key,
                                                     const CreateOptions& create,
                                                     const Options& options);

  std::unique_ptr<txn::Engine> engine;
  tree::KnownTrees known_trees;  ///< ends before the engine, whose locked memory it uses
};

struct ReadTransaction::State {
  State(Store::State& store, std::unique_ptr<txn::ReadView> view_in)
      : engine(*store.engine),
        known_trees(store.known_trees),
        view(std::move(view_in)),
        registry(std::make_shared<tree::StreamRegistry>()) {}
  ~State();
  [[nodiscard]] tree::TreeContext context() const {
    engine.check_alive();
    return {
        .source = view.get(), .sink = nullptr, .registry = registry, .known_trees = &known_trees};
  }

  txn::Engine& engine;
  tree::KnownTrees& known_trees;
  std::unique_ptr<txn::ReadView> view;
  std::shared_ptr<tree::StreamRegistry> registry;
};

struct WriteTransaction::State {
  State(Store::State& store, std::unique_ptr<txn::WriteView> view_in)
      : engine(*store.engine),
        known_trees(store.known_trees),
        view(std::move(view_in)),
        registry(std::make_shared<tree::StreamRegistry>()) {}
  ~State();
  /// InvalidArgument once the transaction has ended, Conflict once a commit has failed.
  [[nodiscard]] tree::TreeContext context() const;
  /// Publishes; the commit is not durable yet.
  CommitNumber commit();
  void rollback() noexcept;

  txn::Engine& engine;
  tree::KnownTrees& known_trees;
  std::unique_ptr<txn::WriteView> view;
  std::shared_ptr<tree::StreamRegistry> registry;
  bool commit_failed = false;
};

struct CommitTicket::State {
  txn::Engine& engine;
  CommitNumber commit{};
};

}  // namespace coffer
