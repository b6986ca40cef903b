// See views.hpp.
#include "platform/windows/views.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/interprocess/exceptions.hpp>
#include <coffer/error.hpp>

#include "platform/windows/guarded_copy.hpp"
#include "platform/windows/os_error.hpp"

namespace coffer::platform::windows_os {

namespace {

namespace bip = boost::interprocess;

/// Less that was added to a file is read by position instead of mapped.
constexpr std::uint64_t kLeastViewBytes = 1 << 20;
constexpr DWORD kLargestTransfer = 1 << 30;

/// What Boost wants to see of something that can be mapped.
class BorrowedHandle {
 public:
  explicit BorrowedHandle(HANDLE handle) : handle_(handle) {}
  bip::mapping_handle_t get_mapping_handle() const {
    return bip::ipcdetail::mapping_handle_from_file_handle(handle_);
  }
  bip::mode_t get_mode() const { return bip::read_only; }

 private:
  HANDLE handle_;
};

}  // namespace

void Unsynced::Range::add(const Range& other) {
  begin = std::min(begin, other.begin);
  end = std::max(end, other.end);
}
void Unsynced::add(std::uint64_t begin, std::uint64_t end) {
  const std::lock_guard guard(mutex_);
  written_.add({begin, end});
}
void Unsynced::sync_begins() {
  const std::lock_guard guard(mutex_);
  syncing_.add(written_);
  written_ = {};
}
void Unsynced::sync_ended(bool succeeded) {
  const std::lock_guard guard(mutex_);
  if (succeeded) syncing_ = {};
}
bool Unsynced::overlaps(std::uint64_t begin, std::uint64_t end) const {
  const std::lock_guard guard(mutex_);
  return written_.overlaps({begin, end}) || syncing_.overlaps({begin, end});
}

std::uint64_t OpenFile::size() const {
  LARGE_INTEGER bytes{};
  if (::GetFileSizeEx(handle(), &bytes) == 0) raise("find the size of", path_, last_error());
  return gsl::narrow_cast<std::uint64_t>(bytes.QuadPart);
}

std::size_t OpenFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    OVERLAPPED at = position_of(offset + done);
    const auto want =
        static_cast<DWORD>(std::min<std::size_t>(out.size() - done, kLargestTransfer));
    DWORD got = 0;
    if (::ReadFile(handle(), out.data() + done, want, &got, &at) == 0) {
      const ErrorCode code = last_error();
      if (code == ERROR_HANDLE_EOF) break;
      raise(fmt::format("read {} bytes at offset {} of", out.size() - done, offset + done), path_,
            code);
    }
    if (got == 0) break;
    done += got;
  }
  return done;
}

WindowsMapping::WindowsMapping(std::shared_ptr<OpenFile> file, std::uint64_t offset,
                               std::uint64_t length)
    : file_(std::move(file)), file_offset_(offset), length_(length) {
  Expects(length > 0);
  const std::lock_guard guard(file_->views_);
  file_->windows_.push_back(this);
}

WindowsMapping::~WindowsMapping() {
  const std::lock_guard guard(file_->views_);
  std::erase(file_->windows_, this);
}

void WindowsMapping::fail(std::uint64_t offset, std::size_t length, const char* why,
                          ErrorCode code) const {
  throw IoError(fmt::format("cannot read {} mapped bytes at offset {} of '{}': {}", length,
                            file_offset_ + offset, file_->path().string(), why),
                "read mapped", file_->path(), static_cast<int>(code));
}

WindowsMapping::Outcome WindowsMapping::copy_from_view(std::uint64_t offset,
                                                       std::span<std::byte> out) const {
  const std::shared_lock guard(file_->views_);
  const auto holds = [&](const View& view) {
    return view.begin <= offset && offset + out.size() <= view.end();
  };
  const auto found = std::find_if(views_.begin(), views_.end(), holds);
  if (found == views_.end()) return Outcome::not_mapped;
  const auto* from =
      static_cast<const std::byte*>(found->region.get_address()) + (offset - found->begin);
  return copy_guarded(out, from) ? Outcome::copied : Outcome::failed;
}

// False when there is too little to map, or the system refuses: the caller reads by position.
bool WindowsMapping::map_up_to(std::uint64_t end) const {
  const std::lock_guard guard(file_->views_);
  const std::uint64_t file_bytes = file_->size();
  const std::uint64_t inside = std::min(length_, file_bytes - std::min(file_bytes, file_offset_));
  const std::uint64_t mapped = views_.empty() ? 0 : views_.back().end();
  if (inside < end || inside <= mapped) return false;
  if (!views_.empty() && inside - mapped < kLeastViewBytes) return false;
  const std::uint64_t granularity = bip::mapped_region::get_page_size();
  const std::uint64_t begin = mapped / granularity * granularity;
  try {
    views_.reserve(views_.size() + 1);
    views_.push_back(
        {begin, bip::mapped_region(BorrowedHandle(file_->handle()), bip::read_only,
                                   gsl::narrow_cast<bip::offset_t>(file_offset_ + begin),
                                   gsl::narrow_cast<std::size_t>(inside - begin))});
  } catch (const bip::interprocess_exception&) {
    return false;
  }
  return true;
}

void WindowsMapping::copy_out(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > length_ || out.size() > length_ - offset) {
    fail(offset, out.size(), "outside of what is mapped", 0);
  }
  if (out.empty()) return;
  const std::uint64_t at = file_offset_ + offset;
  if (!file_->unsynced.overlaps(at, at + out.size())) {
    auto outcome = copy_from_view(offset, out);
    if (outcome == Outcome::not_mapped && map_up_to(offset + out.size()))
      outcome = copy_from_view(offset, out);
    if (outcome == Outcome::copied) return;
    if (outcome == Outcome::failed) {
      fail(offset, out.size(), "the system cannot supply it (file truncated, or disk error)",
           ERROR_READ_FAULT);
    }
  }
  if (file_->read_at(at, out) != out.size()) {
    fail(offset, out.size(), "it lies behind the end of the file", ERROR_HANDLE_EOF);
  }
}

}  // namespace coffer::platform::windows_os
