#include "tools/text_form.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "tools/exit_code.hpp"

namespace coffer::tools {
namespace {

Bytes decoded(SecretArgument& argument, const char* text, KeyForm form) {
  argument.text = text;
  return argument.decode(form);
}

}  // namespace

TEST_CASE("Well-formed UTF-8 is printable, in every length") {
  CHECK(is_printable(""));
  CHECK(is_printable("plain words"));
  CHECK(is_printable("\xc3\xa9"));          // U+00E9
  CHECK(is_printable("\xe2\x82\xac"));      // U+20AC
  CHECK(is_printable("\xf0\x9f\x94\x92"));  // U+1F512
  CHECK(is_printable("\xf4\x8f\xbf\xbf"));  // U+10FFFF
}

TEST_CASE("Ill-formed UTF-8 is not printable") {
  // The kinds of error that the Unicode standard's table 3-7 rules out.
  CHECK_FALSE(is_printable("\x80"));              // a continuation on its own
  CHECK_FALSE(is_printable("\xc0\xaf"));          // overlong, two bytes
  CHECK_FALSE(is_printable("\xe0\x80\xaf"));      // overlong, three bytes
  CHECK_FALSE(is_printable("\xf0\x80\x80\xaf"));  // overlong, four bytes
  CHECK_FALSE(is_printable("\xed\xa0\x80"));      // a surrogate
  CHECK_FALSE(is_printable("\xf4\x90\x80\x80"));  // past U+10FFFF
  CHECK_FALSE(is_printable("\xff"));
  CHECK_FALSE(is_printable("\xe2\x82"));  // cut short
  CHECK_FALSE(is_printable("a\xe2\x82(b"));
}

TEST_CASE("What plays tricks on a terminal is not printable") {
  CHECK_FALSE(is_printable("\x1b[31m"));
  CHECK_FALSE(is_printable("two\nlines"));
  CHECK_FALSE(is_printable("a\tb"));
  CHECK_FALSE(is_printable("\x7f"));
  CHECK_FALSE(is_printable("\xc2\x9b"));      // U+009B, a control sequence's beginning
  CHECK_FALSE(is_printable("\xe2\x80\xae"));  // U+202E, right-to-left override
  CHECK_FALSE(is_printable(Bytes(std::string_view("\0", 1))));
}

TEST_CASE("Text that looks like marked digits is shown in digits itself") {
  CHECK(shown_as_text("hexagon"));
  CHECK_FALSE(shown_as_text("hex:00"));
}

TEST_CASE("A hexadecimal argument becomes its bytes") {
  SecretArgument argument;
  CHECK(equal(decoded(argument, "00ffA5", KeyForm::hex), std::string_view("\x00\xff\xa5", 3)));
  CHECK(equal(decoded(argument, "", KeyForm::hex), ""));
  CHECK_THROWS_AS(decoded(argument, "0", KeyForm::hex), UsageError);
  CHECK_THROWS_AS(decoded(argument, "0g", KeyForm::hex), UsageError);
}

TEST_CASE("An integer argument becomes eight big-endian bytes") {
  SecretArgument argument;
  CHECK(equal(decoded(argument, "258", KeyForm::integer),
              std::string_view("\0\0\0\0\0\0\x01\x02", 8)));
  CHECK(equal(decoded(argument, "18446744073709551615", KeyForm::integer),
              "\xff\xff\xff\xff\xff\xff\xff\xff"));
  for (const char* wrong : {"", "-1", "1x", "18446744073709551616", " 1"}) {
    CHECK_THROWS_AS(decoded(argument, wrong, KeyForm::integer), UsageError);
  }
}

TEST_CASE("An argument's complaint does not repeat the argument") {
  SecretArgument argument;
  try {
    (void)decoded(argument, "s3cr3tkey", KeyForm::hex);
    FAIL("an odd number of letters was taken for digits");
  } catch (const UsageError& error) {
    CHECK(std::string(error.what()).find("s3cr3tkey") == std::string::npos);
  }
}

}  // namespace coffer::tools
