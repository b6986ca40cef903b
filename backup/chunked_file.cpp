// See chunked_file.hpp.
#include "backup/chunked_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <coffer/error.hpp>

#include "crypto/seal_format.hpp"
#include "platform/contracts.hpp"
#include "platform/mutation.hpp"

namespace coffer::backup {

ChunkedWriter::ChunkedWriter(platform::File& file, BackupHeader header, platform::LockedHeap& heap,
                             Pace& pace, std::size_t chunks_in_memory)
    : pace_(pace),
      header_(std::move(header)),
      file_(file, format::kChunkLengthBytes + format::kSealedPackedBytesMax),
      chunks_([&] {
        std::vector<platform::LockedBuffer> chunks;
        const std::size_t count = header_.label.compressed ? kPackedChunks : chunks_in_memory;
        for (std::size_t i = 0; i < count; ++i)
          chunks.push_back(heap.allocate(format::kChunkBytes));
        return chunks;
      }()) {
  chunk_ = chunks_.current().bytes();
  if (header_.label.compressed) packer_.emplace(heap);
  // The stream's header is random and part of what its chunks are bound to, hence made first, without them.
  sealer_ = std::make_unique<crypto::ChunkSealer>(header_.suite, header_.key_bytes(), heap);
  std::ranges::copy(sealer_->header(), &header_.bytes[format::kStreamHeaderAt]);
  sealer_->bind(context_of(header_));
  file_.write(header_.bytes);
}

std::span<std::byte> ChunkedWriter::room() {
  // A full chunk waits until there is more: the last one must know that it is the last.
  if (used_ == format::kChunkBytes) flush(false);
  return chunk_.subspan(used_);
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
  chunks_.hand_over([this, plain = used_, last](platform::LockedBuffer& chunk) {
    seal(chunk.bytes().first(plain), last);
  });
  chunk_ = chunks_.current().bytes();
  pace_.advance(used_ + crypto::kChunkOverheadBytes);
  used_ = 0;
}

void ChunkedWriter::seal(std::span<const std::byte> chunk, bool last) {
  std::size_t in_front = 0;
  if (packer_) {
    chunk = packer_->pack(chunk);
    in_front = format::kChunkLengthBytes;
  }
  const std::size_t sealed = chunk.size() + crypto::kChunkOverheadBytes;
  const auto room = file_.room(in_front + sealed);
  if (packer_) {
    crypto::seal_format::put_little_endian(room.data(), gsl::narrow<std::uint32_t>(sealed));
  }
  sealer_->seal(room.subspan(in_front), chunk, last);
  file_.wrote(room.size());
}

std::uint64_t ChunkedWriter::finish() {
  flush(true);
  chunks_.finish();
  return file_.finish();
}

ChunkedReader::ChunkedReader(platform::File& file, BackupHeader header, platform::LockedHeap& heap,
                             Pace& pace, std::size_t chunks_in_memory)
    : file_(file),
      pace_(pace),
      header_(std::move(header)),
      position_(format::kHeaderBytes),
      sealed_(format::kSealedPackedBytesMax),
      opened_(format::kHeaderBytes),
      chunks_([&] {
        std::vector<Chunk> chunks(header_.label.compressed ? kPackedChunks : chunks_in_memory);
        for (Chunk& chunk : chunks) chunk.bytes = heap.allocate(format::kChunkBytes);
        return chunks;
      }()) {
  if (is_snapshot(header_.label.kind)) {
    throw InvalidArgument(fmt::format("{} is a {} backup, not a logical one", file.path().string(),
                                      name_of(header_.label.kind)));
  }
  crypto::StreamHeader stream_header;
  std::copy_n(&header_.bytes[format::kStreamHeaderAt], stream_header.size(), stream_header.begin());
  if (header_.label.compressed) unpacker_.emplace(heap);
  opener_ = std::make_unique<crypto::ChunkOpener>(header_.suite, header_.key_bytes(), stream_header,
                                                  context_of(header_), heap);
}

void ChunkedReader::raise_damaged(const std::string& what) const {
  raise_damaged_backup(header_.suite, file_.path(), what);
}

void ChunkedReader::next_chunk() {
  if (ended_) raise_damaged("its records go on behind its end");
  chunks_.give_back();
  while (chunks_.free() != nullptr) {
    chunks_.hand_over([this](Chunk& chunk) { open_next(chunk); });
  }
  const Chunk* const next = chunks_.take();
  chunk_ = next->bytes.bytes().first(next->plain);
  ended_ = next->last;
  position_ += next->in_file;
  pace_.advance(next->in_file);
}

ChunkedReader::Sealed ChunkedReader::read_sealed() {
  const auto raise_ended = [this](std::size_t got) {
    raise_damaged(
        fmt::format("it ends after {} bytes, before its authenticated end", opened_ + got));
  };
  Sealed sealed;
  std::size_t length = format::kSealedChunkBytes;
  std::size_t least = crypto::kChunkOverheadBytes;
  if (unpacker_) {
    std::array<std::byte, format::kChunkLengthBytes> bytes{};
    const std::size_t got = file_.read_at(opened_, bytes);
    if (got < bytes.size()) raise_ended(got);
    length = crypto::seal_format::get_little_endian<std::uint32_t>(bytes.data());
    least += 1;
    if (length < least || length > format::kSealedPackedBytesMax) {
      raise_damaged(fmt::format("the chunk at byte {} has an impossible length", opened_));
    }
    sealed.in_front = bytes.size();
  }
  const std::size_t got =
      file_.read_at(opened_ + sealed.in_front, std::span(sealed_).first(length));
  if (got < least) raise_ended(sealed.in_front + got);
  // A length is not authenticated, but for this: it is exactly that of what verifies behind it.
  if (unpacker_ && got < length) {
    raise_damaged(fmt::format("the chunk at byte {} is cut", opened_));
  }
  sealed.bytes = std::span(sealed_).first(got);
  sealed.cut = got < length;
  return sealed;
}

void ChunkedReader::open_next(Chunk& chunk) {
  using Outcome = crypto::ChunkOpener::Outcome;
  // Asked for before the end was known.
  if (opened_last_) return;
  const Sealed sealed = read_sealed();
  const std::size_t bytes = sealed.bytes.size() - crypto::kChunkOverheadBytes;
  const auto into = (unpacker_ ? unpacker_->room() : chunk.bytes.bytes()).first(bytes);
  const Outcome outcome = opener_->open(into, sealed.bytes);
  if (outcome == Outcome::forged) {
    raise_damaged(fmt::format("the chunk at byte {} does not verify{}", opened_,
                              sealed.cut ? ", or was cut" : ""));
  }
  // Without compression only the last one may be short.
  if (outcome == Outcome::chunk && sealed.cut) {
    raise_damaged(fmt::format("the chunk at byte {} is cut", opened_));
  }
  const std::optional<std::size_t> plain =
      unpacker_ ? unpacker_->unpack(bytes, chunk.bytes.bytes()) : bytes;
  if (!plain) {
    raise_damaged(fmt::format("the chunk at byte {} verifies and is not compressed as it should be",
                              opened_));
  }
  chunk.plain = *plain;
  chunk.in_file = sealed.in_front + sealed.bytes.size();
  chunk.last = opened_last_ = outcome == Outcome::last;
  opened_ += chunk.in_file;
}

std::span<const std::byte> ChunkedReader::some(std::uint64_t most) {
  Expects(most > 0);
  while (chunk_.empty()) next_chunk();
  const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(most, chunk_.size()));
  const auto bytes = chunk_.first(now);
  chunk_ = chunk_.subspan(now);
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
  if (planted(Mutation::skip_backup_end)) return;
  // The end may be a chunk of its own, with nothing in it.
  if (chunk_.empty() && !ended_) next_chunk();
  if (!chunk_.empty() || !ended_) raise_damaged("something follows its last record");
  if (std::byte beyond{}; file_.read_at(position_, {&beyond, 1}) != 0) {
    raise_damaged(fmt::format("something follows its end at byte {}", position_));
  }
}

}  // namespace coffer::backup
