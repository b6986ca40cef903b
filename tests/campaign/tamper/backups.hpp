// Small backups of each kind on a simulated machine, and what a verification says of them.
#pragma once

#include <string>
#include <vector>

#include "tests/campaign/tamper/world.hpp"

namespace coffer::campaign::tamper {

/// One kind of backup: a chain, of which the last link is what is attacked.
struct Chain {
  std::string kind;
  std::vector<platform::Path> files;
  [[nodiscard]] const platform::Path& last() const { return files.back(); }
};

/// A store with a few entries and a large value; a snapshot, a logical backup (and a compressed one), a change, and an
/// increment of each of the three.  Values follow from `contents_seed`, everything else from the machine.
class BackedUp {
 public:
  BackedUp(platform::Platform& platform, const Key& key, std::uint64_t contents_seed,
           const std::string& directory);
  [[nodiscard]] const std::vector<Chain>& chains() const { return chains_; }

 private:
  std::vector<Chain> chains_;
};

/// What verifying a chain says: the type of the error, or nothing.  What a logical backup's records give away before
/// an error is compared with what they are: "false record" when it is something else.
class Verifier {
 public:
  Verifier(platform::Platform& platform, const Key& key) : platform_(platform), key_(key) {}
  [[nodiscard]] std::string said_of(const std::vector<platform::Path>& files);
  /// Of the genuine chain, when its records are to be compared.
  void learn(const std::vector<platform::Path>& files);

 private:
  std::string verify(const std::vector<platform::Path>& files, bool learning);
  platform::Platform& platform_;
  const Key& key_;
  std::string records_;  ///< of the chain that was learnt
};

/// Whether that is how altered bytes may be refused.  An edited label can also say that the file is of another kind,
/// chain, store or version.
[[nodiscard]] bool refused_as_damage(const std::string& said);

}  // namespace coffer::campaign::tamper
