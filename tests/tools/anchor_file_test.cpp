#include "tools/anchor_file.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace coffer::tools {
namespace {

// Written by hand from the format's description.
const std::string kText =
    "coffer-anchor 1\n"
    "instance 000102030405060708090a0b0c0d0e0f\n"
    "commit 1234567890123\n"
    "history fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0\n";

Anchor by_hand() {
  Anchor anchor;
  for (std::size_t i = 0; i < 16; ++i) anchor.instance[i] = static_cast<std::byte>(i);
  anchor.commit = 1'234'567'890'123;
  for (std::size_t i = 0; i < 32; ++i) anchor.history[i] = static_cast<std::byte>(255 - i);
  return anchor;
}

std::string with(std::string text, const std::string& old, const std::string& replacement) {
  return text.replace(text.find(old), old.size(), replacement);
}

}  // namespace

TEST_CASE("An anchor is written in the documented form and read from it") {
  CHECK(format_anchor(by_hand()) == kText);
  CHECK(parse_anchor(kText) == by_hand());
}

TEST_CASE("What is not an anchor is refused") {
  CHECK_THROWS_AS(parse_anchor(""), UsageError);
  CHECK_THROWS_AS(parse_anchor(kText + "more\n"), UsageError);
  CHECK_THROWS_AS(parse_anchor(kText.substr(0, kText.size() - 1)), UsageError);
  CHECK_THROWS_AS(parse_anchor(with(kText, "anchor 1", "anchor 2")), UsageError);
  CHECK_THROWS_AS(parse_anchor(with(kText, "commit 1", "commit -1")), UsageError);
  CHECK_THROWS_AS(parse_anchor(with(kText, "commit 1234567890123", "commit ")), UsageError);
  CHECK_THROWS_AS(parse_anchor(with(kText, "instance 00", "instance 0")), UsageError);
  CHECK_THROWS_AS(parse_anchor(with(kText, "history ff", "history fg")), UsageError);
  CHECK_THROWS_AS(parse_anchor(with(kText, "instance", "instant")), UsageError);
}

TEST_CASE("A missing anchor file is an error unless it is to be made") {
  GlobalOptions options;
  CHECK_FALSE(anchor_to_require(options).has_value());
  options.anchor_file = "/nonexistent/anchor";
  CHECK_THROWS_AS(anchor_to_require(options), UsageError);
  options.update_anchor = true;
  CHECK_FALSE(anchor_to_require(options).has_value());
  options.anchor_file.clear();
  CHECK_THROWS_AS(anchor_to_require(options), UsageError);
}

}  // namespace coffer::tools
