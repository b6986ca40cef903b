// Pages, and the nodes of page table and free map: altered, and sealed again up to the superblock.
#include "pager/node.hpp"
#include "tests/fuzz/forge.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::fuzz;
  static const Forge forge;
  FuzzedDataProvider input(data, size);
  const auto what = input.ConsumeIntegral<std::uint8_t>() % 8;
  const bool read_only = input.ConsumeIntegral<std::uint8_t>() % 4 != 0;
  const auto machine = forge.machine();
  if (what < 2) {
    Bytestring leaf = forge.leaf(what == 1);
    if (input.ConsumeIntegral<std::uint8_t>() % 8 == 0) {
      leaf.resize(input.ConsumeIntegralInRange<std::size_t>(pager::format::kNodeHeaderBytes,
                                                            pager::content_bytes(4096)));
    }
    alter(leaf, input);
    answered([&] {
      static_cast<void>(pager::Node(
          {what == 1 ? crypto::Role::free_node : crypto::Role::table_node, 0, 0}, 4096, leaf));
    });
    forge.put_leaf(*machine, what == 1, leaf);
  } else {
    const auto index = input.ConsumeIntegral<std::uint8_t>() % forge.pages().size();
    Bytestring page = forge.page(index);
    if (input.ConsumeIntegral<std::uint8_t>() % 8 == 0) {
      page.resize(input.ConsumeIntegralInRange<std::size_t>(16, pager::content_bytes(4096)));
    }
    // Often near the front, where the header and the cells' places are.
    const bool front = input.ConsumeBool();
    alter(front ? std::span(page).first(std::min<std::size_t>(page.size(), 64)) : std::span(page),
          input);
    forge.put_page(*machine, index, page);
  }
  look_at(*machine, forge.key(), read_only);
  return 0;
}
