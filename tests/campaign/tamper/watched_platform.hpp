// A machine whose locked memory can be searched, and whose entropy somebody else may decide.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string_view>

#include "platform/platform.hpp"

namespace coffer::campaign::tamper {

using Regions = std::set<platform::LockableRegion*>;

/// Notes itself while it lives.
class WatchedRegion final : public platform::LockableRegion {
 public:
  WatchedRegion(std::unique_ptr<platform::LockableRegion> region, Regions& all)
      : region_(std::move(region)), all_(all) {
    all_.insert(this);
  }
  ~WatchedRegion() override { all_.erase(this); }
  WatchedRegion(const WatchedRegion&) = delete;
  WatchedRegion& operator=(const WatchedRegion&) = delete;
  std::span<std::byte> bytes() override { return region_->bytes(); }
  void commit(std::uint64_t offset, std::uint64_t length) override {
    region_->commit(offset, length);
  }
  void release(std::uint64_t offset, std::uint64_t length) noexcept override {
    region_->release(offset, length);
  }

 private:
  std::unique_ptr<platform::LockableRegion> region_;
  Regions& all_;
};

class WatchedMemory final : public platform::Memory {
 public:
  explicit WatchedMemory(platform::Memory& memory) : memory_(memory) {}
  [[nodiscard]] std::uint64_t page_bytes() const override { return memory_.page_bytes(); }
  [[nodiscard]] std::unique_ptr<platform::LockableRegion> reserve(
      std::uint64_t length, platform::LockPolicy policy, std::string purpose,
      bool excluded_from_dumps) override {
    return std::make_unique<WatchedRegion>(
        memory_.reserve(length, policy, std::move(purpose), excluded_from_dumps), regions);
  }
  [[nodiscard]] platform::LockAccount account() const override { return memory_.account(); }

  Regions regions;

 private:
  platform::Memory& memory_;
};

class WatchedEntropy final : public platform::Entropy {
 public:
  explicit WatchedEntropy(platform::Entropy& entropy) : entropy_(entropy) {}
  void fill(std::span<std::byte> out) override {
    entropy_.fill(out);
    if (hook) hook(out);
  }
  std::function<void(std::span<std::byte>)> hook;  ///< sees what is drawn, and may change it

 private:
  platform::Entropy& entropy_;
};

/// One thread at a time.  The machine outlives it, and it outlives what was opened on it.
class WatchedPlatform final : public platform::Platform {
 public:
  explicit WatchedPlatform(platform::Platform& machine)
      : machine_(machine), memory_(machine.memory()), entropy_(machine.entropy()) {}

  [[nodiscard]] platform::FileSystem& files() override { return machine_.files(); }
  [[nodiscard]] platform::Memory& memory() override { return memory_; }
  [[nodiscard]] platform::Clock& clock() override { return machine_.clock(); }
  [[nodiscard]] WatchedEntropy& entropy() override { return entropy_; }
  [[nodiscard]] bool forked() const noexcept override { return machine_.forked(); }

  /// Somewhere in the locked memory that there is now.
  [[nodiscard]] bool holds(std::string_view needle) const {
    for (auto* const region : memory_.regions) {
      const auto bytes = region->bytes();
      const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (text.find(needle) != std::string_view::npos) return true;
    }
    return false;
  }

 private:
  platform::Platform& machine_;
  WatchedMemory memory_;
  WatchedEntropy entropy_;
};

}  // namespace coffer::campaign::tamper
