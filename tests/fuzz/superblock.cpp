// The superblock: any plaintext, sealed with the store's key; the two copies alike or not.
#include "pager/superblock_format.hpp"
#include "tests/fuzz/forge.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::fuzz;
  namespace layout = pager::superblock_format;
  static const Forge forge(false);
  FuzzedDataProvider input(data, size);
  const bool open_too = input.ConsumeIntegral<std::uint8_t>() % 16 == 0;
  const bool both = input.ConsumeBool();
  const auto machine = forge.machine();
  const auto file =
      machine->files().open(platform::Path(kStore) / "superblock", platform::OpenMode::read_write);

  const auto plain = std::make_unique<layout::Plain>();
  layout::encode(forge.superblock(), *plain);
  alter(*plain, input);
  for (const std::uint8_t copy : {std::uint8_t{0}, std::uint8_t{1}}) {
    if (copy == 1 && !both) break;
    auto sealed = std::make_unique<layout::Plain>(*plain);
    crypto::Nonce nonce;
    machine->entropy().fill(nonce);
    const crypto::Tag tag = forge.keys().superblock().seal(
        *sealed, *sealed, {crypto::Role::superblock, copy, 0, 0, 0}, nonce);
    const std::array<std::span<const std::byte>, 3> pieces = {nonce, *sealed, tag};
    file->write_vector_at(copy * pager::kSuperblockBytes, pieces);
  }
  answered([&] {
    // What is accepted makes sense: it can be written again.
    const auto found = pager::read_superblock(*file, forge.keys());
    static_cast<void>(pager::identity_of(found.superblock));
  });
  if (open_too) look_at(*machine, forge.key(), input.ConsumeBool());
  return 0;
}
