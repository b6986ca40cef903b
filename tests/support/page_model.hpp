// A model of logical pages, to compare an engine with: page number -> content of the used bytes.
//
// The pages have the layout of the contract in txn/pages.hpp (a header, bytes before the gap, bytes behind
// it) and carry nothing else than random bytes, so that whatever the engine loses or mixes up shows.
#pragma once

#include <cstring>
#include <map>
#include <random>
#include <span>
#include <vector>

#include "txn/pages.hpp"

namespace coffer::test {

struct PageContent {
  std::uint16_t gap_begin = 0;
  std::uint16_t gap_end = 0;
  std::vector<std::byte> front;  // [16, gap_begin)
  std::vector<std::byte> back;   // [gap_end, content_bytes)
  friend bool operator==(const PageContent&, const PageContent&) = default;
};

using PageModel = std::map<PageId, PageContent>;

inline PageContent content_of(std::span<const std::byte> bytes) {
  txn::PageHeader h;
  std::memcpy(&h, bytes.data(), sizeof h);
  PageContent c;
  c.gap_begin = h.gap_begin;
  c.gap_end = h.gap_end;
  c.front.assign(bytes.begin() + 16, bytes.begin() + h.gap_begin);
  c.back.assign(bytes.begin() + h.gap_end, bytes.end());
  return c;
}

inline PageContent content_of(const txn::PagePin& pin) {
  return content_of(pin.bytes());
}

/// Changes a page at random: a few bytes, the ends of the gap, or all of it; returns what it now holds.
inline PageContent scribble(txn::MutablePage& page, std::mt19937_64& rng) {
  const std::size_t size = page.bytes().size();
  txn::PageHeader h = page.header();
  const auto fill = [&](std::size_t offset, std::size_t length) {
    for (std::byte& b : page.write(offset, length)) b = static_cast<std::byte>(rng());
  };
  switch (rng() % 4) {
    case 0: {  // everything anew
      h.gap_begin = static_cast<std::uint16_t>(16 + rng() % (size - 16));
      h.gap_end = static_cast<std::uint16_t>(h.gap_begin + rng() % (size - h.gap_begin + 1));
      page.set_header(h);
      fill(16, h.gap_begin - 16u);
      fill(h.gap_end, size - h.gap_end);
      break;
    }
    case 1: {  // grow into the gap from both sides
      const std::size_t gap = h.gap_end - h.gap_begin;
      const std::size_t front = std::min<std::size_t>(gap / 2, rng() % 200);
      const std::size_t back = std::min<std::size_t>(gap / 2, rng() % 200);
      fill(h.gap_begin, front);
      fill(h.gap_end - back, back);
      h.gap_begin = static_cast<std::uint16_t>(h.gap_begin + front);
      h.gap_end = static_cast<std::uint16_t>(h.gap_end - back);
      page.set_header(h);
      break;
    }
    case 2: {  // shrink
      h.gap_begin = static_cast<std::uint16_t>(16 + (h.gap_begin - 16u) / 2);
      page.set_header(h);
      break;
    }
    default: {  // a few bytes in place
      if (h.gap_begin > 16u) fill(16 + rng() % (h.gap_begin - 16u), 1);
      if (h.gap_end < size) fill(h.gap_end + rng() % (size - h.gap_end), 1);
      break;
    }
  }
  // Read back through the same handle.
  PageContent c;
  h = page.header();
  c.gap_begin = h.gap_begin;
  c.gap_end = h.gap_end;
  const auto bytes = page.bytes();
  c.front.assign(bytes.begin() + 16, bytes.begin() + h.gap_begin);
  c.back.assign(bytes.begin() + h.gap_end, bytes.end());
  return c;
}

}  // namespace coffer::test
