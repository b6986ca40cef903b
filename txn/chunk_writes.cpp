// See chunk_writes.hpp.
#include "txn/chunk_writes.hpp"

namespace coffer::txn {

void ChunkWrites::wait(std::size_t left) {
  if (failure_) std::rethrow_exception(failure_);
  if (second_ == nullptr) return;
  try {
    static_cast<void>(second_->wait(left));
  } catch (...) {
    failure_ = std::current_exception();
    second_ = nullptr;
    throw;
  }
  if (left == 0) second_ = nullptr;
}

std::span<std::byte> ChunkWrites::room(std::size_t bytes) {
  wait(kChunks - 1);
  std::vector<std::byte>& chunk = chunks_[next_];
  if (chunk.size() < bytes) chunk.resize(bytes);
  return std::span(chunk).first(bytes);
}

void ChunkWrites::write(pager::SlotRun run, std::span<const std::byte> bytes,
                        platform::SecondThread* second) {
  if (second == nullptr) {
    file_.write_run(run.first, bytes);
    return;
  }
  second->start([this, run, bytes] {
    file_.write_run(run.first, bytes);
    // So that the commit's sync has less to wait for.
    file_.write_back(run);
  });
  second_ = second;
  next_ = (next_ + 1) % kChunks;
}

void ChunkWrites::finish() {
  wait(0);
}

void ChunkWrites::abandon() noexcept {
  try {
    wait(0);
  } catch (...) {
    // See finish.
  }
}

}  // namespace coffer::txn
