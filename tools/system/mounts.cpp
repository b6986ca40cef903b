#include "tools/system/mounts.hpp"

#include <algorithm>
#include <sstream>
#include <system_error>

namespace coffer::tools {
namespace {

namespace fs = std::filesystem;

bool lies_in(const fs::path& path, const fs::path& point) {
  const auto [at, rest] = std::mismatch(point.begin(), point.end(), path.begin(), path.end());
  return at == point.end() || at->empty();
}

/// A blank in a name stands as \040.
std::string unescaped(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && text.size() - i > 3;
    if (!escape) {
      result += text[i];
      continue;
    }
    int code = 0;
    for (int digit = 0; digit < 3; ++digit) code = code * 8 + (text[++i] - '0');
    result += static_cast<char>(code);
  }
  return result;
}

/// "id parent major:minor root mount-point options optional... - type source super-options"
std::optional<Mount> parse(const std::string& line) {
  std::istringstream fields(line);
  Mount mount;
  std::string skipped;
  std::string point;
  fields >> skipped >> skipped >> mount.device_number >> skipped >> point >> mount.options;
  while (fields >> skipped && skipped != "-") {
  }
  std::string super_options;
  if (!(fields >> mount.type >> mount.source)) return std::nullopt;
  if (fields >> super_options) mount.options += "," + super_options;
  mount.point = unescaped(point);
  return mount;
}

}  // namespace

std::optional<Mount> mount_of(const SystemFiles& system, const fs::path& path) {
  std::error_code failed;
  const fs::path wanted = fs::weakly_canonical(path, failed);
  if (failed) return std::nullopt;
  std::optional<Mount> best;
  for (const std::string& line : system.lines("/proc/self/mountinfo")) {
    auto mount = parse(line);
    if (!mount || !lies_in(wanted, mount->point)) continue;
    // The later of two mounts on one point hides the earlier.
    const bool closer = !best || mount->point.native().size() >= best->point.native().size();
    if (closer) best = std::move(mount);
  }
  return best;
}

}  // namespace coffer::tools
