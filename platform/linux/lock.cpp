// One holder at a time, in this process and in all others.
//
// 1. Between processes: an open-file-description lock (F_OFD_SETLK).  It belongs to the descriptor that
//    took it; closing another descriptor of the same file, which drops a classic POSIX lock, leaves
//    it.
// 2. Within the process: a registry by device and inode, so that a second lock is Busy even where the
//    file system does not implement the first.  This registry is a global because files are.
// 3. A forked child inherits the descriptor and with it a share in the lock.  The fork handlers close
//    the child's share: a parent that dies frees the store even when its child lives on.  The
//    child's FileLock objects then hold nothing and their destructors do nothing.
// 4. A release unlocks before it closes, because a child between fork and its handler may hold a
// share.
//
// Lock order: the registry's mutex is innermost; the fork handlers hold it across a fork.
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>

#include <coffer/error.hpp>
#include <list>
#include <mutex>

#include "platform/fork_generation.hpp"
#include "platform/linux/descriptor.hpp"
#include "platform/linux/file.hpp"
#include "platform/linux/filesystem.hpp"
#include "platform/linux/os_error.hpp"

namespace coffer::platform::linux_os {

namespace {

struct Held {
  FileIdentity identity;
  bool shared;
  int descriptor;
};

struct Registry {
  std::mutex mutex;
  std::list<Held> held;

  Registry();
};

// Never destroyed: a lock may be released by another static object's destructor.
Registry& registry() {
  static auto* const the_registry = new Registry;
  return *the_registry;
}

Registry::Registry() {
  ::pthread_atfork([] { registry().mutex.lock(); }, [] { registry().mutex.unlock(); },
                   [] {
                     for (const auto& lock : registry().held) ::close(lock.descriptor);
                     registry().held.clear();
                     registry().mutex.unlock();
                   });
}

int set_lock(int descriptor, short type) {
  struct flock request {};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  return repeat_interrupted([&] { return ::fcntl(descriptor, F_OFD_SETLK, &request); });
}

class LinuxFileLock final : public FileLock {
 public:
  explicit LinuxFileLock(std::list<Held>::iterator held)
      : held_(held), born_in_generation_(fork_generation()) {}

  ~LinuxFileLock() override {
    if (fork_generation() != born_in_generation_) return;
    const std::lock_guard guard(registry().mutex);
    set_lock(held_->descriptor, F_UNLCK);
    ::close(held_->descriptor);
    registry().held.erase(held_);
  }

 private:
  std::list<Held>::iterator held_;
  std::uint64_t born_in_generation_;
};

[[noreturn]] void raise_busy(const Path& path, const char* by_whom) {
  throw Busy(fmt::format("'{}' is locked by {}; close the store there or wait, then open it again",
                         path.string(), by_whom));
}

// The file may be removed, and another made under its name, between opening and locking.
bool still_named(const Path& path, const FileIdentity& identity) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 &&
         identity == FileIdentity{gsl::narrow_cast<std::uint64_t>(status.st_dev),
                                  gsl::narrow_cast<std::uint64_t>(status.st_ino)};
}

/// Null when the name led elsewhere by the time the lock was ours.
std::unique_ptr<FileLock> try_lock(const Path& path, bool shared) {
  FileIdentity identity;
  Descriptor descriptor = open_to_lock(path, shared, identity);

  const std::lock_guard guard(registry().mutex);
  for (const auto& other : registry().held) {
    if (other.identity == identity && !(shared && other.shared)) {
      raise_busy(path, "this process");
    }
  }
  if (set_lock(descriptor.number(), shared ? F_RDLCK : F_WRLCK) != 0) {
    if (errno == EAGAIN || errno == EACCES) raise_busy(path, "another process");
    raise("lock", path, errno);
  }
  if (!still_named(path, identity)) return nullptr;  // closing the descriptor unlocks
  registry().held.push_front({identity, shared, descriptor.number()});
  std::unique_ptr<FileLock> lock;
  try {
    lock = std::make_unique<LinuxFileLock>(registry().held.begin());
  } catch (...) {
    registry().held.pop_front();
    throw;
  }
  descriptor.release();
  return lock;
}

}  // namespace

std::unique_ptr<FileLock> lock_file(const Path& path, bool shared) {
  constexpr int kAttempts = 16;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (auto lock = try_lock(path, shared)) return lock;
  }
  raise_busy(path, "somebody who keeps replacing it");
}

}  // namespace coffer::platform::linux_os
