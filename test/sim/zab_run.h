// Runs of the ZAB simulation over seeds, with a readable account of a failure.
#ifndef SILLOK_TEST_SIM_ZAB_RUN_H_
#define SILLOK_TEST_SIM_ZAB_RUN_H_

#include <cstddef>
#include <cstdint>
#include <ostream>

#include "test/sim/zab_world.h"

namespace sillok::sim {

struct ZabRun {
  uint64_t seeds = 0;
  bool failed = false;
  uint64_t failed_seed = 0;
  ZabResult failure;
  ZabReached reached;
};

// Seeds `first` to `first + seeds - 1`, up to the first that fails, which is
// replayed to `out`. Every hundredth is run twice and must come out the same.
ZabRun RunZabSeeds(ZabWorldOptions options, uint64_t first, uint64_t seeds,
                   std::ostream& out);

// One seed; prints what broke and the last `lines` of what happened before.
ZabResult ReplayZab(ZabWorldOptions options, size_t lines, std::ostream& out);

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_ZAB_RUN_H_
