// The scenarios and the simulation find bugs: each one of planted/bugs.txt is
// planted into the real cores, and one of the two has to fail.
#include <gtest/gtest.h>

#include <string>

#include "test/support/planted_bugs/run_planted.h"

namespace sillok {
namespace {

const std::string kFolder = "test/broker/group/";

class PlantedBug : public testing::TestWithParam<std::string> {};

TEST_P(PlantedBug, IsFound) {
  const bool by_scenario =
      FailsWithBug(kFolder + "group_scenarios_with_bugs", GetParam());
  const bool by_simulation =
      FailsWithBug(kFolder + "group_simulation_with_bugs", GetParam());
  RecordProperty("by_scenario", by_scenario);
  RecordProperty("by_simulation", by_simulation);
  EXPECT_TRUE(by_scenario || by_simulation);
}

INSTANTIATE_TEST_SUITE_P(
    Group, PlantedBug,
    testing::ValuesIn(PlantedBugs("test/broker/group/planted/bugs.txt")),
    [](const auto& info) { return info.param; });

TEST(PlantedBugs, WithoutOneNothingFails) {
  EXPECT_FALSE(FailsWithBug(kFolder + "group_scenarios_with_bugs", "none"));
  EXPECT_FALSE(FailsWithBug(kFolder + "group_simulation_with_bugs", "none"));
}

}  // namespace
}  // namespace sillok
