// See system_side.hpp.  There is no limit to squeeze under: the working set grows as memory is locked.  How that
// goes wrong is tested in tests/platform/working_set_test.cpp.
#include <windows.h>

#include "tools/stress/system_side.hpp"

namespace coffer::tools::stress {
namespace {

class WindowsSide final : public SystemSide {
 public:
  ~WindowsSide() override {
    if (stray_ != nullptr) ::VirtualFree(stray_, 0, MEM_RELEASE);
  }
  std::optional<std::uint64_t> room_bytes() const override { return std::nullopt; }
  std::optional<Limits> limits() const override { return std::nullopt; }
  bool squeeze_to(std::uint64_t) override { return false; }
  std::uint64_t squeezed_bytes() const override { return 0; }
  // Windows counts no locked bytes by process.
  std::optional<std::uint64_t> charged_bytes() const override { return std::nullopt; }
  std::optional<std::uint64_t> locked_mappings() const override { return std::nullopt; }
  void lock_behind_the_account() override {
    constexpr SIZE_T kPage = 4096;
    stray_ = ::VirtualAlloc(nullptr, kPage, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (stray_ != nullptr) ::VirtualLock(stray_, kPage);
  }
  std::optional<std::string> fork_and_look(platform::Platform&) override { return std::nullopt; }

 private:
  void* stray_ = nullptr;
};

}  // namespace

std::unique_ptr<SystemSide> make_system_side(std::uint64_t) {
  return std::make_unique<WindowsSide>();
}

}  // namespace coffer::tools::stress
