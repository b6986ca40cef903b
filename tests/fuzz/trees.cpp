// Trees in pages in memory, whose bytes are altered behind their backs: what the tags of pages guard.
//
// A tree that the check accepts is a tree: whatever is then done to it is what a model says, and leaves a tree that the
// check accepts.  Of any other, reading and changing end in a result or in a typed error.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <coffer/error.hpp>

#include "tests/support/fake_pages.hpp"
#include "tree/check.hpp"
#include "tree/open_tree.hpp"
#include "tree/page_types.hpp"

namespace coffer::fuzz {
namespace {

using testing::FakePages;
using tree::TreeContext;
/// (key, value), in the order of the tree.
using Model = std::set<std::pair<std::string, std::string>>;

constexpr const char* kName = "t";
constexpr std::size_t kContentBytes = 512;
constexpr std::size_t kChunkBytes = 300;
/// A damaged tree may name its pages many times over.
constexpr int kStepsMax = 300;

std::string text_of(Bytes bytes) {
  return std::string(bytes.text());
}

enum class Kind : std::uint8_t { single, multi_value, integer_keys };

TreeOptions options_of(Kind kind) {
  return {.multi_value = kind == Kind::multi_value, .integer_keys = kind == Kind::integer_keys};
}

std::string genuine_key(Kind kind, std::uint64_t i) {
  if (kind == Kind::integer_keys) {
    const auto key = integer_key(i * 7);
    return text_of(Bytes(key));
  }
  std::string key = "key " + std::to_string(10 + i);
  // Some are long, so that branches have few children and the tree levels.
  return i % 3 == 0 ? key + std::string(80, '-') : key;
}

/// A small tree of three levels, with large values where there can be some; never changed but between two `restore`.
class World {
 public:
  World(Kind kind, bool scribble)
      : kind_(kind),
        pages_({.content_bytes = kContentBytes,
                .chunk_bytes = kChunkBytes,
                .scribble = scribble,
                .verify_dirty_blocks = false}) {
    Tree tree = create_tree(writer(), kName, options_of(kind));
    for (std::uint64_t i = 0; i < 45; ++i) tree.put(genuine_key(kind, i), std::string(i % 40, 'v'));
    if (kind == Kind::single) {
      tree.put("large", std::string(500, 'l'));
      tree.put("larger", std::string(2000, 'r'));
    }
    pages_.commit();
    numbers_ = pages_.pages();
  }

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] FakePages& pages() { return pages_; }
  [[nodiscard]] const std::vector<PageId>& numbers() const { return numbers_; }
  [[nodiscard]] TreeContext writer() { return {&pages_, &pages_, registry_}; }
  [[nodiscard]] TreeContext reader() { return {&pages_, nullptr, registry_}; }
  void restore() {
    if (pages_.pins() != 0 || pages_.chunk_buffers() != 0) std::abort();
    pages_.rollback();
    registry_ = std::make_shared<tree::StreamRegistry>();
  }

 private:
  Kind kind_;
  std::shared_ptr<tree::StreamRegistry> registry_ = std::make_shared<tree::StreamRegistry>();
  FakePages pages_;
  std::vector<PageId> numbers_;
};

World& world_of(Kind kind, bool scribble) {
  static std::array<std::unique_ptr<World>, 6> worlds;
  auto& world = worlds[static_cast<std::size_t>(kind) * 2 + (scribble ? 1 : 0)];
  if (!world) world = std::make_unique<World>(kind, scribble);
  return *world;
}

// ---- Altering

/// What lies in a page, as it is stored: without its gap.
void put_stored(std::span<std::byte> page, std::span<const std::byte> stored) {
  std::fill(page.begin(), page.end(), std::byte{0});
  std::copy_n(stored.begin(), std::min(stored.size(), page.size()), page.begin());
  txn::PageHeader header;
  std::memcpy(&header, page.data(), sizeof header);
  const std::size_t front = header.gap_begin;
  if (front < stored.size() && stored.size() <= page.size()) {
    const std::size_t back = stored.size() - front;
    std::memmove(page.data() + page.size() - back, page.data() + front, back);
  }
}

void alter_page(World& world, FuzzedDataProvider& input) {
  const auto pick = [&] {
    return world.numbers()[input.ConsumeIntegral<std::uint8_t>() % world.numbers().size()];
  };
  const auto how = input.ConsumeIntegral<std::uint8_t>();
  txn::MutablePage page = world.pages().modify(pick());
  const auto bytes = page.write(0, kContentBytes);
  switch (how % 8) {
    case 0: {  // all of it as the input has it
      const auto stored = input.ConsumeBytes<std::byte>(
          input.ConsumeIntegralInRange<std::size_t>(txn::kPageHeaderBytes, kContentBytes));
      return put_stored(bytes, stored);
    }
    case 1: {  // another one's
      const txn::PagePin other = world.pages().pin(pick());
      std::ranges::copy(other.bytes(), bytes.begin());
      return;
    }
    default:
      break;
  }
  // In the header and in the cells' places, or anywhere.
  const std::size_t reach = how % 8 < 5 ? 48 : kContentBytes;
  for (int i = 1 + how / 8 % 4; i > 0; --i) {
    bytes[input.ConsumeIntegral<std::uint16_t>() % reach] ^=
        static_cast<std::byte>(input.ConsumeIntegral<std::uint8_t>());
  }
}

// ---- Looking

/// Opens chunks, and takes nothing twice.
class Visitor final : public tree::CheckVisitor {
 public:
  explicit Visitor(FakePages& pages) : pages_(pages) {}
  void page(PageId id) override {
    if (!seen_.insert(id.value).second) throw Corrupted("a page is named twice");
  }
  void chunk(std::uint64_t value_id, std::uint64_t index, const txn::ChunkRef& ref) override {
    chunks_ = true;
    if (!slots_.insert(ref.first_slot.value).second) throw Corrupted("a chunk is named twice");
    txn::ChunkBuffer buffer = pages_.chunk_buffer();
    if (ref.sealed_bytes == 0 || ref.sealed_bytes > buffer.bytes().size())
      throw Corrupted("a chunk has an impossible length");
    pages_.read_chunk(value_id, index, ref, buffer.bytes().first(ref.sealed_bytes));
  }
  [[nodiscard]] bool chunks() const { return chunks_; }

