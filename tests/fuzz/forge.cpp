#include "tests/fuzz/forge.hpp"

#include <algorithm>

#include "pager/node.hpp"
#include "txn/locked_budget.hpp"

namespace coffer::fuzz {

using platform::OpenMode;
using platform::SimulatedPlatform;

namespace {

constexpr std::uint32_t kPageBytes = 4096;

platform::Path in_store(const char* name) {
  return platform::Path(kStore) / name;
}
crypto::AssociatedData place_of_page(PageId page, Epoch epoch) {
  return {.role = crypto::Role::page, .level = 0, .epoch = epoch.value, .a = page.value, .b = 0};
}
crypto::AssociatedData place_of_leaf(bool free_map, Epoch epoch) {
  const auto role = free_map ? crypto::Role::free_node : crypto::Role::table_node;
  return pager::NodePlace{role, 0, 0}.associated(epoch);
}

void fill(Store& store) {
  WriteTransaction writing = store.write();
  Tree plain = writing.create_tree("plain");
  for (int i = 10; i < 20; ++i) {
    plain.put("key " + std::to_string(i), std::string(i % 3 == 0 ? 20 : 800, 'p'));
  }
  ValueWriter large = plain.write("large");
  large.write(std::string(6000, 'l'));
  large.finish();
  Tree multi = writing.create_tree("multi", {.multi_value = true});
  for (int i = 0; i < 6; ++i) multi.put("key", "value " + std::to_string(i));
  Tree numbers = writing.create_tree("numbers", {.integer_keys = true});
  for (std::uint64_t i = 0; i < 4; ++i) numbers.put(Bytes(integer_key(i)), "n");
  writing.commit();
}

}  // namespace

void alter(std::span<std::byte> bytes, FuzzedDataProvider& input, int most) {
  for (int i = 0; i < most && input.remaining_bytes() > 2 && !bytes.empty(); ++i) {
    const auto at = input.ConsumeIntegral<std::uint16_t>() % bytes.size();
    bytes[at] ^= static_cast<std::byte>(input.ConsumeIntegral<std::uint8_t>());
  }
}

void look_at(SimulatedPlatform& machine, const Key& key, bool read_only) {
  Options options = campaign::tamper::small_options(read_only);
  options.locked_bytes_max = txn::kLeastLockedBytes;
  const auto heard = campaign::tamper::hear(machine, &key, options);
  // What is no error of the interface's, and has nothing to do with the disk's state.
  if (heard.error == "other") std::abort();
}

Forge::Forge() {
  campaign::tamper::create_store(*machine_, &key_);
  Store store = campaign::tamper::open_store(*machine_, &key_);
  fill(store);
  store.close();
  files_ = campaign::tamper::files_of(*machine_);
  template_ = campaign::tamper::machine_with(files_, 2);
  keys_ = crypto::open_key_header(*machine_, files_.at("keys"), &key_, platform::LockPolicy::abort,
                                  "keys")
              .keys;
  const auto file = machine_->files().open(in_store("superblock"), OpenMode::read_only);
  superblock_ = pager::read_superblock(*file, *keys_).superblock;
  if (superblock_.table_levels != 1 || superblock_.free_levels != 1) std::abort();

  const pager::Node table({crypto::Role::table_node, 0, 0}, kPageBytes, leaf(false));
  for (std::uint64_t entry = 0; entry < table.stored(); ++entry) {
    const pager::Child child = table.child(entry);
    if (child.exists()) pages_.emplace_back(PageId{entry}, child.ref);
  }
}

std::unique_ptr<SimulatedPlatform> Forge::machine() const {
  return template_->copy();
}

Bytestring Forge::open_slot(const pager::SlotRef& ref, const crypto::AssociatedData& place) const {
  const Bytestring& pages = files_.at("pages");
  const std::size_t at = static_cast<std::size_t>(ref.slot.value) * kPageBytes;
  crypto::Nonce nonce;
  std::copy_n(&pages[at], nonce.size(), nonce.begin());
  Bytestring plain(ref.sealed_bytes);
  if (!keys_->pages(ref.epoch.value)
           ->open(plain, std::span(pages).subspan(at + nonce.size(), plain.size()), ref.tag, place,
                  nonce)) {
    std::abort();
  }
  return plain;
}

Bytestring Forge::leaf(bool free_map) const {
  const pager::SlotRef& root = free_map ? superblock_.free_root : superblock_.table_root;
  return open_slot(root, place_of_leaf(free_map, root.epoch));
}

Bytestring Forge::page(std::size_t index) const {
  const auto& [id, ref] = pages_[index];
  return open_slot(ref, place_of_page(id, ref.epoch));
}

crypto::Tag Forge::seal_slot(SimulatedPlatform& machine, SlotId slot,
                             const crypto::AssociatedData& place, Bytestring plain) const {
  crypto::Nonce nonce;
  machine.entropy().fill(nonce);
  const crypto::Tag tag = keys_->pages(place.epoch)->seal(plain, plain, place, nonce);
  const auto file = machine.files().open(in_store("pages"), OpenMode::read_write);
  file->write_at(slot.value * kPageBytes, nonce);
  file->write_at(slot.value * kPageBytes + nonce.size(), plain);
  return tag;
}

void Forge::put_page(SimulatedPlatform& machine, std::size_t index, const Bytestring& plain) const {
  const auto& [id, old] = pages_[index];
  pager::SlotRef ref = old;
  ref.sealed_bytes = static_cast<std::uint32_t>(plain.size());
  ref.tag = seal_slot(machine, ref.slot, place_of_page(id, ref.epoch), plain);
  Bytestring table = leaf(false);
  pager::format::put_ref(
      &table[pager::format::kNodeHeaderBytes + id.value * pager::format::kRefBytes], ref);
  put_leaf(machine, false, table);
}

void Forge::put_leaf(SimulatedPlatform& machine, bool free_map, const Bytestring& plain) const {
  pager::Superblock superblock = superblock_;
  pager::SlotRef& root = free_map ? superblock.free_root : superblock.table_root;
  root.sealed_bytes = static_cast<std::uint32_t>(plain.size());
  root.tag = seal_slot(machine, root.slot, place_of_leaf(free_map, root.epoch), plain);
  const auto file = machine.files().open(in_store("superblock"), OpenMode::read_write);
  crypto::NonceRun nonces(machine.entropy());
  for (const int copy : {0, 1}) pager::write_superblock(*file, copy, superblock, *keys_, nonces);
}

}  // namespace coffer::fuzz
