// What the engine's tests share: a key, small options, a model that follows random transactions, and a
// digest of it.
#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include <coffer/error.hpp>

#include "platform/simulated/simulated.hpp"
#include "tests/support/full_run.hpp"
#include "tests/support/page_model.hpp"
#include "txn/engine.hpp"

namespace coffer::test {

inline Key txn_key() {
  std::array<std::byte, 32> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::byte>(i * 7 + 1);
  return Key::from_bytes(raw);
}

inline Options small_options() {
  Options options;
  options.background_checkpoints = false;
  options.locked_bytes_max = 1024 * 1024;
  options.checkpoint_journal_bytes = 256 * 1024;
  options.write_buffer_bytes_max = 512 * 1024;
  return options;
}

/// Fails the test at the first difference.
inline void compare(txn::PageSource& view, const PageModel& model) {
  for (const auto& [id, content] : model) {
    if (!(content_of(view.pin(id)) == content)) FAIL("page " << id.value << " differs");
  }
}

/// One random transaction's changes; `model` follows.
inline void change_some(txn::WriteView& view, PageModel& model, std::mt19937_64& rng, int changes) {
  for (int i = 0; i < changes; ++i) {
    const auto pick = [&] {
      auto it = model.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(rng() % model.size()));
      return it;
    };
    const auto what = static_cast<unsigned>(rng() % 10);
    if (model.empty() || what < 3) {
      txn::MutablePage page = view.allocate();
      if (model.contains(page.id())) FAIL("page " << page.id().value << " was handed out twice");
      txn::PageHeader h = page.header();
      h.type = 1;
      page.set_header(h);
      model[page.id()] = scribble(page, rng);
    } else if (what < 9) {
      const auto it = pick();
      txn::MutablePage page = view.modify(it->first);
      it->second = scribble(page, rng);
    } else {
      const auto it = pick();
      view.free(it->first);
      model.erase(it);
    }
  }
}

/// Fills a page to its end at random: logged whole it takes a page's room, and no change of it is small.
inline PageContent fill_page(txn::MutablePage& page, std::mt19937_64& rng) {
  const std::size_t size = page.bytes().size();
  txn::PageHeader header = page.header();
  header.type = 1;
  header.gap_begin = header.gap_end = static_cast<std::uint16_t>(size);
  page.set_header(header);
  for (std::byte& b : page.write(16, size - 16)) b = static_cast<std::byte>(rng());
  PageContent content{header.gap_begin, header.gap_end, {}, {}};
  content.front.assign(page.bytes().begin() + 16, page.bytes().end());
  return content;
}

/// Changes a few bytes of a page that fill_page filled, so that the journal gets the change and not the page.
inline void touch_page(txn::MutablePage& page, PageContent& content, std::mt19937_64& rng) {
  for (std::byte& b : page.write(100, 8)) b = static_cast<std::byte>(rng());
  std::copy(page.bytes().begin() + 100, page.bytes().begin() + 108, content.front.begin() + 84);
}

/// `count` new pages, filled.
inline void add_pages(txn::WriteView& view, PageModel& model, std::mt19937_64& rng, int count) {
  for (int i = 0; i < count; ++i) {
    txn::MutablePage page = view.allocate();
    if (model.contains(page.id())) FAIL("page " << page.id().value << " was handed out twice");
    model[page.id()] = fill_page(page, rng);
  }
}

/// `count` new pages of random content that are written past the frames; now and then a number is taken and left.
inline void add_batch(txn::WriteView& view, PageModel& model, std::mt19937_64& rng, int count) {
  const std::size_t size = view.content_bytes();
  std::vector<PageId> ids;
  std::vector<std::byte> contents;
  for (int i = 0; i < count; ++i) {
    if (rng() % 8 == 0) static_cast<void>(view.new_page_number());
    const PageId id = view.new_page_number();
    if (model.contains(id)) FAIL("page " << id.value << " was handed out twice");
    const auto gap_begin = static_cast<std::uint16_t>(16 + rng() % (size - 16));
    const txn::PageHeader header{
        .gap_begin = gap_begin,
        .gap_end = static_cast<std::uint16_t>(gap_begin + rng() % (size - gap_begin + 1)),
        .type = 1,
        .level = 0,
        .count = 0,
        .version = 0};
    std::vector<std::byte> page(size);
    for (std::byte& b : page) b = static_cast<std::byte>(rng());
    std::memcpy(page.data(), &header, sizeof header);
    model[id] = content_of(page);
    ids.push_back(id);
    contents.insert(contents.end(), page.begin(), page.end());
  }
  const auto writer = view.batch_writer();
  writer->write(ids, contents);
  view.add(*writer);
}

