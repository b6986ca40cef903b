// A long stream as sealed chunks: libsodium's secretstream (XChaCha20-Poly1305), each chunk chained to those
// before it, the last one marked.  Suite none: the same form, with checksums.
//
// Invariants
//   X1  Chunks open only in the order in which they were sealed, each once, none missing.
//   X2  The end is authenticated: only the chunk that was sealed as the last one opens as the last one.
//   X3  Every chunk is bound to `context`, which is never stored: a chunk of another stream does not open.  (One
//       that vouches for bytes beside it is bound to those instead, and through the chain to the chunks before it,
//       of which the first must be bound to the context.)
//   X4  What does not verify is not decrypted; the stream is of no more use then.
//   X5  The state, which holds the stream's key, is in locked memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "crypto/seal.hpp"
#include "platform/locked_heap.hpp"

namespace coffer::crypto {

/// What stands in the clear before the first chunk; random.  Zero in suite none.
inline constexpr std::size_t kStreamHeaderBytes = 24;
/// How much longer a chunk is than its plaintext.
inline constexpr std::size_t kChunkOverheadBytes = 17;
/// Locked memory that a stream takes from its heap.
inline constexpr std::size_t kStreamStateBytes = 64;

using StreamHeader = std::array<std::byte, kStreamHeaderBytes>;

/// One thread at a time.  `key` is read by the constructor only; empty in suite none.
class ChunkSealer {
 public:
  ChunkSealer(Suite suite, std::span<const std::byte> key, platform::LockedHeap& heap);
  /// Random; may be part of what the context is made of.
  [[nodiscard]] const StreamHeader& header() const { return header_; }
  /// What all chunks are bound to (X3).  Once, before the first chunk.
  void bind(const Hash& context);
  /// `sealed` has kChunkOverheadBytes more than `plaintext`, and is apart from it.  After the last chunk there
  /// is none.
  /// The chunk vouches for `beside` too, bytes that stand near it as they are.
  void seal(std::span<std::byte> sealed, std::span<const std::byte> plaintext, bool last,
            std::span<const std::byte> beside = {});

 private:
  Suite suite_;
  Hash context_{};
  bool bound_ = false;
  StreamHeader header_{};
  platform::LockedBuffer state_;
  std::uint64_t number_ = 0;
};

class ChunkOpener {
 public:
  ChunkOpener(Suite suite, std::span<const std::byte> key, const StreamHeader& header,
              const Hash& context, platform::LockedHeap& heap);

  enum class Outcome {
    chunk,   ///< opened; more follow
    last,    ///< opened; it was sealed as the last one
    forged,  ///< it does not verify as the chunk that is next
  };
  /// `sealed` is a private copy, kChunkOverheadBytes longer than `plaintext`, and apart from it.
  /// `beside` likewise, when it was sealed with any.
  [[nodiscard]] Outcome open(std::span<std::byte> plaintext, std::span<const std::byte> sealed,
                             std::span<const std::byte> beside = {});

 private:
  Suite suite_;
  Hash context_;
  platform::LockedBuffer state_;
  std::uint64_t number_ = 0;
};

}  // namespace coffer::crypto
