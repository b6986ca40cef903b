// A store as a subcommand uses it: opened with the key and the options of the command line, and
// finished in a defined order, so that an anchor is written only for what is durable.
#pragma once

#include <coffer/store.hpp>

#include <string_view>

#include "tools/global_options.hpp"
#include "tools/scratch.hpp"

namespace coffer::tools {

/// Commands that only look open the store read-only: a journal that a crash left is replayed in
/// memory, and nothing is written.
enum class Access { read, write };

class Session {
 public:
  /// Opens an existing store.
  Session(const GlobalOptions& options, std::string_view store, Access access);
  /// Creates a store and leaves it open.
  Session(const GlobalOptions& options, std::string_view store, const CreateOptions& create);

  [[nodiscard]] Store& store() { return store_; }
  [[nodiscard]] Scratch& scratch() { return scratch_; }
  [[nodiscard]] const GlobalOptions& options() const { return options_; }

  /// Makes everything durable, writes the anchor file where that is asked for, and closes.  All
  /// transactions must have ended.  A subcommand that has failed does not call it.
  void finish();

 private:
  const GlobalOptions& options_;
  Access access_;
  Scratch scratch_;
  Store store_;
};

}  // namespace coffer::tools
