// What binds every engine on this machine: the cipher, memory, the disk's sync.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace coffer::tools::bench {

/// By name: "cipher_4k", "cipher_64k" (XChaCha20-Poly1305 opened, bytes a second, one core, in units of that size),
/// "memcpy" (bytes a second, 64 MiB at a time) and "sync" (seconds that a written page takes to the disk in `directory`).
/// Takes about a second.
[[nodiscard]] std::map<std::string, double> measure_limits(const std::filesystem::path& directory);

}  // namespace coffer::tools::bench
