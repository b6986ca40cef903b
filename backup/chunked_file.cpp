// See chunked_file.hpp.
#include "backup/chunked_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"

namespace coffer::backup {
namespace {

/// So that the end has little to sync.
constexpr std::uint64_t kStreamWriteBackBytes = 4 << 20;

}  // namespace

ChunkedWriter::ChunkedWriter(platform::File& file, BackupHeader header, platform::LockedHeap& heap,
                             Pace& pace)
    : file_(file),
      pace_(pace),
      header_(std::move(header)),
      chunk_(heap.allocate(format::kChunkBytes)),
      other_(heap.allocate(format::kChunkBytes)),
      sealed_(format::kSealedChunkBytes) {
  // The stream's header is random and part of what its chunks are bound to, hence made first, without them.
  sealer_ = std::make_unique<crypto::ChunkSealer>(header_.suite, header_.key_bytes(), heap);
  std::ranges::copy(sealer_->header(), &header_.bytes[format::kStreamHeaderAt]);
  sealer_->bind(context_of(header_));
  file_.write_at(0, header_.bytes);
  position_ = header_.bytes.size();
}

std::span<std::byte> ChunkedWriter::room() {
  // A full chunk waits until there is more: the last one must know that it is the last.
  if (used_ == format::kChunkBytes) flush(false);
  return chunk_.bytes().subspan(used_);
}

void ChunkedWriter::write_over(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto into = room();
    const std::size_t now = std::min(into.size(), bytes.size());
    std::memcpy(into.data(), bytes.data(), now);
    wrote(now);
    bytes = bytes.subspan(now);
  }
}

void ChunkedWriter::flush(bool last) {
  thread_.finish();
  std::swap(chunk_, other_);
  thread_.start([this, plain = used_, last] { seal(plain, last); });
  pace_.advance(used_ + crypto::kChunkOverheadBytes);
  used_ = 0;
}

void ChunkedWriter::seal(std::size_t plain, bool last) {
  const auto sealed = std::span(sealed_).first(plain + crypto::kChunkOverheadBytes);
  sealer_->seal(sealed, other_.bytes().first(plain), last);
  file_.write_at(position_, sealed);
  position_ += sealed.size();
  if (position_ - written_back_ < kStreamWriteBackBytes) return;
  file_.write_back(written_back_, position_ - written_back_);
  written_back_ = position_;
}

std::uint64_t ChunkedWriter::finish() {
  flush(true);
  thread_.finish();
  return position_;
}

ChunkedReader::ChunkedReader(platform::File& file, BackupHeader header, platform::LockedHeap& heap,
                             Pace& pace)
    : file_(file),
      pace_(pace),
      header_(std::move(header)),
      chunk_(heap.allocate(format::kChunkBytes)),
      position_(format::kHeaderBytes),
      other_(heap.allocate(format::kChunkBytes)),
      sealed_(format::kSealedChunkBytes) {
  if (is_snapshot(header_.label.kind)) {
    throw InvalidArgument(fmt::format("{} is a {} backup, not a logical one", file.path().string(),
                                      name_of(header_.label.kind)));
  }
  crypto::StreamHeader stream_header;
  std::copy_n(&header_.bytes[format::kStreamHeaderAt], stream_header.size(), stream_header.begin());
  opener_ = std::make_unique<crypto::ChunkOpener>(header_.suite, header_.key_bytes(), stream_header,
                                                  context_of(header_), heap);
}

void ChunkedReader::raise_damaged(const std::string& what) const {
  raise_damaged_backup(header_.suite, file_.path(), what);
}

void ChunkedReader::next_chunk() {
  if (ended_) raise_damaged("its records go on behind its end");
  if (!reading_ahead_) thread_.start([this] { open_next(); });
  reading_ahead_ = false;
  thread_.finish();
  std::swap(chunk_, other_);
  at_ = 0;
  filled_ = opened_.plain;
  ended_ = opened_.last;
  const std::size_t sealed = filled_ + crypto::kChunkOverheadBytes;
  position_ += sealed;
  if (!ended_) {
    reading_ahead_ = true;
    thread_.start([this] { open_next(); });
  }
  pace_.advance(sealed);
}

void ChunkedReader::open_next() {
  using Outcome = crypto::ChunkOpener::Outcome;
  const std::size_t got = file_.read_at(position_, sealed_);
  if (got < crypto::kChunkOverheadBytes) {
    raise_damaged(
        fmt::format("it ends after {} bytes, before its authenticated end", position_ + got));
  }
  const std::size_t plain = got - crypto::kChunkOverheadBytes;
  const Outcome outcome = opener_->open(other_.bytes().first(plain), std::span(sealed_).first(got));
  if (outcome == Outcome::forged) {
    raise_damaged(fmt::format("the chunk at byte {} does not verify{}", position_,
                              got < sealed_.size() ? ", or was cut" : ""));
  }
  // Only the last one may be short.
  if (outcome == Outcome::chunk && got != sealed_.size()) {
    raise_damaged(fmt::format("the chunk at byte {} is cut", position_));
  }
  opened_ = {.plain = plain, .last = outcome == Outcome::last};
}

std::span<const std::byte> ChunkedReader::some(std::uint64_t most) {
  Expects(most > 0);
  while (at_ == filled_) next_chunk();
  const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(most, filled_ - at_));
  const auto bytes = std::span<const std::byte>(chunk_.bytes()).subspan(at_, now);
  at_ += now;
  return bytes;
}

void ChunkedReader::read(std::span<std::byte> out) {
  while (!out.empty()) {
    const auto bytes = some(out.size());
    std::memcpy(out.data(), bytes.data(), bytes.size());
    out = out.subspan(bytes.size());
  }
}

void ChunkedReader::expect_end() {
  // The end may be a chunk of its own, with nothing in it.
  if (at_ == filled_ && !ended_) next_chunk();
  if (at_ != filled_ || !ended_) raise_damaged("something follows its last record");
  if (std::byte beyond{}; file_.read_at(position_, {&beyond, 1}) != 0) {
    raise_damaged(fmt::format("something follows its end at byte {}", position_));
  }
}

}  // namespace coffer::backup
