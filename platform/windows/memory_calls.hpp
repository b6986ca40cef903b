// What Windows is asked about memory, behind an interface: Wine answers some of it otherwise than Windows does
// (docs/windows.md), so growth and retry are tested with the documented answers instead.
//
// Sizes are bytes, multiples of the page size where a span is given.  An answer is an error number as
// GetLastError() gives it; 0 is success.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace coffer::platform::windows_os {

using ErrorCode = std::uint32_t;

// The numbers of winerror.h that decide something here.
inline constexpr ErrorCode kSuccess = 0;
inline constexpr ErrorCode kAccessDenied = 5;
inline constexpr ErrorCode kNotEnoughMemory = 8;
inline constexpr ErrorCode kOutOfMemory = 14;
inline constexpr ErrorCode kInvalidParameter = 87;
inline constexpr ErrorCode kNotLocked = 158;
inline constexpr ErrorCode kPrivilegeNotHeld = 1314;
inline constexpr ErrorCode kNoSystemResources = 1450;
inline constexpr ErrorCode kWorkingSetQuota = 1453;
inline constexpr ErrorCode kCommitmentLimit = 1455;
inline constexpr ErrorCode kNotEnoughQuota = 1816;

/// GetProcessWorkingSetSizeEx.
struct WorkingSetLimits {
  std::uint64_t minimum_bytes = 0;
  std::uint64_t maximum_bytes = 0;
  std::uint32_t flags = 0;  ///< QUOTA_LIMITS_HARDWS_*: handed back as they were
  friend bool operator==(const WorkingSetLimits&, const WorkingSetLimits&) = default;
};

class MemoryCalls {
 public:
  virtual ~MemoryCalls() = default;
  [[nodiscard]] virtual std::uint64_t page_bytes() const = 0;
  /// Address space without access (VirtualAlloc, MEM_RESERVE); empty with `code` when refused.
  virtual std::span<std::byte> reserve(std::uint64_t bytes, ErrorCode& code) = 0;
  virtual void free(std::span<std::byte> whole) = 0;
  /// Readable and writable zeros (MEM_COMMIT, PAGE_READWRITE), and without access again (MEM_DECOMMIT).
  virtual ErrorCode commit(std::span<std::byte> range) = 0;
  virtual ErrorCode decommit(std::span<std::byte> range) = 0;
  /// VirtualLock: kWorkingSetQuota when the minimum working set has no room for it.
  virtual ErrorCode lock(std::span<std::byte> range) = 0;
  virtual ErrorCode unlock(std::span<std::byte> range) = 0;
  virtual ErrorCode working_set(WorkingSetLimits& limits) const = 0;
  virtual ErrorCode set_working_set(const WorkingSetLimits& limits) = 0;
  /// Keeps a range out of what error reporting writes; false where the system cannot.
  virtual bool exclude_from_reports(std::span<std::byte> range) = 0;
  virtual void include_in_reports(std::span<std::byte> range) = 0;
  /// The system's own text for an error number.
  [[nodiscard]] virtual std::string text_of(ErrorCode code) const = 0;
};

}  // namespace coffer::platform::windows_os
