// Read-only windows on files, and copies out of them that survive the file being cut under us.
//
// A load from a page that the system cannot supply raises SIGBUS in the thread that loads.  While a
// copy is under way its thread names the range it reads; the handler, installed once for the
// process, jumps back into the copy when the faulting address lies in that range, and otherwise
// hands the signal to whoever handled it before.
//
// 1. A copy costs no system call: sigsetjmp saves no mask, and the handler runs with SA_NODEFER and an
//    empty mask, so that leaving it by a jump leaves the thread's mask as it was.
// 2. A thread that has SIGBUS blocked would be ended by the kernel at the fault.  The first copy in each
//    thread unblocks it, once.
// 3. No destructor stands between the jump and its target, and the copy's destination is never in the
//    guarded range: a fault there is not ours.
//
// Boost.Interprocess makes the mapping.  Its file_mapping would open the path again and could meet
// another file there by then; mapped_region takes anything that shows a descriptor, so the
// descriptor of the open file is lent to it.  With an explicit size it maps past the end of the
// file.
#include <fmt/format.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <coffer/error.hpp>
#include <cstring>
#include <mutex>

#include "platform/linux/file.hpp"
#include "platform/linux/os_error.hpp"

namespace coffer::platform::linux_os {

namespace {

namespace bip = boost::interprocess;

/// What Boost wants to see of something that can be mapped.
class BorrowedDescriptor {
 public:
  explicit BorrowedDescriptor(int number) : number_(number) {}
  bip::mapping_handle_t get_mapping_handle() const {
    return bip::ipcdetail::mapping_handle_from_file_handle(number_);
  }
  bip::mode_t get_mode() const { return bip::read_only; }

 private:
  int number_;
};

struct GuardedCopy {
  sigjmp_buf jump;
  std::uintptr_t begin;
  std::uintptr_t end;
};

// Initial-exec: the handler must reach this without the dynamic linker allocating memory for it.
__attribute__((tls_model("initial-exec"))) thread_local GuardedCopy* current_copy = nullptr;
__attribute__((tls_model("initial-exec"))) thread_local bool sigbus_unblocked = false;

struct sigaction previous_action;

void hand_on(int signal, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal, info, context);
    return;
  }
  if (previous_action.sa_handler == SIG_IGN && info->si_code <= 0) return;  // sent by somebody
  if (previous_action.sa_handler == SIG_DFL || previous_action.sa_handler == SIG_IGN) {
    // The default ends the process.  A fault comes again on return; a signal sent to us must be
    // repeated.
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    ::sigaction(signal, &plain, nullptr);
    if (info->si_code <= 0) ::raise(signal);
    return;
  }
  previous_action.sa_handler(signal);
}

void on_sigbus(int signal, siginfo_t* info, void* context) {
  GuardedCopy* const copy = current_copy;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  // A positive code is a fault; addresses in signals sent by a process mean nothing.
  if (copy != nullptr && info->si_code > 0 && address >= copy->begin && address < copy->end) {
    current_copy = nullptr;
    siglongjmp(copy->jump, 1);
  }
  hand_on(signal, info, context);
}

void install_handler_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_sigbus;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    // The previous action is needed before the first fault can reach the new one.
    if (::sigaction(SIGBUS, nullptr, &previous_action) != 0 ||
        ::sigaction(SIGBUS, &action, nullptr) != 0) {
      raise("install a handler for SIGBUS for", Path("this process"), errno);
    }
  });
}

void unblock_sigbus() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGBUS);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  sigbus_unblocked = true;
}

// The thread sanitizer runs every handler with all signals blocked.
#ifdef __SANITIZE_THREAD__
constexpr int kSaveMask = 1;
#else
constexpr int kSaveMask = 0;
#endif

// Alone in its function, so that nothing of a caller's lives in a register across the jump.
__attribute__((noinline)) bool copy_guarded(GuardedCopy& copy, std::byte* to, const std::byte* from,
                                            std::size_t length) {
  if (sigsetjmp(copy.jump, kSaveMask) != 0) return false;
  current_copy = &copy;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(to, from, length);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  current_copy = nullptr;
  return true;
}

class LinuxMapping final : public Mapping {
 public:
  LinuxMapping(bip::mapped_region region, Path path, std::uint64_t file_offset)
      : region_(std::move(region)), path_(std::move(path)), file_offset_(file_offset) {}

  std::uint64_t size() const override { return region_.get_size(); }

  void copy_out(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size() || out.size() > size() - offset) {
      fail(offset, out.size(), "outside of what is mapped", 0);
    }
    if (out.empty()) return;
    if (!sigbus_unblocked) unblock_sigbus();
    const auto* from = static_cast<const std::byte*>(region_.get_address()) + offset;
    GuardedCopy copy;
    copy.begin = page_floor(reinterpret_cast<std::uintptr_t>(from));
    copy.end = page_floor(reinterpret_cast<std::uintptr_t>(from) + out.size() - 1) + page_bytes();
    if (!copy_guarded(copy, out.data(), from, out.size())) {
      fail(offset, out.size(), "the system cannot supply it (file truncated, or disk error)", EIO);
    }
  }

 private:
  static std::size_t page_bytes() { return bip::mapped_region::get_page_size(); }
  // Some faults report the page, not the byte.
  static std::uintptr_t page_floor(std::uintptr_t address) { return address & ~(page_bytes() - 1); }

  [[noreturn]] void fail(std::uint64_t offset, std::size_t length, const char* why,
                         int code) const {
    throw IoError(fmt::format("cannot read {} mapped bytes at offset {} of '{}': {}", length,
                              file_offset_ + offset, path_.string(), why),
                  "read mapped", path_, code);
  }

  bip::mapped_region region_;
  Path path_;
  std::uint64_t file_offset_;
};

}  // namespace

std::unique_ptr<Mapping> map_descriptor(int descriptor, const Path& path, std::uint64_t offset,
                                        std::uint64_t length) {
  Expects(length > 0);
  Expects(offset % bip::mapped_region::get_page_size() == 0);
  install_handler_once();
  try {
    bip::mapped_region region(BorrowedDescriptor(descriptor), bip::read_only,
                              gsl::narrow_cast<bip::offset_t>(offset),
                              gsl::narrow_cast<std::size_t>(length));
    return std::make_unique<LinuxMapping>(std::move(region), path, offset);
  } catch (const bip::interprocess_exception& refused) {
    raise(fmt::format("map {} bytes at offset {} of", length, offset), path,
          refused.get_native_error());
  }
}

}  // namespace coffer::platform::linux_os
