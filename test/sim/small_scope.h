// Every schedule of a small ensemble: not a sample, all of them.
#ifndef SILLOK_TEST_SIM_SMALL_SCOPE_H_
#define SILLOK_TEST_SIM_SMALL_SCOPE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/zab/options.h"

namespace sillok::sim {

struct SmallScopeOptions {
  int members = 3;
  int transactions = 2;
  int crashes = 2;
  // Rounds of ticks in one schedule, taken only when nothing else can happen.
  int ticks = 24;
  // While a member's disk is busy nobody else moves, see below.
  bool prompt_disks = false;
  // Gives up beyond this many states.
  uint64_t max_states = ~uint64_t{0};
  zab::ZabFaults faults;
};

struct SmallScopeResult {
  // Empty if no schedule breaks a promise.
  std::string invariant;
  std::string text;
  std::vector<std::string> schedule;  // that broke it, a step each
  bool exhausted = false;  // all states were seen
  uint64_t states = 0;
  uint64_t steps = 0;   // taken from them
  uint64_t ends = 0;    // states from which nothing more can happen
  uint64_t unfinished = 0;  // of these: the ticks ran out before all agreed
  size_t deepest = 0;   // steps of the longest schedule
  uint64_t restarts = 0;
  uint64_t truncations = 0;
  uint64_t epochs = 0;  // the highest led
};

// Begins with an ensemble that has elected a leader. Then the next thing may be:
// the oldest message of any link arrives; the oldest write of any member gets
// durable; a member crashes, with any number of the writes under way on its disk
// (what it has sent arrives); one starts again; the leader proposes. Depth
// first; a state that was seen before is not gone into again.
//
// Two things are done at once and in one order, to keep the number of schedules
// finite in practice: votes (they are but hints, which discovery checks) and
// answers to heartbeats. A crash shows to the others as the end of its link.
//
// With `prompt_disks` a member whose disk is busy is the only one that moves: it
// takes what is on its way to it already, its write gets durable, or it crashes
// and loses it. What others do meanwhile neither needs nor disturbs any of these,
// so it may as well come later; what is left out are schedules in which a member
// hears, with a write still under way, of something that others did after it was
// issued. It is a bound, then, and no mere reordering.
SmallScopeResult ExploreSmallScope(const SmallScopeOptions& options);

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_SMALL_SCOPE_H_
