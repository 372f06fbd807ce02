// The simulator finds bugs above ZAB, too, and makes what it finds small.
#include "test/sim/member_planted_bugs.h"

#include <ostream>
#include <sstream>

#include "gtest/gtest.h"
#include "test/sim/member_world.h"
#include "test/sim/seed_runs.h"

namespace sillok::sim {

std::ostream& operator<<(std::ostream& out, const MemberBug& bug) {
  return out << bug.name;
}

namespace {

constexpr uint64_t kSeeds = 3000;

class MemberPlantedBugs : public testing::TestWithParam<MemberBug> {};

TEST_P(MemberPlantedBugs, AreFound) {
  MemberWorldOptions options;
  options.faults.*GetParam().flag = true;
  std::ostringstream account;
  auto run = RunSeeds<MemberWorld>(options, 1, kSeeds, account);
  EXPECT_TRUE(run.failed) << "not found in " << run.seeds << " seeds";
  EXPECT_NE(account.str().find("BROKEN \"" + run.failure.invariant),
            std::string::npos);
  RecordProperty("seeds", static_cast<int>(run.seeds));
  RecordProperty("invariant", run.failure.invariant);
}

INSTANTIATE_TEST_SUITE_P(Member, MemberPlantedBugs,
                         testing::ValuesIn(kMemberBugs),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

TEST(Shrinking, LeavesTheFaultsThatMatter) {
  MemberWorldOptions options;
  options.faults.reply_before_commit = true;
  std::ostringstream account;
  auto run = RunSeeds<MemberWorld>(options, 1, kSeeds, account);
  ASSERT_TRUE(run.failed);
  options.seed = run.failed_seed;
  Shrunk shrunk =
      ShrinkSeed<MemberWorld>(options, kMemberTroubles, 40, account);
  EXPECT_EQ(shrunk.outcome.invariant, run.failure.invariant);
  EXPECT_LE(shrunk.outcome.fired.size(), run.failure.fired.size());
  EXPECT_FALSE(shrunk.mercy.kinds.empty());
  EXPECT_LE(shrunk.runs, 200);
}

}  // namespace
}  // namespace sillok::sim
