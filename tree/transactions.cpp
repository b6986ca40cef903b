// The public transactions.
#include <coffer/transaction.hpp>

#include <coffer/error.hpp>

#include "tree/open_tree.hpp"
#include "tree/store_state.hpp"

namespace coffer {

namespace {

Tree expect_tree(std::optional<Tree> found) {
  if (!found) {
    throw InvalidArgument("there is no tree of that name; create it in a write transaction first");
  }
  return *std::move(found);
}

}  // namespace

// --- Reading ----------------------------------------------------------------------------------------------

ReadTransaction::State::~State() {
  if (engine.forked()) {
    static_cast<void>(view.release());
    return;
  }
  registry->transaction_ended(tree::Ending::rollback);
}

ReadTransaction::ReadTransaction(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReadTransaction::ReadTransaction(ReadTransaction&&) noexcept = default;
ReadTransaction& ReadTransaction::operator=(ReadTransaction&&) noexcept = default;
ReadTransaction::~ReadTransaction() = default;

std::uint64_t ReadTransaction::commit_number() const {
  return state_->view->snapshot().value;
}
std::optional<Tree> ReadTransaction::find_tree(Bytes name) {
  return tree::find_tree(state_->context(), name);
}
Tree ReadTransaction::tree(Bytes name) {
  return expect_tree(find_tree(name));
}
std::vector<TreeInfo> ReadTransaction::trees() {
  return tree::list_trees(state_->context());
}

// --- Writing ----------------------------------------------------------------------------------------------

WriteTransaction::State::~State() {
  if (engine.forked()) {
    static_cast<void>(view.release());
    return;
  }
  rollback();
}

tree::TreeContext WriteTransaction::State::context() const {
  engine.check_alive();
  if (view->ended()) throw InvalidArgument("the transaction has ended; begin another one");
  if (commit_failed) {
    throw Conflict("a commit of this transaction has failed; roll it back and do it again");
  }
  return {
      .source = view.get(), .sink = view.get(), .registry = registry, .known_trees = &known_trees};
}

CommitNumber WriteTransaction::State::commit() {
  static_cast<void>(context());
  commit_failed = true;  // until it has not
  registry->transaction_ended(tree::Ending::commit);
  if (registry->must_roll_back()) {
    throw Conflict(
        "an earlier failure left this transaction unable to commit; roll it back and do it "
        "again");
  }
  const CommitNumber number = view->commit();
  commit_failed = false;
  return number;
}

void WriteTransaction::State::rollback() noexcept {
  if (view->ended()) return;
  registry->transaction_ended(tree::Ending::rollback);
  view->rollback();
}

WriteTransaction::WriteTransaction(std::unique_ptr<State> state) : state_(std::move(state)) {}
WriteTransaction::WriteTransaction(WriteTransaction&&) noexcept = default;
WriteTransaction& WriteTransaction::operator=(WriteTransaction&&) noexcept = default;
WriteTransaction::~WriteTransaction() = default;

std::optional<Tree> WriteTransaction::find_tree(Bytes name) {
  return tree::find_tree(state_->context(), name);
}
Tree WriteTransaction::tree(Bytes name) {
  return expect_tree(find_tree(name));
}
Tree WriteTransaction::create_tree(Bytes name, TreeOptions options) {
  return tree::create_tree(state_->context(), name, options);
}
bool WriteTransaction::drop_tree(Bytes name) {
  return tree::drop_tree(state_->context(), name);
}
std::vector<TreeInfo> WriteTransaction::trees() {
  return tree::list_trees(state_->context());
}

Savepoint WriteTransaction::savepoint() {
  const auto context = state_->context();
  const txn::SavepointId id = context.sink->savepoint();
  try {
    context.registry->savepoint_made(id);
  } catch (...) {
    context.sink->release(id);
    throw;
  }
  return {static_cast<std::uint32_t>(id)};
}

void WriteTransaction::rollback_to(Savepoint savepoint) {
  const auto context = state_->context();
  context.sink->rollback_to(txn::SavepointId{savepoint.id});
  context.registry->rolled_back_to(txn::SavepointId{savepoint.id});
}

void WriteTransaction::release(Savepoint savepoint) {
  state_->context().sink->release(txn::SavepointId{savepoint.id});
}

std::uint64_t WriteTransaction::commit() {
  return commit(state_->engine.options().durability);
}

std::uint64_t WriteTransaction::commit(Durability durability) {
  const CommitNumber commit = state_->commit();
  if (durability == Durability::full) state_->engine.wait_durable(commit);
  state_->engine.after_commit();
  return commit.value;
}

CommitTicket WriteTransaction::commit_async() {
  auto ticket = std::make_unique<CommitTicket::State>(CommitTicket::State{state_->engine, {}});
  ticket->commit = state_->commit();
  state_->engine.after_commit();
  return CommitTicket(std::move(ticket));
}

void WriteTransaction::rollback() noexcept {
  if (!state_->engine.forked()) state_->rollback();
}

// --- Tickets ----------------------------------------------------------------------------------------------

CommitTicket::CommitTicket(std::unique_ptr<State> state) : state_(std::move(state)) {}
CommitTicket::CommitTicket(CommitTicket&&) noexcept = default;
CommitTicket& CommitTicket::operator=(CommitTicket&&) noexcept = default;
CommitTicket::~CommitTicket() = default;

std::uint64_t CommitTicket::commit_number() const {
  return state_->commit.value;
}
bool CommitTicket::durable() const {
  return state_->engine.is_durable(state_->commit);
}
void CommitTicket::wait() {
  state_->engine.wait_durable(state_->commit);
}

}  // namespace coffer
