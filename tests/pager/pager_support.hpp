// What the pager's tests share: a sparse file in memory, keys, seeded randomness, and a page file
// with everything above it that can be opened again from what is on "disk".
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <coffer/error.hpp>
#include <cstdint>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "crypto/key_header.hpp"
#include "pager/pager.hpp"
#include "pager/pager_format.hpp"
#include "platform/platform.hpp"

namespace coffer::test {

using Random = std::mt19937_64;

/// A number below `end`.
inline std::uint64_t below(Random& random, std::uint64_t end) {
  return random() % end;
}

/// Processor time, so that a busy machine does not change what is measured.
inline double cpu_seconds() {
  return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
}

/// The contents of a file; only blocks that were written take memory.
struct SparseDisk {
  static constexpr std::uint64_t kBlock = 4096;
  mutable std::mutex mutex;
  std::map<std::uint64_t, std::array<std::byte, kBlock>> blocks;
  std::atomic<std::uint64_t> size{0};
  std::uint64_t capacity = ~std::uint64_t{0};
  std::uint64_t vector_writes = 0;
  std::size_t pieces_max = 0;
  bool unreadable = false;  ///< mapped reads fail, as those of a broken disk

  void read(std::uint64_t at, std::span<std::byte> out) const {
    const std::lock_guard guard(mutex);
    for (std::size_t done = 0; done < out.size();) {
      const std::uint64_t inside = (at + done) % kBlock;
      const auto n = std::min<std::size_t>(kBlock - inside, out.size() - done);
      const auto found = blocks.find((at + done) / kBlock);
      if (found == blocks.end()) {
        std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(done), n, std::byte{0});
      } else {
        std::copy_n(found->second.begin() + static_cast<std::ptrdiff_t>(inside), n,
                    out.begin() + static_cast<std::ptrdiff_t>(done));
      }
      done += n;
    }
  }
  void write(std::uint64_t at, std::span<const std::byte> in) {
    const std::lock_guard guard(mutex);
    for (std::size_t done = 0; done < in.size();) {
      const std::uint64_t inside = (at + done) % kBlock;
      const auto n = std::min<std::size_t>(kBlock - inside, in.size() - done);
      auto& block = blocks[(at + done) / kBlock];
      std::copy_n(in.begin() + static_cast<std::ptrdiff_t>(done), n,
                  block.begin() + static_cast<std::ptrdiff_t>(inside));
      done += n;
    }
    size = std::max(size.load(), at + in.size());
  }
  std::byte at(std::uint64_t offset) const {
    std::byte b{};
    read(offset, {&b, 1});
    return b;
  }
  void flip(std::uint64_t offset, unsigned bit) {
    const std::byte b = at(offset) ^ static_cast<std::byte>(1u << bit);
    write(offset, {&b, 1});
  }
};

class SparseFile final : public platform::File {
 public:
  explicit SparseFile(std::shared_ptr<SparseDisk> disk) : disk_(std::move(disk)) {}

