// Internal to member_world*.cc.
#ifndef SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_
#define SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_

#include <cstdint>
#include <sstream>
#include <string>

#include "test/sim/member_world.h"

namespace sillok::sim {

// Kinds of random choices; those of the network follow from 100.
enum Choice : uint64_t {
  kSwarm = 1, kWhen, kHow, kSyncTime, kLazy, kAfterPersist, kSurvives,
  kPauseTime, kDownTime, kSnapshotTime, kSeed, kSkew, kLinkTime, kBreakTime,
  kClient, kStreamTime, kLoadTime, kNetwork = 100,
};

constexpr int64_t kSecond = 1000000;

template <typename... Parts>
void MemberWorld::Trace(const Parts&... parts) {
  if (!options_.trace) return;
  std::ostringstream out;
  int64_t ms = events_.now() / 1000;
  out << ms / 1000 << '.' << std::to_string(1000 + ms % 1000).substr(1) << ' ';
  (out << ... << parts);
  options_.trace(out.str());
}

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_
