// The tests of the log find bugs: each one of planted/bugs.txt is planted into
// the real log, and one of them has to fail.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/support/planted_bugs/run_planted.h"

namespace sillok {
namespace {

const std::vector<std::string>& Programs() {
  static const std::vector<std::string> programs = {
      "test/broker/log/partition_log_with_bugs",
      "test/broker/log/crash_with_bugs",
      "test/broker/log/producer_recovery_with_bugs",
      "test/broker/log/log_directory_with_bugs",
  };
  return programs;
}

class PlantedBug : public testing::TestWithParam<std::string> {};

TEST_P(PlantedBug, IsFound) {
  EXPECT_TRUE(AnyFailsWithBug(Programs(), GetParam()));
}

INSTANTIATE_TEST_SUITE_P(
    Log, PlantedBug,
    testing::ValuesIn(PlantedBugs("test/broker/log/planted/bugs.txt")),
    [](const auto& info) { return info.param; });

TEST(PlantedBugs, WithoutOneNothingFails) {
  for (const std::string& program : Programs()) {
    EXPECT_FALSE(FailsWithBug(program, "none")) << program;
  }
}

}  // namespace
}  // namespace sillok
