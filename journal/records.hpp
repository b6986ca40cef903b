// Records to bytes and back (layout: record_format.hpp).
//
// Invariants
//   R1  `encode` writes exactly `encoded_bytes` bytes into memory that the caller provides: plaintext
//       goes from locked memory to locked memory, and nothing is allocated.
//   R2  `decode_records` accepts what `encode` writes, with zeros behind it, and nothing else: unknown kinds,
//       lengths beyond the body, other trailing bytes and a commit state in the wrong place are refused.
#pragma once

#include <cstddef>
#include <span>

#include "journal/journal.hpp"

namespace coffer::journal {

[[nodiscard]] std::size_t encoded_bytes(const PageImage& record);
[[nodiscard]] std::size_t encoded_bytes(const PageDelta& record);
[[nodiscard]] std::size_t encoded_bytes(const PageReference& record);
[[nodiscard]] std::size_t encoded_bytes(const PageFreed& record);
[[nodiscard]] std::size_t encoded_bytes(const RunAllocated& record);
[[nodiscard]] std::size_t encoded_bytes(const RunFreed& record);
[[nodiscard]] std::size_t encoded_bytes(const CommitState& record);

/// `out` is encoded_bytes(record) long.
void encode(std::span<std::byte> out, const PageImage& record);
void encode(std::span<std::byte> out, const PageDelta& record);
void encode(std::span<std::byte> out, const PageReference& record);
void encode(std::span<std::byte> out, const PageFreed& record);
void encode(std::span<std::byte> out, const RunAllocated& record);
void encode(std::span<std::byte> out, const RunFreed& record);
void encode(std::span<std::byte> out, const CommitState& record);

/// Hands the records of `body` to `visitor` in order.  `last` says whether the body ends its
/// transaction: then, and only then, its last record is the commit state.  False when the body is
/// not what `encode` writes; the records before the bad one have then been visited.
[[nodiscard]] bool decode_records(std::span<const std::byte> body, bool last,
                                  RecordVisitor& visitor);

}  // namespace coffer::journal
