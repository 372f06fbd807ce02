// Seeds of the group simulation, and the bugs that it has to find.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/client/group_sim/group_world.h"

namespace sillok::client::group_sim {
namespace {

constexpr uint64_t kSeeds = 30;

struct Mix {
  std::string name;
  std::vector<std::vector<std::string>> assignors;
};

std::ostream& operator<<(std::ostream& out, const Mix& mix) {
  return out << mix.name;
}

const Mix kMixes[] = {
    {"range", {{"range"}}},
    {"roundrobin", {{"roundrobin"}}},
    {"sticky", {{"sticky"}}},
    {"cooperative", {{"cooperative-sticky"}}},
    // The default, which is eager, and a group on its way to cooperative.
    {"default", {{"range", "cooperative-sticky"}}},
    {"rolling",
     {{"cooperative-sticky", "range"}, {"cooperative-sticky"}}},
};

class GroupSim : public testing::TestWithParam<Mix> {};

TEST_P(GroupSim, NoPartitionHasTwoOwnersAndAllHaveOneInTheEnd) {
  for (bool same : {true, false}) {
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      WorldOptions options;
      options.assignors = GetParam().assignors;
      options.same_subscriptions = same;
      GroupWorld world(seed, options);
      ASSERT_TRUE(world.Run()) << "seed " << seed << " same " << same << ": "
                               << world.failure();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Assignors, GroupSim, testing::ValuesIn(kMixes),
                         [](const auto& info) { return info.param.name; });

struct PlantedBug {
  std::string name;
  bool GroupMemberFaults::*flag;
  std::string assignor;
};

std::ostream& operator<<(std::ostream& out, const PlantedBug& bug) {
  return out << bug.name;
}

const PlantedBug kBugs[] = {
    {"join_before_release", &GroupMemberFaults::join_before_release, "range"},
    {"claim_nothing", &GroupMemberFaults::claim_nothing, "cooperative-sticky"},
    {"no_second_join", &GroupMemberFaults::no_second_join,
     "cooperative-sticky"},
    {"take_before_release", &GroupMemberFaults::take_before_release,
     "cooperative-sticky"},
    {"keep_when_thrown_out", &GroupMemberFaults::keep_when_thrown_out,
     "cooperative-sticky"},
};

class PlantedBugs : public testing::TestWithParam<PlantedBug> {};

TEST_P(PlantedBugs, AreFound) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    WorldOptions options;
    options.assignors = {{GetParam().assignor}};
    options.faults.*GetParam().flag = true;
    GroupWorld world(seed, options);
    if (world.Run()) continue;
    RecordProperty("seed", static_cast<int>(seed));
    RecordProperty("failure", world.failure());
    return;
  }
  FAIL() << "not found";
}

INSTANTIATE_TEST_SUITE_P(GroupSim, PlantedBugs, testing::ValuesIn(kBugs),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sillok::client::group_sim
