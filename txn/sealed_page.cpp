#include "txn/sealed_page.hpp"

#include <cstring>

#include <fmt/format.h>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"

namespace coffer::txn {

using pager::kPageHeaderBytes;
using pager::PageHeader;

namespace {

PageHeader header_of(std::span<const std::byte> frame) {
  PageHeader header;
  std::memcpy(&header, frame.data(), sizeof header);
  return header;
}

bool sane(const PageHeader& header, std::size_t content_bytes) {
  return header.gap_begin >= kPageHeaderBytes && header.gap_begin <= header.gap_end &&
         header.gap_end <= content_bytes;
}

}  // namespace

std::size_t used_bytes(const PageHeader& header, std::size_t content_bytes) {
  Expects(sane(header, content_bytes));
  return content_bytes - (header.gap_end - header.gap_begin);
}

std::size_t copy_used(std::span<const std::byte> frame, std::span<std::byte> out) {
  const PageHeader header = header_of(frame);
  const std::size_t used = used_bytes(header, frame.size());
  Expects(out.size() >= used);
  std::memcpy(out.data(), frame.data(), header.gap_begin);
  std::memcpy(out.data() + header.gap_begin, frame.data() + header.gap_end,
              frame.size() - header.gap_end);
  return used;
}

namespace {

/// `fits` says whether a page with so many used bytes can be what stands at the front of `frame`.
template <class Fits>
bool spread_if(std::span<std::byte> frame, Fits fits) {
  const PageHeader header = header_of(frame);
  if (!sane(header, frame.size()) || !fits(used_bytes(header, frame.size()))) return false;
  std::memmove(frame.data() + header.gap_end, frame.data() + header.gap_begin,
               frame.size() - header.gap_end);
  return true;
}

}  // namespace

bool spread_used(std::span<std::byte> frame, std::size_t used) {
  if (used < kPageHeaderBytes || used > frame.size()) return false;
  return spread_if(frame, [used](std::size_t found) { return found == used; });
}

bool spread_sealed(std::span<std::byte> frame, std::size_t sealed) {
  if (sealed < kPageHeaderBytes || sealed > frame.size()) return false;
  return spread_if(frame,
                   [&](std::size_t found) { return sealed_length(found, frame.size()) == sealed; });
}

/// Sealed plaintext is one piece: the two parts are brought together inside the frame, since ciphertext's place is
/// ordinary memory.  Gives its length.
std::size_t PageSealer::join_parts(std::span<std::byte> frame, CommitNumber version) {
  std::memcpy(frame.data() + offsetof(PageHeader, version), &version.value, sizeof version.value);
  const PageHeader header = header_of(frame);
  const std::size_t used = used_bytes(header, frame.size());
  std::memmove(frame.data() + header.gap_begin, frame.data() + header.gap_end,
               frame.size() - header.gap_end);
  const std::size_t sealed = sealed_length(used, frame.size());
  std::memset(frame.data() + used, 0, sealed - used);
  return sealed;
}

pager::SlotRef PageSealer::seal_joined(PageId page, std::span<const std::byte> plain,
                                       const crypto::Nonce& nonce,
                                       std::span<std::byte> ciphertext) const {
  const Epoch epoch{keys_->current_epoch()};
  pager::SlotRef ref;
  ref.tag = keys_->pages(epoch.value)
                ->seal(ciphertext, plain,
                       {.role = crypto::Role::page, .epoch = epoch.value, .a = page.value}, nonce);
  ref.sealed_bytes = static_cast<std::uint32_t>(plain.size());
  ref.epoch = epoch;
  return ref;
}

PageVersion PageSealer::seal(PageId page, std::span<std::byte> frame, CommitNumber version,
                             crypto::NonceRun& nonces) const {
  // What can fail comes before the frame is changed.
  const std::size_t used = used_bytes(header_of(frame), frame.size());
  const SealedPagePointer sealed = pool_->make(sealed_length(used, frame.size()));
  sealed->nonce = nonces.next();
  const std::size_t length = join_parts(frame, version);
  PageVersion result;
  result.ref = seal_joined(page, frame.first(length), sealed->nonce, sealed->ciphertext());
  result.buffer = sealed;
  const bool spread = spread_used(frame, used);
  Ensures(spread);
  return result;
}

pager::SlotRef PageSealer::seal_into(PageId page, std::span<std::byte> frame, CommitNumber version,
                                     crypto::NonceRun& nonces, std::span<std::byte> slot) const {
  const std::size_t length = join_parts(frame, version);
  const crypto::Nonce nonce = nonces.next();
  std::copy(nonce.begin(), nonce.end(), slot.begin());
  return seal_joined(page, frame.first(length), nonce, slot.subspan(nonce.size(), length));
}

const crypto::Sealer& PageSealer::sealer_for(PageId page, const pager::SlotRef& ref) const {
  const crypto::Sealer* sealer = keys_->pages(ref.epoch.value);
  if (sealer == nullptr || ref.sealed_bytes < kPageHeaderBytes ||
      ref.sealed_bytes > content_bytes_) {
    pager::raise_damaged(keys_->suite(),
                         fmt::format("the reference to page {} cannot be (epoch {}, {} bytes)",
                                     page.value, ref.epoch.value, ref.sealed_bytes));
  }
  return *sealer;
}

void PageSealer::verify(PageId page, const pager::SlotRef& ref, std::span<std::byte> frame,
                        std::span<const std::byte> ciphertext, const crypto::Nonce& nonce) const {
  if (!sealer_for(page, ref).open(
          frame.first(ref.sealed_bytes), ciphertext, ref.tag,
          {.role = crypto::Role::page, .epoch = ref.epoch.value, .a = page.value}, nonce)) {
    file_->raise_unverified(fmt::format("page {} in slot {} of {} does not verify", page.value,
                                        ref.slot.value, file_->path().string()));
  }
  if (!spread_sealed(frame, ref.sealed_bytes)) {
    throw Corrupted(
        fmt::format("page {} in slot {} of {} verifies but has an impossible header; "
                    "restore from a backup and report this",
                    page.value, ref.slot.value, file_->path().string()));
  }
}

void PageSealer::open(PageId page, const PageVersion& version, std::span<std::byte> frame) const {
  static_cast<void>(sealer_for(page, version.ref));  // before its length is used
  const auto body = frame.first(version.ref.sealed_bytes);
  crypto::Nonce nonce;
  if (version.buffer) {
    nonce = version.buffer->nonce;
    std::memcpy(body.data(), version.buffer->ciphertext().data(), body.size());
  } else {
    file_->read(version.ref.slot, nonce, body);
  }
  verify(page, version.ref, frame, body, nonce);
}

void PageSealer::open_copy(PageId page, const pager::SlotRef& ref, std::span<const std::byte> slot,
                           std::span<std::byte> frame) const {
  static_cast<void>(sealer_for(page, ref));  // before its length is used
  crypto::Nonce nonce;
  std::copy_n(slot.begin(), nonce.size(), nonce.begin());
  verify(page, ref, frame, slot.subspan(nonce.size(), ref.sealed_bytes), nonce);
}

}  // namespace coffer::txn
