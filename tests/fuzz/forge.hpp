// What the fuzz targets share: a store whose key is known, and the means to seal what was altered in it again, so that
// the code behind the tags is reached.
//
// Every target takes whatever the interface may raise for an answer.  Anything else (another exception, a contract, a
// sanitizer's report, a hang) is a finding.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <memory>
#include <span>

#include <coffer/error.hpp>

#include "crypto/key_header.hpp"
#include "pager/pager_format.hpp"
#include "pager/superblock.hpp"
#include "tests/campaign/tamper/world.hpp"

namespace coffer::fuzz {

using campaign::tamper::Bytestring;
using campaign::tamper::kStore;

/// Alters bytes as the input says: places with what is XORed to them.  At most `most` bytes.
void alter(std::span<std::byte> bytes, FuzzedDataProvider& input, int most = 16);

/// `call`, whose typed errors count as answers.  True when there was none.
template <class Call>
bool answered(const Call& call) {
  try {
    call();
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Opens a store, in as little memory as there can be, checks it and reads all of it.
void look_at(platform::SimulatedPlatform& machine, const Key& key, bool read_only);

/// A closed store with its keys: trees of each kind, a branch and a large value, in as few pages as that takes.
class Forge {
 public:
  Forge();

  [[nodiscard]] const Key& key() const { return key_; }
  [[nodiscard]] const crypto::KeyRing& keys() const { return *keys_; }
  [[nodiscard]] const pager::Superblock& superblock() const { return superblock_; }
  /// A machine of its own with the files as they were; their blocks are shared until they are written.
  [[nodiscard]] std::unique_ptr<platform::SimulatedPlatform> machine() const;

  /// The only leaf of the page table, or of the free map.
  [[nodiscard]] Bytestring leaf(bool free_map) const;
  /// Pages that are in use, and where they lie.
  [[nodiscard]] const std::vector<std::pair<PageId, pager::SlotRef>>& pages() const {
    return pages_;
  }
  [[nodiscard]] Bytestring page(std::size_t index) const;
  /// Seals a page, and all that refers to it, anew.
  void put_page(platform::SimulatedPlatform& machine, std::size_t index,
                const Bytestring& plain) const;
  /// Seals a leaf and the superblock anew.
  void put_leaf(platform::SimulatedPlatform& machine, bool free_map, const Bytestring& plain) const;

 private:
  [[nodiscard]] Bytestring open_slot(const pager::SlotRef& ref,
                                     const crypto::AssociatedData& place) const;
  [[nodiscard]] crypto::Tag seal_slot(platform::SimulatedPlatform& machine, SlotId slot,
                                      const crypto::AssociatedData& place, Bytestring plain) const;

  Key key_ = campaign::tamper::key_of(9);
  std::unique_ptr<platform::SimulatedPlatform> machine_ =
      platform::SimulatedPlatform::make(1);  ///< whose memory the keys are in
  campaign::tamper::Files files_;
  std::unique_ptr<platform::SimulatedPlatform> template_;
  std::unique_ptr<crypto::KeyRing> keys_;
  pager::Superblock superblock_;
  std::vector<std::pair<PageId, pager::SlotRef>> pages_;
};

}  // namespace coffer::fuzz
