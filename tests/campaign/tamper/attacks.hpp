// The structured attacks on a store's files: what somebody does who knows the format, has copies of every moment, of a
// clone and of other stores, and has no key.
//
// Each attack says what may be heard of it.  Whatever that is, what is read before an error is the truth.
#pragma once

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/campaign/tamper/world.hpp"

namespace coffer::campaign::tamper {

/// What the attacks are made from.
struct Loot {
  Key key = key_of(9);
  std::vector<Moment> own;     ///< of the store under attack
  std::vector<Moment> clone;   ///< of a copy of own[kCloned] that went another way
  std::vector<Moment> family;  ///< own, and then the clone's
  std::vector<Moment> other;   ///< of another store under the same key
  std::vector<Moment> plain;   ///< of an unencrypted store
  /// Of a copy that was restored from a snapshot: under a renewed key header.
  std::vector<Moment> renewed;
  /// A transaction of many fragments: what its first attempt, which was given up half way, left in the files, ...
  Files first_attempt;
  /// ... and the moments before it and after the second one.
  std::vector<Moment> attempts;
  static constexpr std::size_t kCloned = 20;
};
/// Everything in it follows from the seed.
[[nodiscard]] Loot gather(std::uint64_t seed);

/// What may be heard of an attack.
enum class Must {
  refuse,               ///< an error
  refuse_as_tampered,   ///< Tampered, and nothing else
  show_latest,          ///< as if nothing had happened
  tampered_or_latest,   ///< it may not have hit anything
  refuse_or_latest,     ///< likewise, with any error
  refuse_or_any_moment  ///< or an older whole state, which needs an anchor to be told
};

struct Attacked {
  Files files;
  Must must = Must::refuse;
  const std::vector<Moment>* moments = nullptr;  ///< whose truth it is
  std::size_t now = 0;                           ///< the moment that was attacked
};

struct Attack {
  std::string_view name;
  Attacked (*make)(const Loot&, std::mt19937_64&);
};
[[nodiscard]] const std::vector<Attack>& attacks();

/// What is wrong with what was heard; empty: nothing.
[[nodiscard]] std::string verdict(const Attacked& attacked, const Heard& heard);

}  // namespace coffer::campaign::tamper
