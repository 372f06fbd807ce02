// Every schedule of a small ensemble: not a sample, all of them.
#ifndef SILLOK_TEST_SIM_SMALL_SCOPE_H_
#define SILLOK_TEST_SIM_SMALL_SCOPE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "coordinator/zab/options.h"

namespace sillok::sim {

struct SmallScopeResult;

struct SmallScopeOptions {
  int members = 3;
  int transactions = 2;
  int crashes = 2;
  // Gives up beyond this many states.
  uint64_t max_states = ~uint64_t{0};
  zab::ZabFaults faults;
  // Now and then.
  std::function<void(const SmallScopeResult&)> progress;

  // To check what keeps the number of states small, see below. Takes steps in all
  // orders, also where the order makes no difference.
  bool all_orders = false;
  // Of those states that are taken for one another (of one in so many; 0: none)
  // sees whether all that can happen leads to equal states, too.
  uint64_t compare_every = 0;
};

struct SmallScopeResult {
  // Empty if no schedule breaks a promise.
  std::string invariant;
  std::string text;
  std::vector<std::string> schedule;  // that broke it, a step each
  bool exhausted = false;  // all states were seen
  uint64_t states = 0;
  uint64_t settled = 0;  // of these, see below
  uint64_t steps = 0;    // taken from them
  uint64_t ends = 0;     // states from which nothing more can happen
  uint64_t ends_digest = 0;  // which they are
  uint64_t waits = 0;    // for one who is down, without end if it stays so
  uint64_t compared = 0;  // different states that are taken for one
  size_t deepest = 0;    // steps of the longest schedule
  uint64_t restarts = 0;
  uint64_t truncations = 0;
  uint64_t epochs = 0;  // the highest led
};

// Begins with an ensemble that has elected a leader. Then the next thing may be:
// the oldest message of any link arrives; the oldest write of any member gets
// durable; a member crashes, with any number of the writes under way on its disk
// (what it has sent arrives); one starts again; the leader proposes; and, when
// nothing is under way, a tick of everybody's time passes. Depth first; a state
// that was seen before is not gone into again.
//
// What is left out: votes and answers to heartbeats arrive at once, in one order
// (votes are but hints, which discovery checks). Time does not pass while
// something is under way. A crash shows to the others as the end of its link.
//
// What is checked: one leader per epoch; all deliver one sequence; what was
// delivered is on the disks of a majority; no core stops; from nowhere can it go
// on for ever without those who are up (if they are a majority) serving and
// agreeing: neither by itself nor as time passes.
//
// Two things keep the number of states small, and take nothing away.
//
// States are the same if the same can follow. So numbers do not count that will
// not be read before they are set anew (see the Fingerprint of the core), nor who
// led an epoch that nobody can lead any more. An ensemble is settled when nobody
// may crash any more, one member has the lead of the highest epoch, with the
// promises or the members it needs for it, nobody has more history than it, and
// all who are up follow it. No election will come then (each step from a settled
// state is seen to end in one), so nothing counts that only elections read, and
// of epochs only their order.
//
// In a settled ensemble a follower that has something of its leader on its way is
// taken to its next states alone; all others come later, in the same ways.
// A schedule that is left out differs from one that is taken only in the order of
// things that neither see nor hinder one another. (Nor is a promise seen broken in
// one order alone: who has delivered what is the same, and a write that is under
// way when nobody crashes any more will be there.)
SmallScopeResult ExploreSmallScope(const SmallScopeOptions& options);

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_SMALL_SCOPE_H_
