// Judges a history by the zxids its replies carry: they say in which order the
// writes happened and how much of it a read had seen, so nothing is searched.
#ifndef SILLOK_TEST_COORDINATOR_LINEARIZABILITY_CHECKER_H_
#define SILLOK_TEST_COORDINATOR_LINEARIZABILITY_CHECKER_H_

#include <string>
#include <vector>

#include "test/coordinator/linearizability/history.h"

namespace sillok::linearizability {

struct Findings {
  std::vector<std::string> violations;  // the first hundred
  size_t violation_count = 0;
  // How much was there to judge by.
  size_t acknowledged_writes = 0;
  size_t reads = 0;
  size_t unknown = 0;
  // Steps of a replay that only a write of unknown outcome can explain.
  size_t excused = 0;
  size_t keys = 0;
  size_t undecided_keys = 0;  // by the search

  void Add(const std::string& rule, const Operation& operation);
};

// Every rule:
// - a transaction is one write's;
// - a write that was called after another had returned has the larger zxid;
// - the writes of a key, replayed in zxid order, give the answers they got,
//   versions and all;
// - a read shows the key as the replay has it at the zxid of the reply;
// - within a session zxids do not go back, and its writes go up;
// - what a session got no answer to does not happen after what it did later;
// - sync, then read, has seen every write that had returned before the sync;
// - nothing is read that nobody wrote.
// After that each key is searched for an order without looking at zxids.
// A session's operations must be in the history in the order they were called.
Findings Check(const History& history);

}  // namespace sillok::linearizability

#endif  // SILLOK_TEST_COORDINATOR_LINEARIZABILITY_CHECKER_H_
