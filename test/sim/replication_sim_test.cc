// The real replication cores under simulated faults: a short run for every
// build. Long runs: replication_sim_main.cc.
#include <iostream>

#include "gtest/gtest.h"
#include "test/sim/replication_world.h"

namespace sillok::sim {
namespace {

TEST(ReplicationSimulation, KeepsItsPromisesAndReachesEveryCorner) {
  const ReplicationRun run = RunReplicationSeeds({}, 1, 250);
  EXPECT_FALSE(run.failed) << "seed " << run.failed_seed << ", "
                           << run.failure.invariant << ": "
                           << run.failure.text;
  std::cout << run.reached.ToString() << "\n";
  EXPECT_GT(run.reached.acknowledged, 0u);
  EXPECT_GT(run.reached.reads, 0u);
  EXPECT_GT(run.reached.elections, run.seeds);
  EXPECT_GT(run.reached.power_losses, 0u);
  EXPECT_GT(run.reached.lost_tails, 0u);
  EXPECT_GT(run.reached.truncated_records, 0u);
  EXPECT_GT(run.reached.shrinks, 0u);
  EXPECT_GT(run.reached.expansions, 0u);
  EXPECT_GT(run.reached.refused_alters, 0u);
  EXPECT_GT(run.reached.timed_out_alters, 0u);
  EXPECT_GT(run.reached.restarts_at, 0u);
}

TEST(ReplicationSimulation, TheSameSeedGoesTheSameWay) {
  ReplicationOptions options;
  options.seed = 11;
  const uint64_t first = ReplicationWorld(options).Run().trace_hash;
  EXPECT_EQ(first, ReplicationWorld(options).Run().trace_hash);
  options.seed = 12;
  EXPECT_NE(first, ReplicationWorld(options).Run().trace_hash);
}

struct Planted {
  const char* name;
  bool LeaderFaults::*core = nullptr;
  bool ShellFaults::*shell = nullptr;
};

std::ostream& operator<<(std::ostream& out, const Planted& bug) {
  return out << bug.name;
}

class ReplicationPlantedBugs : public testing::TestWithParam<Planted> {};

TEST_P(ReplicationPlantedBugs, AreFound) {
  ReplicationOptions options;
  if (GetParam().core != nullptr) options.leader_faults.*GetParam().core = true;
  if (GetParam().shell != nullptr) {
    options.shell_faults.*GetParam().shell = true;
  }
  const ReplicationRun run = RunReplicationSeeds(options, 1, 400);
  EXPECT_TRUE(run.failed) << "not found in " << run.seeds << " seeds";
  std::cout << GetParam().name << ": seed " << run.failed_seed << " breaks "
            << run.failure.invariant << "\n";
}

INSTANTIATE_TEST_SUITE_P(
    Replication, ReplicationPlantedBugs,
    testing::Values(
        Planted{"advance_under_min_isr", &LeaderFaults::advance_under_min_isr},
        Planted{"join_without_epoch_start",
                &LeaderFaults::join_without_epoch_start},
        Planted{"shrink_before_commit", &LeaderFaults::shrink_before_commit},
        Planted{"joiner_does_not_count", &LeaderFaults::joiner_does_not_count},
        Planted{"truncate_to_high_watermark", nullptr,
                &ShellFaults::truncate_to_high_watermark},
        Planted{"no_epoch_check", nullptr, &ShellFaults::no_epoch_check},
        Planted{"acknowledge_before_replication", nullptr,
                &ShellFaults::acknowledge_before_replication},
        Planted{"read_above_high_watermark", nullptr,
                &ShellFaults::read_above_high_watermark},
        Planted{"fetch_before_flush", nullptr,
                &ShellFaults::fetch_before_flush}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sillok::sim
