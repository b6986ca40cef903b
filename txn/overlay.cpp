#include "txn/overlay.hpp"

#include <algorithm>

#include "platform/contracts.hpp"
#include "platform/mutation.hpp"

namespace coffer::txn {

using pager::Hold;
using pager::SlotRun;

namespace {

/// Of the table, looked at under one lock: what commits and readers may have to wait for, some ten microseconds.
constexpr std::size_t kPlacesAtATime = 32;

}  // namespace

Overlay::~Overlay() {
  // Chains are unlinked one by one: a long chain must not recurse.
  chains_.erase_if([](PageId, std::unique_ptr<Node>& node) {
    while (node) node = std::move(node->older);
    return true;
  });
}

void Overlay::account(const Node& node, bool add) noexcept {
  if (!node.version.buffer) return;
  const std::uint64_t bytes = node.version.buffer->ciphertext().size();
  if (add) {
    buffered_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    buffered_pages_.fetch_add(1, std::memory_order_relaxed);
  } else {
    buffered_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    buffered_pages_.fetch_sub(1, std::memory_order_relaxed);
  }
}

std::optional<Resolved> Overlay::resolve(PageId page, CommitNumber snapshot) const {
  const std::shared_lock lock(mutex_);
  const auto* const found = chains_.find(page);
  if (found == nullptr) return std::nullopt;
  for (const Node* node = found->get(); node != nullptr; node = node->older.get()) {
    if (node->born <= snapshot) return Resolved{node->present, node->version};
  }
  return std::nullopt;
}

bool Overlay::knows(PageId page) const {
  const std::shared_lock lock(mutex_);
  return chains_.find(page) != nullptr;
}

void Overlay::hold_slot(const Node* node) {
  if (node != nullptr && node->version.has_slot && !planted(Mutation::forget_version_hold)) {
    ledger_->hold({node->version.ref.slot, 1}, Hold::version);
  }
}

void Overlay::release_slot(const Node* node) noexcept {
  if (node != nullptr && node->version.has_slot) {
    ledger_->release({node->version.ref.slot, 1}, Hold::version);
  }
}

void Overlay::prepare(Prepared& prepared) {
  Expects(prepared.bases.size() == prepared.versions.size() && prepared.held == 0);
  {
    const std::unique_lock lock(mutex_);
    chains_.reserve(prepared.versions.size());
  }
  for (; prepared.held < prepared.versions.size(); ++prepared.held) {
    const Node* node = prepared.versions[prepared.held].second.get();
    hold_slot(node);
    try {
      hold_slot(prepared.bases[prepared.held].get());
    } catch (...) {
      release_slot(node);
      throw;
    }
  }
}

void Overlay::cancel(Prepared& prepared) noexcept {
  for (std::size_t i = 0; i < prepared.held; ++i) {
    release_slot(prepared.versions[i].second.get());
    release_slot(prepared.bases[i].get());
  }
  prepared.versions.clear();
  prepared.bases.clear();
  prepared.held = 0;
}

void Overlay::drop(std::unique_ptr<Node> node) noexcept {
  account(*node, false);
  release_slot(node.get());
}

/// Drops what rule V no longer needs below the newest version.
void Overlay::trim_chain(Node& newest, const Horizon& horizon) noexcept {
  Node* successor = &newest;
  while (successor->older) {
    const Node& older = *successor->older;
    const bool needed = older.version.has_slot
                            ? horizon.needs(older.born, successor->born)
                            : horizon.needs_in_memory(older.born, successor->born);
    if (needed) {
      successor = successor->older.get();
    } else {
      std::unique_ptr<Node> gone = std::move(successor->older);
      successor->older = std::move(gone->older);
      drop(std::move(gone));
    }
  }
}

void Overlay::publish(Prepared&& prepared, const Horizon& horizon) noexcept {
  const std::unique_lock lock(mutex_);
  for (std::size_t i = 0; i < prepared.versions.size(); ++i) {
    auto& [page, node] = prepared.versions[i];
    account(*node, true);
    std::unique_ptr<Node>& chain = chains_.at(page);
    if (!chain || chain->born <= checkpoint_)
      changed_pages_.fetch_add(1, std::memory_order_relaxed);
    node->older = chain ? std::move(chain) : std::move(prepared.bases[i]);
    chain = std::move(node);
    trim_chain(*chain, horizon);
  }
}

std::vector<Overlay::Pending> Overlay::changed(CommitNumber since, CommitNumber upto) const {
  std::vector<Pending> result;
  std::optional<std::uint64_t> layout;
  for (std::size_t next = 0;;) {
    const std::shared_lock lock(mutex_);
    if (chains_.layout() != layout) {
      layout = chains_.layout();
      next = 0;
      result.clear();
    }
    const std::size_t end = std::min(next + kPlacesAtATime, chains_.places());
    chains_.for_each(next, end, [&](PageId page, const std::unique_ptr<Node>& chain) {
      const Node* node = chain.get();
      while (node != nullptr && node->born > upto) node = node->older.get();
      if (node != nullptr && node->born > since) {
        result.push_back({page, node->born, node->present, node->version});
      }
    });
    if (end == chains_.places()) return result;
    next = end;
  }
}

std::vector<Overlay::Pending> Overlay::superseded_in_memory() const {
  const std::shared_lock lock(mutex_);
  std::vector<Pending> result;
  chains_.for_each([&](PageId page, const std::unique_ptr<Node>& chain) {
    for (const Node* node = chain->older.get(); node != nullptr; node = node->older.get()) {
      if (node->version.buffer) {
        result.push_back({page, node->born, node->present, node->version});
      }
    }
  });
  return result;
}

bool Overlay::settle(PageId page, CommitNumber born, SlotId slot) {
  const std::unique_lock lock(mutex_);
  auto* const found = chains_.find(page);
  if (found == nullptr) return false;
  for (Node* node = found->get(); node != nullptr; node = node->older.get()) {
    if (node->born != born) continue;
    if (!node->version.buffer) return false;
    ledger_->hold({slot, 1}, Hold::version);
    account(*node, false);
    node->version.buffer.reset();
    node->version.ref.slot = slot;
    node->version.has_slot = true;
    return true;
  }
  return false;
}

Overlay::TrimPlace Overlay::begin_trim(CommitNumber checkpoint_commit) noexcept {
  const std::unique_lock lock(mutex_);
  checkpoint_ = checkpoint_commit;
  std::uint64_t changed = 0;
  chains_.for_each([&](PageId, const std::unique_ptr<Node>& chain) {
    if (chain->born > checkpoint_commit) ++changed;
  });
  changed_pages_.store(changed, std::memory_order_relaxed);
  return {.next = 0, .layout = chains_.layout()};
}

bool Overlay::trim_some(TrimPlace& place, const Horizon& horizon) noexcept {
  const std::unique_lock lock(mutex_);
  if (chains_.layout() != place.layout) place = {.next = 0, .layout = chains_.layout()};
  const std::size_t end = std::min(place.next + kPlacesAtATime, chains_.places());
  chains_.erase_if(place.next, end, [&](PageId, std::unique_ptr<Node>& chain) {
    trim_chain(*chain, horizon);
    if (chain->older || chain->born > checkpoint_) return false;
    drop(std::move(chain));
    return true;
  });
  place.next = end;
  return end != chains_.places();
}

void Overlay::for_each(CommitNumber snapshot,
                       const std::function<void(PageId, std::optional<Resolved>)>& visit) const {
  const std::shared_lock lock(mutex_);
  chains_.for_each([&](PageId page, const std::unique_ptr<Node>& chain) {
    std::optional<Resolved> seen;
    for (const Node* node = chain.get(); node != nullptr; node = node->older.get()) {
      if (node->born <= snapshot) {
        seen = Resolved{node->present, node->version};
        break;
      }
    }
    visit(page, std::move(seen));
  });
}

}  // namespace coffer::txn
