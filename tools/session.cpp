#include "tools/session.hpp"

#include "tools/anchor_file.hpp"
#include "tools/file_name.hpp"
#include "tools/key_source.hpp"
#include "tools/system/streams.hpp"

namespace coffer::tools {
namespace {

Options store_options(const GlobalOptions& options, Access access) {
  Options result;
  result.read_only = access == Access::read;
  result.durability = options.durability;
  result.memory_locking = options.memory_locking();
  if (options.locked_bytes_max) result.locked_bytes_max = *options.locked_bytes_max;
  // One command is one burst of work: a checkpoint by the clock would only delay its end.
  result.background_checkpoints = false;
  return result;
}

void check_path(const std::filesystem::path& path) {
  if (path.empty()) throw UsageError("STORE is empty; name the store's directory");
}

Store open_store(const GlobalOptions& options, const std::filesystem::path& path, Access access) {
  check_path(path);
  check_key_options(options);
  Options opening = store_options(options, access);
  opening.anchor = anchor_to_require(options);
  // A writer that standard output's reader abandons must still end its transaction and close its
  // store, so a write to a closed pipe is to be an error (OutputClosed), not the end of the process.
  // Not earlier than here: a key command would inherit the setting.
  if (options.unencrypted) {
    streams::ignore_closed_pipes();
    return Store::open_unencrypted(path, opening);
  }
  const Key key = obtain_key(options, KeyUse::open_store);
  streams::ignore_closed_pipes();
  return Store::open(path, key, opening);
}

Store create_store(const GlobalOptions& options, const std::filesystem::path& path,
                   const CreateOptions& create) {
  check_path(path);
  check_key_options(options);
  const Options opening = store_options(options, Access::write);
  if (options.unencrypted) return Store::create_unencrypted(path, create, opening);
  return Store::create(path, obtain_key(options, KeyUse::create_store), create, opening);
}

}  // namespace

Session::Session(const GlobalOptions& options, std::string_view store, Access access)
    : options_(options),
      access_(access),
      scratch_(options),
      store_(open_store(options, path_of(store), access)) {}

Session::Session(const GlobalOptions& options, std::string_view store, const CreateOptions& create)
    : options_(options),
      access_(Access::write),
      scratch_(options),
      store_(create_store(options, path_of(store), create)) {}

void Session::finish() {
  if (access_ == Access::write) store_.sync();
  const Anchor anchor = store_.anchor();
  store_.close();
  if (options_.update_anchor) save_anchor(path_of(options_.anchor_file), anchor);
}

}  // namespace coffer::tools
