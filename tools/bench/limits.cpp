#include "tools/bench/limits.hpp"

#include <coffer/error.hpp>

#include <array>
#include <cstring>
#include <functional>
#include <vector>

#include "crypto/seal.hpp"
#include "platform/platform.hpp"
#include "tools/bench/workloads/bench.hpp"

namespace coffer::tools::bench {
namespace {

constexpr double kSecondsEach = 0.2;

// Repeats for a while; `once` gives what it did, and the result is that a second.
double rate_of(const std::function<double()>& once) {
  double done = 0;
  const double begun = seconds_now();
  double passed = 0;
  do {
    done += once();
    passed = seconds_now() - begun;
  } while (passed < kSecondsEach);
  return done / passed;
}

double cipher(std::size_t bytes) {
  constexpr std::size_t kAtOnce = std::size_t{1} << 20;
  crypto::ensure_ready();
  const std::array<std::byte, crypto::kKeyBytes> key{};
  const crypto::Sealer sealer(crypto::Suite::xchacha20poly1305, {}, key);
  std::vector<std::byte> plain(bytes);
  std::vector<std::byte> sealed(bytes);
  const crypto::AssociatedData place{.role = crypto::Role::page};
  const crypto::Tag tag = sealer.seal(sealed, plain, place, {});
  return rate_of([&] {
    for (std::size_t done = 0; done < kAtOnce; done += bytes) {
      if (!sealer.open(plain, sealed, tag, place, {})) throw Error("the cipher failed");
    }
    return static_cast<double>(kAtOnce);
  });
}

double copying() {
  std::vector<std::byte> from(std::size_t{64} << 20);
  std::vector<std::byte> to(from.size());
  return rate_of([&] {
    std::memcpy(to.data(), from.data(), from.size());
    // The next copy is of what this one made, so that no compiler leaves one out.
    from.swap(to);
    return static_cast<double>(from.size());
  });
}

double syncing(const std::filesystem::path& directory) {
  constexpr std::uint64_t kPageBytes = 4096;
  constexpr std::uint64_t kPages = 256;
  const std::filesystem::path path = directory / "sync";
  const std::vector<std::byte> page(kPageBytes, std::byte{1});
  double rate = 0;
  {
    const auto file = platform::native_platform().files().create(path);
    // Written once before, so that a sync has no sizes to write.
    for (std::uint64_t at = 0; at < kPages; ++at) file->write_at(at * kPageBytes, page);
    file->sync();
    std::uint64_t at = 0;
    rate = rate_of([&] {
      file->write_at(at++ % kPages * kPageBytes, page);
      file->data_sync();
      return 1.0;
    });
  }
  std::filesystem::remove(path);
  return 1 / rate;
}

}  // namespace

std::map<std::string, double> measure_limits(const std::filesystem::path& directory) {
  return {{"cipher_4k", cipher(4096)},
          {"cipher_64k", cipher(65'536)},
          {"memcpy", copying()},
          {"sync", syncing(directory)}};
}

}  // namespace coffer::tools::bench