 private:
  FakePages& pages_;
  std::set<std::uint64_t> seen_;
  std::set<std::uint64_t> slots_;
  bool chunks_ = false;
};

std::string value_at(const Cursor& cursor) {
  if (!cursor.value_is_large()) return text_of(cursor.value());
  std::string value;
  ValueReader reader = cursor.read();
  std::array<std::byte, 256> piece{};
  for (std::size_t got = reader.read(piece); got != 0; got = reader.read(piece)) {
    value.append(reinterpret_cast<const char*>(piece.data()), got);
    if (value.size() > 100'000) throw Corrupted("longer than anything that was put");
  }
  return value;
}

/// All entries, forward; and backward they are the same.
Model contents_of(Tree& tree) {
  Model model;
  Cursor cursor = tree.cursor();
  std::size_t entries = 0;
  for (bool more = cursor.first(); more; more = cursor.next()) {
    model.emplace(text_of(cursor.key()), value_at(cursor));
    ++entries;
  }
  auto expected = model.rbegin();
  for (bool more = cursor.last(); more; more = cursor.previous(), ++expected) {
    if (expected == model.rend() || expected->first != text_of(cursor.key())) std::abort();
  }
  if (expected != model.rend() || entries != model.size() || tree.count() != entries) std::abort();
  return model;
}

// ---- Changing

class Player {
 public:
  Player(World& world, FuzzedDataProvider& input, bool altered)
      : world_(world), input_(input), altered_(altered) {}

  void play() {
    const bool sound = is_sound();
    std::optional<Model> model;
    if (sound) model = contents();
    for (int i = 0; i < 24 && input_.remaining_bytes() > 0; ++i) {
      const bool done = attempt([&] { step(model ? &*model : nullptr); });
      // That a descriptor names the commit that wrote its chunks shows when they are freed, and not before.
      if (!done && sound && !(altered_ && chunks_)) std::abort();
      if (!done) return;
    }
    if (!sound) return;
    if (!is_sound() || contents() != *model) std::abort();
  }

 private:
  /// Typed errors are answers.
  template <class Call>
  static bool attempt(const Call& call) {
    try {
      call();
      return true;
    } catch (const Corrupted&) {
    } catch (const VersionUnsupported&) {
    } catch (const MemoryLockError&) {
    } catch (const InvalidArgument&) {
    }
    return false;
  }

  bool is_sound() {
    Visitor visitor(world_.pages());
    bool there = false;
    const bool accepted = attempt([&] {
      static_cast<void>(check_all_trees(world_.reader(), visitor));
      const auto found = find_tree(world_.reader(), kName);
      there = found && found->options() == options_of(world_.kind());
    });
    chunks_ = chunks_ || visitor.chunks();
    return accepted && there;
  }

  [[nodiscard]] Model contents() {
    std::optional<Tree> found = find_tree(world_.reader(), kName);
    return contents_of(*found);
  }
  [[nodiscard]] std::string key() {
    if (world_.kind() == Kind::integer_keys || input_.ConsumeBool()) {
      return genuine_key(world_.kind(), input_.ConsumeIntegral<std::uint8_t>() % 64);
    }
    std::string key = genuine_key(world_.kind(), input_.ConsumeIntegral<std::uint8_t>() % 64);
    key.resize(input_.ConsumeIntegral<std::uint8_t>() % 100, 'x');
    return key;
  }
  [[nodiscard]] std::string value() {
    const bool large =
        world_.kind() == Kind::single && input_.ConsumeIntegral<std::uint8_t>() > 245;
    return std::string(input_.ConsumeIntegral<std::uint8_t>() % 100 + (large ? 1000u : 0u), 'w');
  }
  [[nodiscard]] bool pairs() const { return world_.kind() == Kind::multi_value; }

  /// One call; the model, of a sound tree, has the same done to it.
  void step(Model* model) {
    std::optional<Tree> found = find_tree(world_.writer(), kName);
    if (!found) return;
    Tree& tree = *found;
    const std::string k = key();
    switch (input_.ConsumeIntegral<std::uint8_t>() % 8) {
      case 0:
      case 1:
      case 2:
        return put(tree, k, model);
      case 3:
        return erase(tree, k, model);
      case 4:
        return erase_range(tree, k, model);
      case 5:
        return erase_at_cursor(tree, k, model);
      case 6:
        return walk(tree, k);
      default:
        return look_up(tree, k, model);
    }
  }

  void put(Tree& tree, const std::string& k, Model* model) {
    const std::string v = value();
    if (v.size() >= 1000) {
      ValueWriter writer = tree.write(k);
      writer.write(v);
      writer.finish();
    } else {
      tree.put(k, v);
    }
    if (model == nullptr) return;
    if (!pairs()) erase_key(*model, k);
    model->emplace(k, v);
  }
  void erase(Tree& tree, const std::string& k, Model* model) {
    const bool was = tree.erase(k);
    if (model != nullptr && (erase_key(*model, k) != 0) != was) std::abort();
  }
  void erase_range(Tree& tree, const std::string& k, Model* model) {
    const std::string to = key();
    if (model == nullptr && input_.ConsumeBool()) return;
    const std::uint64_t gone = tree.erase_range({.from = k, .to = to});
    if (model == nullptr) return;
    const auto gone_of_model = std::erase_if(*model, [&](const auto& entry) {
      return entry.first >= k && (to.empty() || entry.first < to);
    });
    if (gone != gone_of_model) std::abort();
  }
  void erase_at_cursor(Tree& tree, const std::string& k, Model* model) {
    Cursor cursor = tree.cursor();
    if (!cursor.seek(k)) return;
    const std::string at = text_of(cursor.key());
    const std::string v = pairs() ? text_of(cursor.value()) : std::string();
    cursor.erase();
    if (model == nullptr) return;
    if (!pairs()) {
      erase_key(*model, at);
    } else if (model->erase({at, v}) != 1) {
      std::abort();
    }
  }
  void walk(Tree& tree, const std::string& k) {
    Cursor cursor = tree.cursor();
    const bool forward = input_.ConsumeBool();
    bool more = forward ? cursor.seek(k) : cursor.seek_last(k);
    for (int i = 0; more && i < kStepsMax; ++i) {
      static_cast<void>(cursor.value_size());
      if (!cursor.value_is_large()) static_cast<void>(text_of(cursor.value()));
      more = forward ? cursor.next() : cursor.previous();
    }
  }
  void look_up(Tree& tree, const std::string& k, const Model* model) {
    const bool there = tree.contains(k);
    std::optional<std::string> first;
    if (there) {
      Cursor cursor = tree.cursor();
      if (!cursor.seek_exact(k)) throw Corrupted("there, and not there");
      first = value_at(cursor);
    }
    if (model == nullptr) return;
    const auto expected = model->lower_bound({k, std::string()});
    const bool expected_there = expected != model->end() && expected->first == k;
    if (there != expected_there || (there && *first != expected->second)) std::abort();
  }

  static std::size_t erase_key(Model& model, const std::string& k) {
    return std::erase_if(model, [&](const auto& entry) { return entry.first == k; });
  }

  World& world_;
  FuzzedDataProvider& input_;
  const bool altered_;
  bool chunks_ = false;  ///< some were seen
};

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::fuzz;
  if (size == 0) return 0;
  FuzzedDataProvider input(data, size);
  const auto how = input.ConsumeIntegral<std::uint8_t>();
  World& world = world_of(static_cast<Kind>(how % 3), how / 3 % 8 == 0);
  const int altered = how / 24 % 4;
  for (int i = 0; i < altered; ++i) alter_page(world, input);
  Player(world, input, altered != 0).play();
  world.restore();
  return 0;
}
