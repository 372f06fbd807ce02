// The real ZAB core under simulated faults: a short run for every build. Long
// runs: zab_sim_main.cc.
#include <algorithm>
#include <iostream>

#include "gtest/gtest.h"
#include "test/sim/zab_run.h"

namespace sillok::sim {
namespace {

TEST(ZabSimulation, KeepsItsPromisesAndReachesEveryCorner) {
  ZabRun run = RunZabSeeds({}, 1, 1500, std::cout);
  EXPECT_FALSE(run.failed) << "seed " << run.failed_seed << ", "
                           << run.failure.invariant << ": "
                           << run.failure.text;
  std::cout << run.reached.ToString() << "\n";
  EXPECT_GT(run.reached.commits, 0u);
  EXPECT_GT(run.reached.writes_lost, 0u);
  EXPECT_GT(run.reached.truncations, 0u);
  EXPECT_GT(run.reached.snapshots, 0u);
  EXPECT_GT(run.reached.rejects, 0u);
  EXPECT_GT(run.reached.broken_promises_refused, 0u);
  EXPECT_GT(run.reached.deposed_leaders, 0u);
  EXPECT_GT(run.reached.barriers_done, 0u);
  EXPECT_GT(run.reached.barriers_failed, 0u);
}

TEST(ZabSimulation, ASingleMemberElectsItselfAndSurvivesCrashes) {
  ZabWorldOptions options;
  options.nodes = 1;
  ZabRun run = RunZabSeeds(options, 1, 100, std::cout);
  EXPECT_FALSE(run.failed) << "seed " << run.failed_seed;
  EXPECT_GT(run.reached.crashes, 0u);
  EXPECT_GT(run.reached.commits, 0u);
}

TEST(ZabSimulation, TheSameSeedGoesTheSameWay) {
  ZabWorldOptions options;
  options.seed = 7;
  ZabResult first = ZabWorld(options).Run();
  ZabResult again = ZabWorld(options).Run();
  EXPECT_EQ(first.trace_hash, again.trace_hash);
  options.seed = 8;
  EXPECT_NE(first.trace_hash, ZabWorld(options).Run().trace_hash);
}

}  // namespace
}  // namespace sillok::sim
