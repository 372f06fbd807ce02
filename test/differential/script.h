// A script: what several sessions do, one step after the other, on any server
// that speaks ZooKeeper's protocol.
#ifndef SILLOK_TEST_DIFFERENTIAL_SCRIPT_H_
#define SILLOK_TEST_DIFFERENTIAL_SCRIPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "test/support/zookeeper/wire.h"

namespace sillok::differential {

inline constexpr int kSessions = 3;

// Paths that begin with '~' are below the subtree the script gets for itself.
struct Step {
  enum class Kind {
    kRequests,  // all sent at once; the session is opened if it is not
    kReattach,  // the connection is dropped, another takes the session up
    kClose,     // the session is closed; the next step opens another
  };
  Kind kind = Kind::kRequests;
  int session = 0;
  std::vector<zk::Op> ops;
};
using Script = std::vector<Step>;

// What setWatches calls "since": the script cannot know zxids.
inline constexpr int64_t kSinceEver = 0;
inline constexpr int64_t kSinceLastSeen = 1;
inline constexpr int64_t kSinceNow = 2;

std::string Describe(const Step& step);
std::string Describe(const Script& script);
size_t CountOps(const Script& script);
// Whether others may see something of it.
bool Changes(const zk::Op& op);

// The same script for the same seed, for ever.
Script GenerateScript(uint64_t seed, int steps);

}  // namespace sillok::differential

#endif  // SILLOK_TEST_DIFFERENTIAL_SCRIPT_H_
