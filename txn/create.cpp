// Creation: the store is built whole in a directory beside its place, synced, and renamed there.
#include <fmt/format.h>

#include <coffer/error.hpp>

#include "platform/contracts.hpp"
#include "platform/mutation.hpp"
#include "txn/engine.hpp"
#include "txn/locked_budget.hpp"

namespace coffer::txn {

namespace {

void check_page_size(std::uint32_t page_size) {
  if (page_size < 4096 || page_size > 65536 || (page_size & (page_size - 1)) != 0) {
    throw InvalidArgument(
        fmt::format("the page size {} is not a power of two from 4096 to 65536", page_size));
  }
}

platform::Path parent_of(const platform::Path& path) {
  return path.has_parent_path() ? path.parent_path() : platform::Path(".");
}

/// A first superblock: no pages, no commits.
pager::Superblock empty_store(platform::Platform& platform, const crypto::KeyRing& keys,
                              std::uint32_t page_size, std::uint64_t segment_bytes) {
  pager::Superblock superblock;
  superblock.page_bytes = page_size;
  superblock.segment_bytes = segment_bytes;
  platform.entropy().fill(superblock.instance);
  platform.entropy().fill(superblock.journal_generation);
  superblock.key_header_hash = keys.header_hash();
  return superblock;
}

void fill_directory(platform::Platform& platform, const StoreFiles& store, const Key* key,
                    const CreateOptions& create, std::uint64_t segment_bytes,
                    platform::LockPolicy policy) {
  auto& files = platform.files();
  const auto header =
      crypto::create_key_header(platform, key, {.page_bytes = create.page_size}, policy);
  write_new_file(files, store.keys(), header.bytes);
  write_new_superblock(platform, store,
                       empty_store(platform, *header.keys, create.page_size, segment_bytes),
                       *header.keys);
  write_new_file(files, store.pages(), {});
  write_new_file(files, store.lock(), {});
  files.sync_directory(store.directory);
}

}  // namespace

void write_new_file(platform::FileSystem& files, const platform::Path& path,
                    std::span<const std::byte> bytes) {
  const auto file = files.create(path);
  if (!bytes.empty()) file->write_at(0, bytes);
  file->sync();
}

void write_new_superblock(platform::Platform& platform, const StoreFiles& store,
                          const pager::Superblock& superblock, const crypto::KeyRing& keys) {
  const auto file = platform.files().create(store.superblock());
  crypto::NonceRun nonces(platform.entropy());
  for (const int copy : {0, 1}) {
    pager::write_superblock(*file, copy, superblock, keys, nonces);
  }
  file->sync();
}

void remove_store(platform::FileSystem& files, const platform::Path& directory) noexcept {
  try {
    for (const std::string& name : files.list(directory)) files.remove(directory / name);
    files.remove_directory(directory);
  } catch (const std::exception&) {
    // As the declaration says.
  }
}

void Engine::create(platform::Platform& platform, const platform::Path& path, const Key* key,
                    const CreateOptions& create, const Options& options,
                    std::uint64_t segment_bytes) {
  Expects(segment_bytes > 0 && segment_bytes % journal::kFragmentBytesMax == 0);
  check_page_size(create.page_size);
  auto& files = platform.files();
  platform::Path place = path;
  if (!place.has_filename()) place = place.parent_path();  // "store/" is "store"
  if (!place.has_filename()) throw InvalidArgument("the store needs a name");
  if (files.exists(place)) {
    throw InvalidArgument(fmt::format(
        "{} is already there; creating never overwrites: choose another name", place.string()));
  }
  const platform::Path parent = parent_of(place);
  if (!files.is_directory(parent)) {
    throw InvalidArgument(
        fmt::format("there is no directory {} to create the store in", parent.string()));
  }
  std::array<std::byte, 8> random;
  platform.entropy().fill(random);
  std::uint64_t suffix = 0;
  std::memcpy(&suffix, random.data(), sizeof suffix);
  const StoreFiles beside{parent /
                          fmt::format(".{}.creating-{:016x}", place.filename().string(), suffix)};
  const auto policy = lock_policy_of(options.memory_locking);
  files.make_directory(beside.directory);
  try {
    fill_directory(platform, beside, key, create, segment_bytes, policy);
    files.rename(beside.directory, place);
  } catch (...) {
    remove_store(files, beside.directory);
    throw;
  }
  if (!planted(Mutation::skip_name_sync)) files.sync_directory(parent);
}

}  // namespace coffer::txn