/// The same of what is read past the frames, as many pages at a time as comes to mind.
inline void compare_in_batches(const txn::ReadView& view, const PageModel& model,
                               std::mt19937_64& rng) {
  txn::BatchReader reader = view.batch_reader();
  const std::size_t size = view.content_bytes();
  std::vector<std::byte> out;
  for (auto page = model.begin(); page != model.end();) {
    std::vector<PageId> ids;
    const auto first = page;
    for (std::uint64_t n = 1 + rng() % 20; n > 0 && page != model.end(); --n, ++page) {
      ids.push_back(page->first);
    }
    out.resize(ids.size() * size);
    reader.read(ids, out);
    auto expected = first;
    for (std::size_t i = 0; i < ids.size(); ++i, ++expected) {
      if (!(content_of(std::span(out).subspan(i * size, size)) == expected->second)) {
        FAIL("page " << ids[i].value << " differs");
      }
    }
  }
}

/// A process that is killed: from the moment on that `when` (asked before each call) says so, nothing that it
/// asks of the machine is done.  What it had done stays, in the operating system's memory if not on the disk.
class Kill {
 public:
  using When = std::function<bool(const std::string& operation, const platform::Path& path)>;
  Kill(platform::SimulatedPlatform& machine, When when)
      : machine_(machine), when_(std::move(when)) {
    machine_.set_fault(
        [this](const char* operation, const platform::Path& path, std::uint64_t, std::uint64_t) {
          killed_ = killed_ || when_(operation, path);
          if (killed_) throw IoError("killed", operation, path, 5);
        });
  }
  ~Kill() { machine_.set_fault({}); }
  Kill(const Kill&) = delete;
  Kill& operator=(const Kill&) = delete;
  [[nodiscard]] bool happened() const { return killed_; }

 private:
  platform::SimulatedPlatform& machine_;
  When when_;
  bool killed_ = false;
};

/// Closes nothing: the process is killed now, and the engine's memory is given back.
inline void kill_now(platform::SimulatedPlatform& machine, std::unique_ptr<txn::Engine>& engine) {
  const Kill kill(machine, [](const std::string&, const platform::Path&) { return true; });
  engine.reset();
}

/// Chunks of large values, as a model: reference -> content.
struct ChunkModel {
  struct Chunk {
    txn::ChunkRef ref;
    std::uint64_t value_id = 0;
    CommitNumber born{};
    std::vector<std::byte> content;
  };
  std::map<std::uint64_t, Chunk> chunks;  // by value id
};

inline void change_chunks(txn::WriteView& view, ChunkModel& model, std::mt19937_64& rng) {
  if (!model.chunks.empty() && rng() % 2 == 0) {
    const auto it = model.chunks.begin();
    view.free_chunk(it->second.ref, it->second.born);
    model.chunks.erase(it);
    return;
  }
  ChunkModel::Chunk chunk;
  chunk.value_id = view.new_value_id();
  chunk.born = view.commit_number();
  chunk.content.resize(1 + rng() % 20'000);
  for (std::byte& b : chunk.content) b = static_cast<std::byte>(rng());
  chunk.ref = view.write_chunk(chunk.value_id, 0, chunk.content);
  model.chunks.emplace(chunk.value_id, std::move(chunk));
}

inline void compare(txn::PageSource& view, const ChunkModel& model) {
  std::vector<std::byte> out;
  for (const auto& [id, chunk] : model.chunks) {
    out.resize(chunk.content.size());
    view.read_chunk(id, 0, chunk.ref, out);
    if (out != chunk.content) FAIL("chunk of value " << id << " differs");
  }
}

/// Structure below the trees, with the model in the trees' place.
inline void check_structure(txn::Engine& engine, const PageModel& pages, const ChunkModel& chunks,
                            std::uint32_t page_size = 4096) {
  CheckReport report;
  engine.check(report, [&](txn::PageSource&, const txn::Engine::References& references) {
    for (const auto& [id, content] : pages) references.page(id);
    for (const auto& [id, chunk] : chunks.chunks) references.run(txn::run_of(chunk.ref, page_size));
  });
}

}  // namespace coffer::test
