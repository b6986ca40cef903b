// What to do about the fragment at a position: the decision of recovery as a table.
//
//   fragment at p      what it is                                        no proof      p was durable
//   absent             no segment file holds p                           torn tail     tampered
//   unreadable         no header verifies at p: zeros, an older          torn tail     tampered
//                      generation's body, a torn write, cut short
//   other_generation   a header of another generation                    torn tail     tampered
//   malformed          a header of ours with fields that no writer       tampered      tampered
//                      writes: a crash cannot make one
//   broken_chain       a header of ours that names another predecessor   torn tail     tampered
//   bad_body           the successor's header, but not its body          torn tail     tampered
//   good               header and body verify, in order                  accept        accept
//
// "Torn tail" drops everything from the last commit mark on, whether p lies inside a transaction or
// between two: with nothing dropped, it is simply the journal's end.
//
// Proof that p was durable: some position at or before p that nobody could have lost is claimed by
// a header of this generation that verifies, or by the superblock, as synced before.  Such a claim
// is always the end of a commit (J3).  So it suffices to compare it with the end of the last commit
// that was accepted: a claim beyond that end names a commit that is missing.
//
// Honest reasons for a bad fragment without proof: the crash tore the write of a commit that was
// not acknowledged; commits overlap, so k+1 may have landed without k; fragments of a transaction
// that was abandoned lie at or beyond the end, in this generation but outside of the chain.  Their
// claims were true when they were sealed, and lie before the end: they prove nothing.
#pragma once

#include <cstdint>

#include "platform/mutation.hpp"

namespace coffer::journal {

enum class Fragment : std::uint8_t {
  absent,
  unreadable,
  other_generation,
  malformed,
  broken_chain,
  bad_body,
  good,
};

enum class Proof : std::uint8_t {
  none,
  later_header,
  superblock,
};

enum class Place : std::uint8_t {
  between,  ///< p follows a commit mark, or is where the journal begins
  inside,   ///< p follows a fragment without a commit mark
};

struct Evidence {
  Fragment fragment{};
  Proof proof{};
  Place place{};
};

enum class Verdict : std::uint8_t {
  accept,
  torn_tail,  ///< the history ends with the last commit mark before p
  tampered,   ///< refuse: damage or tampering, and nothing is dropped quietly
};

[[nodiscard]] constexpr Verdict decide(const Evidence& evidence) {
  if (evidence.fragment == Fragment::good) return Verdict::accept;
  if (evidence.fragment == Fragment::malformed) return Verdict::tampered;
  if (planted(Mutation::ignore_proof)) return Verdict::torn_tail;
  return evidence.proof == Proof::none ? Verdict::torn_tail : Verdict::tampered;
}

}  // namespace coffer::journal
