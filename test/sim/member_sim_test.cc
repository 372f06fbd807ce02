// Whole members under simulated faults, with their clients: a short run for every
// build. Long runs: member_sim_main.cc.
#include <iostream>

#include "gtest/gtest.h"
#include "test/sim/member_world.h"
#include "test/sim/seed_runs.h"

namespace sillok::sim {
namespace {

TEST(MemberSimulation, KeepsItsPromisesAndReachesEveryCorner) {
  auto run = RunSeeds<MemberWorld>(MemberWorldOptions(), 1, 1000, std::cout);
  EXPECT_FALSE(run.failed) << "seed " << run.failed_seed << ", "
                           << run.failure.invariant << ": "
                           << run.failure.text;
  std::cout << run.virtual_hours << " virtual hours, "
            << run.reached.ToString() << "\n";
  const MemberReached& reached = run.reached;
  EXPECT_GT(reached.commits, 0u);
  EXPECT_GT(reached.crashes, 0u);
  EXPECT_GT(reached.truncations, 0u);
  EXPECT_GT(reached.snapshots, 0u);
  EXPECT_GT(reached.transfers, 0u);
  EXPECT_GT(reached.link_resets, 0u);
  EXPECT_GT(reached.digests_compared, 0u);
  EXPECT_GT(reached.reconfigurations, 0u);
  EXPECT_GT(reached.removed, 0u);
  EXPECT_GT(reached.starts_refused, 0u);
  EXPECT_GT(reached.joined, 0u);
  EXPECT_GT(reached.wiped, 0u);
  EXPECT_GT(reached.clients.acknowledged, 0u);
  EXPECT_GT(reached.clients.refused, 0u);
  EXPECT_GT(reached.clients.unknown, 0u);
  EXPECT_GT(reached.clients.reads, 0u);
  EXPECT_GT(reached.clients.syncs, 0u);
  EXPECT_GT(reached.clients.events, 0u);
  EXPECT_GT(reached.clients.reattached, 0u);
  EXPECT_GT(reached.clients.expired, 0u);
  EXPECT_GT(reached.clients.reconfigured, 0u);
  EXPECT_GT(reached.clients.reconfigs_refused, 0u);
}

TEST(MemberSimulation, TheSameSeedGoesTheSameWay) {
  MemberWorldOptions options;
  options.seed = 7;
  MemberResult first = MemberWorld(options).Run();
  EXPECT_EQ(first.trace_hash, MemberWorld(options).Run().trace_hash);
  options.seed = 8;
  EXPECT_NE(first.trace_hash, MemberWorld(options).Run().trace_hash);
}

}  // namespace
}  // namespace sillok::sim
