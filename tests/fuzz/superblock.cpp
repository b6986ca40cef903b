// The superblock: any plaintext, sealed with the store's key; the two copies alike or not.
#include "pager/superblock_format.hpp"
#include "tests/fuzz/forge.hpp"

namespace coffer::fuzz {
namespace {

std::unique_ptr<platform::File> superblock_file(platform::SimulatedPlatform& machine) {
  return machine.files().open(platform::Path(kStore) / "superblock",
                              platform::OpenMode::read_write);
}

/// Changes fields at the front, where what decides stands, or anything.
void alter_plain(pager::superblock_format::Plain& plain, FuzzedDataProvider& input) {
  const bool front = input.ConsumeBool();
  alter(
      front ? std::span(plain).first(pager::superblock_format::kOpeningsAt + 48) : std::span(plain),
      input);
}

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::fuzz;
  namespace layout = pager::superblock_format;
  static const Forge forge;
  // Most executions read the two copies and no more: these need no store of their own.
  static const auto bench = forge.machine();
  static const auto bench_file = superblock_file(*bench);
  FuzzedDataProvider input(data, size);
  const bool open_too = input.ConsumeIntegral<std::uint8_t>() % 64 == 1;
  const bool both = input.ConsumeBool();

  const auto plain = std::make_unique<layout::Plain>();
  layout::encode(forge.superblock(), *plain);
  alter_plain(*plain, input);
  const auto sealed = std::make_unique<layout::Plain>();
  const std::unique_ptr<platform::SimulatedPlatform> own = open_too ? forge.machine() : nullptr;
  const std::unique_ptr<platform::File> own_file = open_too ? superblock_file(*own) : nullptr;
  platform::File& file = open_too ? *own_file : *bench_file;
  for (const std::uint8_t copy : {std::uint8_t{0}, std::uint8_t{1}}) {
    if (copy == 1 && both) {
      alter_plain(*plain, input);
    } else if (copy == 1 && open_too) {
      break;  // the genuine one stays
    }
    crypto::Nonce nonce;
    bench->entropy().fill(nonce);
    const crypto::Tag tag = forge.keys().superblock().seal(
        *sealed, *plain, {crypto::Role::superblock, copy, 0, 0, 0}, nonce);
    const std::array<std::span<const std::byte>, 3> pieces = {nonce, *sealed, tag};
    file.write_vector_at(copy * pager::kSuperblockBytes, pieces);
  }
  file.sync();
  answered([&] {
    // What is accepted makes sense: it can be written again.
    const auto found = pager::read_superblock(file, forge.keys());
    static_cast<void>(pager::identity_of(found.superblock));
  });
  if (open_too) look_at(*own, forge.key(), input.ConsumeBool());
  return 0;
}
