// A shared library that is looked for when it is needed: the command runs without it, and two libraries that give the
// same names (SQLite's descendants) can be had by one program.  POSIX only.
#pragma once

#include <dlfcn.h>

#include <filesystem>
#include <string>

namespace coffer::tools::bench {

class SharedLibrary {
 public:
  SharedLibrary() = default;
  /// A path, or a name that the system's linker knows.  Stays loaded: engines leave threads and handlers behind.
  explicit SharedLibrary(const std::filesystem::path& name)
      : handle_(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)) {
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
