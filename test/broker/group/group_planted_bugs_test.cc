// The scenarios and the simulation find bugs: each one of planted/bugs.txt is
// planted into the real cores, and one of the two has to fail.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr char kFolder[] = "test/broker/group/";

std::vector<std::string> Bugs() {
  std::vector<std::string> names;
  std::ifstream list(std::string(kFolder) + "planted/bugs.txt");
  for (std::string line; std::getline(list, line);) {
    std::istringstream words(line);
    std::string mark, name;
    if (words >> mark >> name && mark == "===") names.push_back(name);
  }
  return names;
}

// Runs a test program with `bug` planted; true when it says that tests failed.
// A crash counts too, a program that does not run does not.
bool Fails(const std::string& program, const std::string& bug) {
  const std::string command = "PLANTED_BUG=" + bug + " GTEST_FAIL_FAST=1 " +
                              "GTEST_OUTPUT= TEST_SHARD_STATUS_FILE= ./" +
                              kFolder + program + " >/dev/null 2>&1";
  const int status = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(status)) << program;
  const int code = WEXITSTATUS(status);
  EXPECT_TRUE(code == 0 || code == 1 || code > 128) << program << " " << code;
  return code != 0;
}

class PlantedBug : public testing::TestWithParam<std::string> {};

TEST_P(PlantedBug, IsFound) {
  const bool by_scenario = Fails("group_scenarios_with_bugs", GetParam());
  const bool by_simulation = Fails("group_simulation_with_bugs", GetParam());
  RecordProperty("by_scenario", by_scenario);
  RecordProperty("by_simulation", by_simulation);
  EXPECT_TRUE(by_scenario || by_simulation);
}

INSTANTIATE_TEST_SUITE_P(Group, PlantedBug, testing::ValuesIn(Bugs()),
                         [](const auto& info) { return info.param; });

TEST(PlantedBugs, WithoutOneNothingFails) {
  EXPECT_FALSE(Fails("group_scenarios_with_bugs", "none"));
  EXPECT_FALSE(Fails("group_simulation_with_bugs", "none"));
}

}  // namespace
