// Finds the znodes whose time is over: containers that have lost their last
// child, and TTL znodes that nobody has changed for long enough. Pure: time is
// an argument.
#ifndef SILLOK_COORDINATOR_TREE_REAPER_H_
#define SILLOK_COORDINATOR_TREE_REAPER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/tree/znode_tree.h"

namespace sillok {

struct ReaperOptions {
  // Each znode is looked at about once in this time
  // (znode.container.checkIntervalMs).
  int64_t check_interval_ms = 60'000;
  int64_t max_per_minute = 10'000;  // znode.container.maxPerMinute
  // A container that never had a child goes after this; 0 = never
  // (znode.container.maxNeverUsedIntervalMs).
  int64_t max_never_used_ms = 300'000;
};

// Lives on the leader. Looks at a slice of the tree's containers and TTL znodes
// at each call, so that a million of them do not stop the loop.
class Reaper {
 public:
  explicit Reaper(const ReaperOptions& options) : options_(options) {}

  // A new term.
  void Start(int64_t monotonic_ms);
  // Paths whose time is over at `wall_ms`, as the tree stands. The caller deletes
  // them as far as nothing pending speaks against it.
  std::vector<std::string> Due(const ZnodeTree& tree, int64_t monotonic_ms,
                               int64_t wall_ms);

 private:
  const ReaperOptions options_;
  int64_t last_ms_ = 0;
  double steps_ = 0;      // how many znodes may be looked at
  double allowance_ = 0;  // how many may be deleted
  size_t cursor_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_REAPER_H_