  const platform::Path& path() const override { return path_; }
  std::uint64_t size() const override { return disk_->size; }
  platform::FileIdentity identity() const override { return {}; }
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset >= disk_->size) return 0;
    const auto n = std::min<std::size_t>(out.size(), disk_->size - offset);
    disk_->read(offset, out.first(n));
    return n;
  }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    disk_->write(offset, bytes);
  }
  void write_vector_at(std::uint64_t offset,
                       std::span<const std::span<const std::byte>> runs) override {
    ++disk_->vector_writes;
    disk_->pieces_max = std::max(disk_->pieces_max, runs.size());
    for (const auto& run : runs) {
      disk_->write(offset, run);
      offset += run.size();
    }
  }
  void sync() override {}
  void data_sync() override {}
  void allocate(std::uint64_t offset, std::uint64_t length) override {
    if (offset + length > disk_->capacity) throw NoSpace("the test's disk is full");
    disk_->size = std::max(disk_->size.load(), offset + length);
  }
  void truncate(std::uint64_t size) override {
    const std::lock_guard guard(disk_->mutex);
    disk_->blocks.erase(
        disk_->blocks.lower_bound((size + SparseDisk::kBlock - 1) / SparseDisk::kBlock),
        disk_->blocks.end());
    disk_->size = size;
  }
  void punch(std::uint64_t, std::uint64_t) override {}
  std::unique_ptr<platform::Mapping> map(std::uint64_t offset,
                                         std::uint64_t length) const override {
    return std::make_unique<Window>(disk_, offset, length);
  }

 private:
  class Window final : public platform::Mapping {
   public:
    Window(std::shared_ptr<SparseDisk> disk, std::uint64_t offset, std::uint64_t length)
        : disk_(std::move(disk)), offset_(offset), length_(length) {}
    std::uint64_t size() const override { return length_; }
    void copy_out(std::uint64_t offset, std::span<std::byte> out) const override {
      if (disk_->unreadable || offset + out.size() > length_ ||
          offset_ + offset + out.size() > disk_->size) {
        throw IoError("the test's file cannot supply it", "read mapped", "pages", 0);
      }
      disk_->read(offset_ + offset, out);
    }

   private:
    std::shared_ptr<SparseDisk> disk_;
    std::uint64_t offset_;
    std::uint64_t length_;
  };

  std::shared_ptr<SparseDisk> disk_;
  platform::Path path_ = "pages";
};

class SeededEntropy final : public platform::Entropy {
 public:
  explicit SeededEntropy(std::uint64_t seed) : random_(seed) {}
  void fill(std::span<std::byte> out) override {
    for (std::byte& b : out) b = static_cast<std::byte>(random_() & 0xff);
  }

 private:
  Random random_;
};

/// Keys that are no secret, for epochs 1 and 2.
class TestKeys final : public crypto::KeyRing {
 public:
  explicit TestKeys(crypto::Suite suite = crypto::Suite::xchacha20poly1305, std::uint32_t epoch = 1)
      : suite_(suite), epoch_(epoch) {
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      keys_[i].fill(static_cast<std::byte>(i + 1));
      const std::span<const std::byte> key =
          suite == crypto::Suite::none ? std::span<const std::byte>() : keys_[i];
      sealers_[i] = crypto::Sealer(suite, store_, key);
    }
    header_hash_.fill(std::byte{0x77});
  }
  crypto::Suite suite() const override { return suite_; }
  const crypto::StoreId& store_id() const override { return store_; }
  std::uint32_t current_epoch() const override { return epoch_; }
  const crypto::Sealer* pages(std::uint32_t epoch) const override {
    return epoch == 1 || epoch == 2 ? &sealers_[epoch - 1] : nullptr;
  }
  const crypto::Sealer& journal() const override { return sealers_[2]; }
  const crypto::Sealer& superblock() const override { return sealers_[3]; }
  crypto::Hash anchor_hash(std::initializer_list<std::span<const std::byte>> parts) const override {
    return crypto::hash({}, parts);
  }
  void derive_backup_key(std::span<const std::byte, crypto::kBackupSaltBytes>,
                         std::span<std::byte, crypto::kKeyBytes>) const override {}
  const crypto::Hash& header_hash() const override { return header_hash_; }
  void set_header_hash(std::byte b) { header_hash_.fill(b); }
  void set_epoch(std::uint32_t epoch) { epoch_ = epoch; }

 private:
  crypto::Suite suite_;
  std::uint32_t epoch_;
  crypto::StoreId store_{std::byte{9}};
  std::array<std::array<std::byte, crypto::kKeyBytes>, 4> keys_{};
  std::array<crypto::Sealer, 4> sealers_;
  crypto::Hash header_hash_{};
};

