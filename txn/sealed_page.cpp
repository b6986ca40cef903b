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

std::shared_ptr<SealedPage> SealedPage::make(std::size_t sealed_bytes) {
  return std::make_shared<SealedPage>(sealed_bytes);
}

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

bool spread_used(std::span<std::byte> frame, std::size_t used) {
  if (used < kPageHeaderBytes || used > frame.size()) return false;
  const PageHeader header = header_of(frame);
  if (!sane(header, frame.size()) || used_bytes(header, frame.size()) != used) return false;
  std::memmove(frame.data() + header.gap_end, frame.data() + header.gap_begin,
               frame.size() - header.gap_end);
  return true;
}

PageVersion PageSealer::seal(PageId page, std::span<std::byte> frame, CommitNumber version,
                             crypto::NonceRun& nonces) const {
  std::memcpy(frame.data() + offsetof(PageHeader, version), &version.value, sizeof version.value);
  const PageHeader header = header_of(frame);
  const std::size_t used = used_bytes(header, frame.size());
  auto sealed = SealedPage::make(used);
  sealed->nonce = nonces.next();
  // The two parts are brought together in ciphertext's place, which is ordinary memory: so they are
  // sealed from a contiguous copy inside the frame instead, and put back.
  const std::size_t tail = frame.size() - header.gap_end;
  std::memmove(frame.data() + header.gap_begin, frame.data() + header.gap_end, tail);
  const Epoch epoch{keys_->current_epoch()};
  PageVersion result;
  result.ref.tag = keys_->pages(epoch.value)
                       ->seal(sealed->ciphertext(), frame.first(used),
                              {.role = crypto::Role::page, .epoch = epoch.value, .a = page.value},
                              sealed->nonce);
  std::memmove(frame.data() + header.gap_end, frame.data() + header.gap_begin, tail);
  result.ref.sealed_bytes = static_cast<std::uint32_t>(used);
  result.ref.epoch = epoch;
  result.buffer = std::move(sealed);
  return result;
}

void PageSealer::open(PageId page, const PageVersion& version, std::span<std::byte> frame) const {
  const std::size_t used = version.ref.sealed_bytes;
  const crypto::Sealer* sealer = keys_->pages(version.ref.epoch.value);
  if (sealer == nullptr || used < kPageHeaderBytes || used > content_bytes_) {
    pager::raise_damaged(keys_->suite(),
                         fmt::format("the reference to page {} cannot be (epoch {}, {} bytes)",
                                     page.value, version.ref.epoch.value, used));
  }
  const auto body = frame.first(used);
  crypto::Nonce nonce;
  if (version.buffer) {
    nonce = version.buffer->nonce;
    std::memcpy(body.data(), version.buffer->ciphertext().data(), used);
  } else {
    file_->read(version.ref.slot, nonce, body);
  }
  if (!sealer->open(body, body, version.ref.tag,
                    {.role = crypto::Role::page, .epoch = version.ref.epoch.value, .a = page.value},
                    nonce)) {
    file_->raise_unverified(fmt::format("page {} in slot {} of {} does not verify", page.value,
                                        version.ref.slot.value, file_->path().string()));
  }
  if (!spread_used(frame, used)) {
    throw Corrupted(
        fmt::format("page {} in slot {} of {} verifies but has an impossible header; "
                    "restore from a backup and report this",
                    page.value, version.ref.slot.value, file_->path().string()));
  }
}

}  // namespace coffer::txn
