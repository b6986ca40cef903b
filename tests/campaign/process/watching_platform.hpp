// The native platform, with everybody who writes to a file watched: what is written is shown before it is.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "platform/platform.hpp"

namespace coffer::campaign::process {

class WatchingPlatform final : public platform::Platform {
 public:
  /// The file's name, where in it, and what.  Called by any thread.
  using Watcher = std::function<void(const std::string& name, std::uint64_t offset,
                                     std::span<const std::byte> bytes)>;

  explicit WatchingPlatform(Watcher watcher);
  ~WatchingPlatform() override;

  platform::FileSystem& files() override;
  platform::Memory& memory() override { return native_.memory(); }
  platform::Clock& clock() override { return native_.clock(); }
  platform::Entropy& entropy() override { return native_.entropy(); }
  bool forked() const noexcept override { return native_.forked(); }

 private:
  platform::Platform& native_ = platform::native_platform();
  Watcher watcher_;
  std::unique_ptr<platform::FileSystem> files_;
};

}  // namespace coffer::campaign::process
