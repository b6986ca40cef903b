// See watching_platform.hpp.  Files are named by their path when they were opened: the journal's renamed segments keep
// a name that begins alike.
#include "tests/campaign/process/watching_platform.hpp"

#include <utility>
#include <vector>

namespace coffer::campaign::process {
namespace {

using platform::Path;

class WatchedFile final : public platform::File {
 public:
  WatchedFile(std::unique_ptr<platform::File> file, const WatchingPlatform::Watcher& watcher)
      : file_(std::move(file)), watcher_(watcher), name_(file_->path().filename().string()) {}

  const Path& path() const override { return file_->path(); }
  std::uint64_t size() const override { return file_->size(); }
  platform::FileIdentity identity() const override { return file_->identity(); }
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    return file_->read_at(offset, out);
  }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    watcher_(name_, offset, bytes);
    file_->write_at(offset, bytes);
  }
  void write_vector_at(std::uint64_t offset,
                       std::span<const std::span<const std::byte>> runs) override {
    std::vector<std::byte> all;
    for (const auto& run : runs) all.insert(all.end(), run.begin(), run.end());
    watcher_(name_, offset, all);
    file_->write_vector_at(offset, runs);
  }
  void sync() override { file_->sync(); }
  void data_sync() override { file_->data_sync(); }
  void write_back(std::uint64_t offset, std::uint64_t length) noexcept override {
    file_->write_back(offset, length);
  }
  void allocate(std::uint64_t offset, std::uint64_t length) override {
    file_->allocate(offset, length);
  }
  void truncate(std::uint64_t size) override { file_->truncate(size); }
  void punch(std::uint64_t offset, std::uint64_t length) override { file_->punch(offset, length); }
  std::unique_ptr<platform::Mapping> map(std::uint64_t offset,
                                         std::uint64_t length) const override {
    return file_->map(offset, length);
  }

 private:
  std::unique_ptr<platform::File> file_;
  const WatchingPlatform::Watcher& watcher_;
  std::string name_;
};

class WatchedFileSystem final : public platform::FileSystem {
 public:
  WatchedFileSystem(platform::FileSystem& native, const WatchingPlatform::Watcher& watcher)
      : native_(native), watcher_(watcher) {}

  std::unique_ptr<platform::File> open(const Path& path, platform::OpenMode mode) override {
    return std::make_unique<WatchedFile>(native_.open(path, mode), watcher_);
  }
  std::unique_ptr<platform::File> create(const Path& path) override {
    return std::make_unique<WatchedFile>(native_.create(path), watcher_);
  }
  bool exists(const Path& path) const override { return native_.exists(path); }
  bool is_directory(const Path& path) const override { return native_.is_directory(path); }
  std::vector<std::string> list(const Path& directory) const override {
    return native_.list(directory);
  }
  void make_directory(const Path& path) override { native_.make_directory(path); }
  void rename(const Path& from, const Path& to) override { native_.rename(from, to); }
  void remove(const Path& path) override { native_.remove(path); }
  void remove_directory(const Path& path) override { native_.remove_directory(path); }
  void sync_directory(const Path& directory) override { native_.sync_directory(directory); }
  std::uint64_t free_bytes(const Path& path) const override { return native_.free_bytes(path); }
  std::unique_ptr<platform::FileLock> lock(const Path& path, bool shared) override {
    return native_.lock(path, shared);
  }
  std::uint64_t map_granularity_bytes() const override { return native_.map_granularity_bytes(); }

 private:
  platform::FileSystem& native_;
  const WatchingPlatform::Watcher& watcher_;
};

}  // namespace

WatchingPlatform::WatchingPlatform(Watcher watcher)
    : watcher_(std::move(watcher)),
      files_(std::make_unique<WatchedFileSystem>(native_.files(), watcher_)) {}
WatchingPlatform::~WatchingPlatform() = default;

platform::FileSystem& WatchingPlatform::files() {
  return *files_;
}

}  // namespace coffer::campaign::process
