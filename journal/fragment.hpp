// One fragment: its header as a value, sealing it and opening it (bytes: journal_format.hpp).
//
// Invariants
//   F1  The body is sealed first, because its tag stands in the header.
//   F2  Nothing of a header is decoded before its tag verified.
//   F3  Plaintext of both stays in the memory that the caller provides (locked).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "crypto/seal.hpp"
#include "journal/journal.hpp"
#include "journal/journal_format.hpp"

namespace coffer::journal {

struct FragmentHeader {
  Lsn position{};
  CommitNumber commit{};
  Generation generation{};
  crypto::Tag previous_tag{};
  Lsn durable_upto{};
  std::uint32_t body_bytes = 0;
  std::uint32_t index = 0;
  std::uint32_t count = 0;  ///< with the commit mark: index + 1; else 0
  std::uint32_t flags = 0;
  crypto::Tag body_tag{};

  [[nodiscard]] bool has_commit_mark() const { return (flags & format::kCommitMark) != 0; }
};

void encode_header(std::span<std::byte, format::kHeaderBytes> out, const FragmentHeader& header);

/// A header that verified, and what only its decoding could tell.
struct OpenedHeader {
  FragmentHeader header;
  crypto::Tag tag{};          ///< what the successor must name
  bool reserved_zero = true;  ///< false: a structure that cannot be
};

[[nodiscard]] OpenedHeader decode_header(std::span<const std::byte, format::kHeaderBytes> in,
                                         const crypto::Tag& tag);

/// Seals `body` and `header` (whose body_bytes and body_tag are filled in here) into `out`, which
/// is kFragmentOverheadBytes longer than the body.  `scratch` holds the header's plaintext
/// meanwhile. Returns the header's tag.
[[nodiscard]] crypto::Tag seal_fragment(const crypto::Sealer& sealer, crypto::NonceRun& nonces,
                                        Epoch epoch, FragmentHeader header,
                                        std::span<const std::byte> body,
                                        std::span<std::byte, format::kHeaderBytes> scratch,
                                        std::span<std::byte> out);

/// The header at the beginning of `fragment` (a private copy of at least kBodyAt bytes), if it
/// verifies as the one of this position.
[[nodiscard]] std::optional<OpenedHeader> open_header(
    const crypto::Sealer& sealer, Epoch epoch, Lsn position, std::span<const std::byte> fragment,
    std::span<std::byte, format::kHeaderBytes> scratch);

/// Opens the body of `fragment` (a private copy, kFragmentOverheadBytes longer than `body`) into
/// `body`.  False when it does not belong to `header`.
[[nodiscard]] bool open_body(const crypto::Sealer& sealer, Epoch epoch,
                             const FragmentHeader& header, std::span<const std::byte> fragment,
                             std::span<std::byte> body);

}  // namespace coffer::journal