/// The pager's objects over one disk, as an opening of a store has them.
struct OpenPager {
  OpenPager(std::shared_ptr<SparseDisk> disk, const crypto::KeyRing& keys,
            platform::Entropy& entropy, std::uint32_t page_bytes, std::uint64_t cache_bytes)
      : file(std::make_unique<SparseFile>(std::move(disk)), page_bytes, 4096),
        ledger(file),
        metadata(file, ledger, keys, entropy, cache_bytes) {}
  pager::PageFile file;
  pager::SlotLedger ledger;
  pager::Metadata metadata;
};

/// A store's pager without transactions: pages are changed by checkpoints alone.
struct PagerWorld {
  explicit PagerWorld(std::uint64_t seed, std::uint32_t page_bytes_ = 4096,
                      crypto::Suite suite = crypto::Suite::xchacha20poly1305,
                      std::uint64_t cache_bytes_ = 1 << 20)
      : page_bytes(page_bytes_),
        cache_bytes(cache_bytes_),
        keys(suite),
        random(seed),
        entropy(seed + 1),
        nonces(entropy) {
    superblock.page_bytes = page_bytes;
    superblock.segment_bytes = 1 << 20;
    superblock.key_header_hash = keys.header_hash();
    reopen();
  }

  void reopen() {
    open.reset();
    open = std::make_unique<OpenPager>(disk, keys, entropy, page_bytes, cache_bytes);
    open->metadata.load(superblock);
  }

  /// A reference with a slot of its own, held by the transaction; its tag is only told apart, not
  /// opened.
  pager::SlotRef new_page() {
    pager::SlotRef ref;
    ref.slot = open->ledger.allocate(1, pager::Hold::transaction).first;
    ref.sealed_bytes =
        static_cast<std::uint32_t>(1 + below(random, pager::content_bytes(page_bytes)));
    ref.epoch = Epoch(keys.current_epoch());
    entropy.fill(ref.tag);
    return ref;
  }

  pager::CheckpointRoots prepare(pager::CheckpointChanges changes) {
    changes.checkpoint = superblock.checkpoint + 1;
    return open->metadata.prepare(changes, nonces);
  }
  void put_in_force(const pager::CheckpointChanges& changes, const pager::CheckpointRoots& roots) {
    roots.put_into(superblock);
    ++superblock.checkpoint;
    for (const auto& [page, ref] : changes.pages) {
      if (ref) superblock.next_page = std::max(superblock.next_page, page.next());
    }
    open->metadata.install();
    open->ledger.install_checkpoint(roots.now_used, roots.no_longer_used);
    for (const auto& run : roots.now_used) open->ledger.release(run, pager::Hold::transaction);
  }
  pager::CheckpointRoots checkpoint(const pager::CheckpointChanges& changes) {
    const auto roots = prepare(changes);
    put_in_force(changes, roots);
    return roots;
  }

  std::uint32_t page_bytes;
  std::uint64_t cache_bytes;
  std::shared_ptr<SparseDisk> disk = std::make_shared<SparseDisk>();
  TestKeys keys;
  Random random;
  SeededEntropy entropy;
  crypto::NonceRun nonces;
  pager::Superblock superblock;
  std::unique_ptr<OpenPager> open;
};

/// All that a walk finds.
struct Walked {
  std::map<std::uint64_t, pager::SlotRef> pages;
  std::set<std::uint64_t> nodes;
  std::set<std::uint64_t> used;
  std::size_t node_count = 0;
};
inline Walked walk(const pager::Metadata& metadata) {
  Walked w;
  metadata.walk({[&](PageId page, const pager::SlotRef& ref) { w.pages[page.value] = ref; },
                 [&](const pager::NodePlace&, const pager::SlotRef& ref, auto) {
                   w.nodes.insert(ref.slot.value);
                   ++w.node_count;
                 },
                 [&](SlotId slot) { w.used.insert(slot.value); }});
  return w;
}

}  // namespace coffer::test
