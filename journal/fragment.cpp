// Sealing and opening a fragment (invariants F1 to F3 in fragment.hpp).
#include "journal/fragment.hpp"

#include <algorithm>

#include "crypto/seal_format.hpp"
#include "platform/contracts.hpp"

namespace coffer::journal {
namespace {

using namespace format;
using crypto::seal_format::get_little_endian;
using crypto::seal_format::put_little_endian;

crypto::AssociatedData header_place(Epoch epoch, Lsn position) {
  return {.role = crypto::Role::journal_header,
          .level = 0,
          .epoch = epoch.value,
          .a = position.value,
          .b = 0};
}

crypto::AssociatedData body_place(Epoch epoch, Lsn position, CommitNumber commit) {
  return {.role = crypto::Role::journal_body,
          .level = 0,
          .epoch = epoch.value,
          .a = position.value,
          .b = commit.value};
}

template <std::size_t N>
void put(std::span<std::byte> out, std::size_t at, const std::array<std::byte, N>& value) {
  std::copy(value.begin(), value.end(), out.subspan(at, N).begin());
}

template <std::size_t N>
std::array<std::byte, N> get(std::span<const std::byte> in, std::size_t at) {
  std::array<std::byte, N> value;
  std::copy_n(in.subspan(at, N).begin(), N, value.begin());
  return value;
}

}  // namespace

void encode_header(std::span<std::byte, kHeaderBytes> out, const FragmentHeader& header) {
  put_little_endian(&out[kPositionAt], header.position.value);
  put_little_endian(&out[kCommitAt], header.commit.value);
  put(out, kGenerationAt, header.generation);
  put(out, kPreviousTagAt, header.previous_tag);
  put_little_endian(&out[kDurableUptoAt], header.durable_upto.value);
  put_little_endian(&out[kBodyBytesAt], header.body_bytes);
  put_little_endian(&out[kIndexAt], header.index);
  put_little_endian(&out[kCountAt], header.count);
  put_little_endian(&out[kFlagsAt], header.flags);
  put(out, kBodyTagAt, header.body_tag);
  std::fill(out.begin() + kReservedAt, out.end(), std::byte{0});
}

OpenedHeader decode_header(std::span<const std::byte, kHeaderBytes> in, const crypto::Tag& tag) {
  OpenedHeader opened;
  FragmentHeader& header = opened.header;
  header.position = Lsn{get_little_endian<std::uint64_t>(&in[kPositionAt])};
  header.commit = CommitNumber{get_little_endian<std::uint64_t>(&in[kCommitAt])};
  header.generation = get<sizeof(Generation)>(in, kGenerationAt);
  header.previous_tag = get<crypto::kTagBytes>(in, kPreviousTagAt);
  header.durable_upto = Lsn{get_little_endian<std::uint64_t>(&in[kDurableUptoAt])};
  header.body_bytes = get_little_endian<std::uint32_t>(&in[kBodyBytesAt]);
  header.index = get_little_endian<std::uint32_t>(&in[kIndexAt]);
  header.count = get_little_endian<std::uint32_t>(&in[kCountAt]);
  header.flags = get_little_endian<std::uint32_t>(&in[kFlagsAt]);
  header.body_tag = get<crypto::kTagBytes>(in, kBodyTagAt);
  opened.tag = tag;
  opened.reserved_zero = std::all_of(in.begin() + kReservedAt, in.end(),
                                     [](std::byte b) { return b == std::byte{0}; });
  return opened;
}

crypto::Tag seal_fragment(const crypto::Sealer& sealer, crypto::NonceRun& nonces, Epoch epoch,
                          FragmentHeader header, std::span<const std::byte> body,
                          std::span<std::byte, kHeaderBytes> scratch, std::span<std::byte> out) {
  Expects(!body.empty() && body.size() <= kBodyBytesMax);
  Expects(out.size() == kFragmentOverheadBytes + body.size());

  const crypto::Nonce body_nonce = nonces.next();
  put(out, kBodyNonceAt, body_nonce);
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  header.body_tag = sealer.seal(out.subspan(kBodyAt), body,
                                body_place(epoch, header.position, header.commit), body_nonce);

  const crypto::Nonce header_nonce = nonces.next();
  put(out, kHeaderNonceAt, header_nonce);
  encode_header(scratch, header);
  const crypto::Tag tag = sealer.seal(out.subspan(kHeaderAt, kHeaderBytes), scratch,
                                      header_place(epoch, header.position), header_nonce);
  put(out, kHeaderTagAt, tag);
  return tag;
}

std::optional<OpenedHeader> open_header(const crypto::Sealer& sealer, Epoch epoch, Lsn position,
                                        std::span<const std::byte> fragment,
                                        std::span<std::byte, kHeaderBytes> scratch) {
  Expects(fragment.size() >= kBodyAt);
  // The tag stands beside what it guards because a fragment has no other reference to it; that it
  // is the right one is the chain's matter, which names it (J1).
  const auto tag = get<crypto::kTagBytes>(fragment, kHeaderTagAt);
  const auto nonce = get<crypto::kNonceBytes>(fragment, kHeaderNonceAt);
  if (!sealer.open(scratch, fragment.subspan(kHeaderAt, kHeaderBytes), tag,
                   header_place(epoch, position), nonce)) {
    return std::nullopt;
  }
  return decode_header(scratch, tag);
}

bool open_body(const crypto::Sealer& sealer, Epoch epoch, const FragmentHeader& header,
               std::span<const std::byte> fragment, std::span<std::byte> body) {
  Expects(fragment.size() == kFragmentOverheadBytes + body.size());
  return sealer.open(body, fragment.subspan(kBodyAt), header.body_tag,
                     body_place(epoch, header.position, header.commit),
                     get<crypto::kNonceBytes>(fragment, kBodyNonceAt));
}

}  // namespace coffer::journal
