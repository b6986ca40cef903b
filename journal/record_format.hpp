// The bytes of a record.  A fragment's body is records one behind the other, whole ones: none goes
// on in the next fragment.  Zeros may follow behind the last one, up to the body's end.  All integers are little-endian.
//
//   kind  record                 fields behind the kind's byte, in bytes
//      0  padding                zeros up to the body's end
//      1  image of a new page    page 8, length 4, then `length` bytes
//      2  image of a page        page 8, length 4, then `length` bytes
//      3  delta                  page 8, base 8, mask 8, length 4, then `length` bytes
//      4  reference, new page    page 8, slot 8, sealed bytes 4, epoch 4, tag 16
//      5  reference              page 8, slot 8, sealed bytes 4, epoch 4, tag 16
//      6  page freed             page 8
//      7  run allocated          first slot 8, slots 4
//      8  run freed              first slot 8, slots 4, born 8
//      9  commit state           catalog root 8, next value id 8; the last record of a transaction
#pragma once

#include <cstddef>
#include <cstdint>

#include "journal/journal_format.hpp"

namespace coffer::journal::format {

enum class RecordKind : std::uint8_t {
  padding = 0,
  new_page_image = 1,
  page_image = 2,
  page_delta = 3,
  new_page_reference = 4,
  page_reference = 5,
  page_freed = 6,
  run_allocated = 7,
  run_freed = 8,
  commit_state = 9,
};

// Sizes with the kind's byte and without the payload.
inline constexpr std::size_t kImageFixedBytes = 1 + 8 + 4;
inline constexpr std::size_t kDeltaFixedBytes = 1 + 8 + 8 + 8 + 4;
inline constexpr std::size_t kReferenceBytes = 1 + 8 + 8 + 4 + 4 + crypto::kTagBytes;
inline constexpr std::size_t kFreedBytes = 1 + 8;
inline constexpr std::size_t kRunAllocatedBytes = 1 + 8 + 4;
inline constexpr std::size_t kRunFreedBytes = 1 + 8 + 4 + 8;
inline constexpr std::size_t kCommitStateBytes = 1 + 8 + 8;

static_assert(kImageFixedBytes == 13 && kDeltaFixedBytes == 29 && kReferenceBytes == 41);
static_assert(kFreedBytes == 9 && kRunAllocatedBytes == 13 && kRunFreedBytes == 21);
static_assert(kCommitStateBytes == 17);

/// The largest payload that fits a fragment, whichever kind of record carries it.
inline constexpr std::size_t kPayloadBytesMax = kBodyBytesMax - kDeltaFixedBytes;
static_assert(kImageFixedBytes <= kDeltaFixedBytes);

}  // namespace coffer::journal::format
