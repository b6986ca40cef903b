// See chunk_stream.hpp.  A chunk of suite none is [mark 1][plaintext][checksum 16], so that it is as long as a
// sealed one; the checksum covers context, number, what stands beside the chunk, mark and plaintext.
#include "crypto/chunk_stream.hpp"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "crypto/seal_format.hpp"
#include "platform/contracts.hpp"

namespace coffer::crypto {
namespace {

using State = crypto_secretstream_xchacha20poly1305_state;

static_assert(kStreamHeaderBytes == crypto_secretstream_xchacha20poly1305_HEADERBYTES);
static_assert(kChunkOverheadBytes == crypto_secretstream_xchacha20poly1305_ABYTES);
static_assert(kKeyBytes == crypto_secretstream_xchacha20poly1305_KEYBYTES);
static_assert(sizeof(State) <= kStreamStateBytes);

constexpr std::size_t kMarkBytes = 1;
constexpr std::byte kMore{0};
constexpr std::byte kLast{1};

State* stream(platform::LockedBuffer& buffer) {
  return std::launder(reinterpret_cast<State*>(buffer.bytes().data()));
}
unsigned char* octets(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* octets(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

platform::LockedBuffer new_state(Suite suite, platform::LockedHeap& heap) {
  ensure_ready();
  if (suite == Suite::none) return {};
  platform::LockedBuffer buffer = heap.allocate(kStreamStateBytes);
  new (buffer.bytes().data()) State{};
  return buffer;
}

Tag chunk_checksum(const Hash& context, std::uint64_t number, std::span<const std::byte> beside,
                   std::span<const std::byte> mark_and_plaintext) {
  std::array<std::byte, sizeof number> number_bytes;
  seal_format::put_little_endian(number_bytes.data(), number);
  const Hash whole = hash({}, {context, number_bytes, beside, mark_and_plaintext});
  Tag tag;
  std::copy_n(whole.begin(), tag.size(), tag.begin());
  return tag;
}

}  // namespace

ChunkSealer::ChunkSealer(Suite suite, std::span<const std::byte> key, platform::LockedHeap& heap)
    : suite_(suite), state_(new_state(suite, heap)) {
  Expects(key.size() == (suite == Suite::none ? 0 : kKeyBytes));
  if (suite_ == Suite::none) return;
  Ensures(crypto_secretstream_xchacha20poly1305_init_push(stream(state_), octets(header_.data()),
                                                          octets(key.data())) == 0);
}

void ChunkSealer::bind(const Hash& context) {
  Expects(!bound_);
  context_ = context;
  bound_ = true;
}

void ChunkSealer::seal(std::span<std::byte> sealed, std::span<const std::byte> plaintext, bool last,
                       std::span<const std::byte> beside) {
  Expects(bound_ && sealed.size() == plaintext.size() + kChunkOverheadBytes);
  if (suite_ == Suite::none) {
    sealed[0] = last ? kLast : kMore;
    std::ranges::copy(plaintext, sealed.begin() + kMarkBytes);
    const auto covered = sealed.first(kMarkBytes + plaintext.size());
    std::ranges::copy(chunk_checksum(context_, number_++, beside, covered),
                      sealed.subspan(covered.size()).begin());
    return;
  }
  const std::span<const std::byte> bound = beside.empty() ? std::span(context_) : beside;
  Ensures(crypto_secretstream_xchacha20poly1305_push(
              stream(state_), octets(sealed.data()), nullptr, octets(plaintext.data()),
              plaintext.size(), octets(bound.data()), bound.size(),
              last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                   : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE) == 0);
}

ChunkOpener::ChunkOpener(Suite suite, std::span<const std::byte> key, const StreamHeader& header,
                         const Hash& context, platform::LockedHeap& heap)
    : suite_(suite), context_(context), state_(new_state(suite, heap)) {
  Expects(key.size() == (suite == Suite::none ? 0 : kKeyBytes));
  if (suite_ == Suite::none) return;
  Ensures(crypto_secretstream_xchacha20poly1305_init_pull(stream(state_), octets(header.data()),
                                                          octets(key.data())) == 0);
}

ChunkOpener::Outcome ChunkOpener::open(std::span<std::byte> plaintext,
                                       std::span<const std::byte> sealed,
                                       std::span<const std::byte> beside) {
  Expects(sealed.size() == plaintext.size() + kChunkOverheadBytes);
  if (suite_ == Suite::none) {
    const auto covered = sealed.first(kMarkBytes + plaintext.size());
    if (!equal_secrets(chunk_checksum(context_, number_++, beside, covered),
                       sealed.subspan(covered.size())) ||
        (sealed[0] != kMore && sealed[0] != kLast)) {
      return Outcome::forged;
    }
    std::ranges::copy(covered.subspan(kMarkBytes), plaintext.begin());
    return sealed[0] == kLast ? Outcome::last : Outcome::chunk;
  }
  const std::span<const std::byte> bound = beside.empty() ? std::span(context_) : beside;
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(stream(state_), octets(plaintext.data()), nullptr,
                                                 &tag, octets(sealed.data()), sealed.size(),
                                                 octets(bound.data()), bound.size()) != 0) {
    return Outcome::forged;
  }
  if (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL) return Outcome::last;
  return tag == crypto_secretstream_xchacha20poly1305_TAG_MESSAGE ? Outcome::chunk
                                                                  : Outcome::forged;
}

}  // namespace coffer::crypto
