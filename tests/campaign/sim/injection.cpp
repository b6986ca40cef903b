// See injection.hpp.
#include "tests/campaign/sim/injection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <coffer/error.hpp>

namespace coffer::campaign::sim {

namespace {

bool needs_room(std::string_view operation) {
  constexpr std::array<std::string_view, 6> kThose = {"write",          "allocate", "create",
                                                      "make_directory", "rename",   "truncate"};
  return std::ranges::find(kThose, operation) != kThose.end();
}
bool is_sync(std::string_view operation) {
  return operation == "sync" || operation == "data_sync";
}
bool is_read(std::string_view operation) {
  return operation == "read" || operation == "copy_out";
}

}  // namespace

const char* name_of(FaultKind kind) {
  constexpr std::array kNames = {"io-error", "again",      "no-space",         "failed-sync",
                                 "lock",     "allocation", "misdirected-read", "misdirected-write",
                                 "bit-rot"};
  return kNames.at(static_cast<std::size_t>(kind));
}

bool is_media_fault(FaultKind kind) {
  return kind == FaultKind::misdirected_read || kind == FaultKind::misdirected_write ||
         kind == FaultKind::bit_rot;
}

Injector::Injector(platform::SimulatedPlatform& machine, std::vector<Fault> faults,
                   EachCall each_call)
    : machine_(machine), faults_(std::move(faults)), each_call_(std::move(each_call)) {
  machine_.set_fault([this](const char* operation, const platform::Path& path, std::uint64_t offset,
                            std::uint64_t length) { at_call(operation, path, offset, length); });
  machine_.set_lock_fault([this](std::uint64_t length) {
    if (!fails(FaultKind::lock) && !killed()) return;
    throw MemoryLockError("injected: memory could not be locked", {.requested_bytes = length});
  });
  machine_.set_misdirection(
      [this](const char* operation, const platform::Path&, std::uint64_t offset,
             std::uint64_t length) { return directed(operation, offset, length); });
  machine_.set_failed_sync_drops_writes(true);
}

Injector::~Injector() {
  machine_.set_fault({});
  machine_.set_lock_fault({});
  machine_.set_misdirection({});
}

bool Injector::fails(FaultKind kind) {
  const std::uint64_t index = counts_[static_cast<std::size_t>(kind)]++;
  const bool hit = std::ranges::any_of(faults_, [&](const Fault& fault) {
    return fault.kind == kind && (fault.index == index || (fault.sticky && fault.index < index));
  });
  if (hit) ++injected_;
  return hit;
}

void Injector::at_call(const char* operation, const platform::Path& path, std::uint64_t offset,
                       std::uint64_t length) {
  if (each_call_) each_call_(operation, path, offset, length);
  const auto refuse = [&](int code) {
    throw IoError(fmt::format("injected: {} '{}' failed", operation, path.string()), operation,
                  path, code);
  };
  const bool again = fails(FaultKind::again);
  if (fails(FaultKind::io_error) || killed()) refuse(EIO);
  if (again) refuse(EAGAIN);
  if (needs_room(operation) && fails(FaultKind::no_space)) {
    throw NoSpace(fmt::format("injected: no room to {} '{}'", operation, path.string()));
  }
  if (is_sync(operation) && fails(FaultKind::failed_sync)) refuse(EIO);
  if (is_read(operation) && length > 0 && fails(FaultKind::bit_rot)) {
    const std::uint64_t lot = mixed(offset, calls(FaultKind::bit_rot));
    machine_.rot(path, offset + lot % length, std::byte{1} << (lot >> 32) % 8);
  }
}

std::uint64_t Injector::directed(const char* operation, std::uint64_t offset,
                                 std::uint64_t length) {
  const bool read = is_read(operation);
  const FaultKind kind = read ? FaultKind::misdirected_read : FaultKind::misdirected_write;
  if (length == 0 || !fails(kind)) return offset;
  // A page's length before or behind.
  constexpr std::uint64_t kPage = 4096;
  return offset >= kPage && mixed(offset, length) % 2 == 0 ? offset - kPage : offset + kPage;
}

}  // namespace coffer::campaign::sim
