// A dump of three databases, and what a store shows of them.
#pragma once

#include <catch2/catch.hpp>
#include <string>

#include "tests/tools/store_fixture.hpp"

namespace coffer::tools::test {

// Three databases, as mdb_dump -a writes them, by hand: `counts` has the integer keys 2 and 256 as
// LMDB keeps them, `pairs` two values of a key.
inline const std::string kCounts =
    "VERSION=3\nformat=bytevalue\ndatabase=counts\ntype=btree\nmapsize=1048576\nintegerkey=1\n"
    "HEADER=END\n 0200000000000000\n 74776f\n 0001000000000000\n 323536\nDATA=END\n";
inline const std::string kNames =
    "VERSION=3\nformat=bytevalue\ndatabase=names\ntype=btree\nmapsize=1048576\nHEADER=END\n"
    " 61\n 31\n 62\n 32\n 63\n 33\nDATA=END\n";
inline const std::string kPairs =
    "VERSION=3\nformat=bytevalue\ndatabase=pairs\ntype=btree\nmapsize=1048576\nduplicates=1\n"
    "dupsort=1\nHEADER=END\n 6b\n 31\n 6b\n 32\nDATA=END\n";
inline const std::string kThree = kCounts + kNames + kPairs;

// What a store with those three trees says of itself.
inline void check_three(const StoreFixture& fixture) {
  CHECK(fixture.must({"trees", fixture.store()}) ==
        "counts\tinteger-keys\nnames\npairs\tmulti-value\n");
  CHECK(fixture.must({"get", fixture.store(), "counts", "2", "--integer"}) == "two");
  CHECK(fixture.must({"get", fixture.store(), "counts", "256", "--integer"}) == "256");
  CHECK(fixture.must({"scan", fixture.store(), "names"}) == "a\t1\nb\t2\nc\t3\n");
  CHECK(fixture.must({"scan", fixture.store(), "pairs"}) == "k\t1\nk\t2\n");
}

}  // namespace coffer::tools::test
