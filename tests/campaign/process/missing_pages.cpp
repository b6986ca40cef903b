// See missing_pages.hpp.
#include "tests/campaign/process/missing_pages.hpp"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace coffer::campaign::process {
namespace {

constexpr std::uint64_t kSlotBytes = 4096;

std::string bytes_at(std::fstream& file, std::uint64_t at, std::uint64_t count) {
  std::string bytes(count, '\0');
  file.seekg(static_cast<std::streamoff>(at));
  if (!file.read(bytes.data(), static_cast<std::streamsize>(count))) {
    throw std::runtime_error("cannot read a page file");
  }
  return bytes;
}

}  // namespace

void MissingPages::take(std::uint64_t first) {
  if (taken_) return;
  const std::uint64_t size = std::filesystem::file_size(file_);
  from_ = std::min(first * kSlotBytes, size);
  std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
  tail_ = bytes_at(file, from_, size - from_);
  std::filesystem::resize_file(file_, from_);
  taken_ = true;
}

void MissingPages::give_back() {
  if (!taken_) return;
  taken_ = false;
  const std::uint64_t size = std::filesystem::file_size(file_);
  std::filesystem::resize_file(file_, std::max(size, from_ + tail_.size()));
  std::fstream file(file_, std::ios::in | std::ios::out | std::ios::binary);
  for (std::uint64_t at = 0; at < tail_.size(); at += kSlotBytes) {
    const std::uint64_t count = std::min<std::uint64_t>(kSlotBytes, tail_.size() - at);
    const std::string now = bytes_at(file, from_ + at, count);
    // What the engine writes to a slot looks random to its last byte.
    if (std::ranges::any_of(now, [](char c) { return c != 0; })) continue;
    file.seekp(static_cast<std::streamoff>(from_ + at));
    file.write(&tail_[at], static_cast<std::streamsize>(count));
  }
  if (!file.flush()) throw std::runtime_error("cannot write a page file");
}

}  // namespace coffer::campaign::process
