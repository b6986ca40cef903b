// A shared library that is looked for when it is needed: the command runs without it, and two libraries that give the
// same names (SQLite's descendants) can be had by one program.  POSIX only.
#pragma once

#include <dlfcn.h>

#include <filesystem>
#include <string>

namespace coffer::tools::bench {

/// With RTLD_DEEPBIND a library finds its own names first, whatever others have loaded.  The address sanitizer's runtime
/// ends the process at that, since it would not find the allocator either.
#if defined(__SANITIZE_ADDRESS__)
#define COFFER_BENCH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COFFER_BENCH_SANITIZED 1
#endif
#endif
#ifdef COFFER_BENCH_SANITIZED
inline constexpr int kLoadFlags = RTLD_NOW | RTLD_LOCAL;
#else
inline constexpr int kLoadFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

class SharedLibrary {
 public:
  SharedLibrary() = default;
  /// A path, or a name that the system's linker knows.  Stays loaded: engines leave threads and handlers behind.
  explicit SharedLibrary(const std::filesystem::path& name)
      : handle_(::dlopen(name.c_str(), kLoadFlags)) {
    if (handle_ == nullptr) error_ = ::dlerror();
  }

  /// What kept it from being loaded; empty when nothing did.
  [[nodiscard]] const std::string& error() const { return error_; }

  /// Sets `function` to what the library has under that name; nothing when it has not, and then there is an error().
  template <class Function>
  void find(Function*& function, const char* name) {
    if (handle_ == nullptr) return;
    function = reinterpret_cast<Function*>(::dlsym(handle_, name));
    if (function == nullptr && error_.empty()) error_ = std::string("it has no ") + name;
  }

 private:
  void* handle_ = nullptr;
  std::string error_;
};

}  // namespace coffer::tools::bench
