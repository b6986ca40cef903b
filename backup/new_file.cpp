// See new_file.hpp.
#include "backup/new_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include <coffer/error.hpp>

#include "txn/store_files.hpp"

namespace coffer::backup {

platform::Path directory_of(const platform::Path& place) {
  return place.has_parent_path() ? place.parent_path() : platform::Path(".");
}

platform::Path in_progress_beside(platform::Platform& platform, const platform::Path& place) {
  std::array<std::byte, sizeof(std::uint64_t)> random;
  platform.entropy().fill(random);
  std::uint64_t suffix = 0;
  std::memcpy(&suffix, random.data(), sizeof suffix);
  platform::Path name(".");
  name += place.filename();
  name += fmt::format("-{:016x}.in-progress", suffix);
  return directory_of(place) / name;
}

platform::Path free_place(platform::Platform& platform, const platform::Path& path,
                          const char* what) {
  const platform::Path place = path.has_filename() ? path : path.parent_path();
  if (!place.has_filename()) throw InvalidArgument(fmt::format("{} needs a name", what));
  if (platform.files().exists(place)) {
    throw InvalidArgument(fmt::format(
        "{} is already there; {} never overwrites: choose another name", place.string(), what));
  }
  if (!platform.files().is_directory(directory_of(place))) {
    throw InvalidArgument(
        fmt::format("there is no directory {} to put it in", directory_of(place).string()));
  }
  return place;
}

NewFile::NewFile(platform::Platform& platform, platform::Path place)
    : files_(platform.files()),
      place_(std::move(place)),
      beside_(in_progress_beside(platform, place_)),
      file_(files_.create(beside_)) {}

NewFile::~NewFile() {
  if (published_) return;
  file_.reset();
  try {
    files_.remove(beside_);
  } catch (const std::exception&) {
    // What made the work end is reported; its name says what is left.
  }
}

void NewFile::publish() {
  file_->sync();
  file_.reset();
  files_.rename(beside_, place_);
  published_ = true;
  files_.sync_directory(directory_of(place_));
}

NewDirectory::NewDirectory(platform::Platform& platform, platform::Path place)
    : files_(platform.files()),
      place_(std::move(place)),
      beside_(in_progress_beside(platform, place_)) {}

NewDirectory::~NewDirectory() {
  if (!published_) txn::remove_store(files_, beside_);
}

void NewDirectory::publish() {
  files_.rename(beside_, place_);
  published_ = true;
  files_.sync_directory(directory_of(place_));
}

}  // namespace coffer::backup
