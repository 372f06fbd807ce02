#include "test/support/planted_bugs/planted_bugs_tests.h"

#include <gtest/gtest.h>

#include <string>

#include "test/support/planted_bugs/run_planted.h"

namespace sillok {
namespace {

class PlantedBug : public testing::TestWithParam<std::string> {};

TEST_P(PlantedBug, IsFound) {
  EXPECT_TRUE(AnyFailsWithBug(ProgramsWithBugs(), GetParam()));
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBug,
                         testing::ValuesIn(PlantedBugs(ListOfPlantedBugs())),
                         [](const auto& info) { return info.param; });

TEST(PlantedBugs, WithoutOneNothingFails) {
  for (const std::string& program : ProgramsWithBugs()) {
    EXPECT_FALSE(FailsWithBug(program, "none")) << program;
  }
}

}  // namespace
}  // namespace sillok
