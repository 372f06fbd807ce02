// A few cycles of power loss, where the machine can do it. Many: power_loss_main.
#include "test/coordinator/powerloss/power_loss.h"

#include <filesystem>
#include <iostream>
#include <string>

#include "gtest/gtest.h"

namespace sillok::coord {
namespace {

TEST(PowerLossTest, NothingAcknowledgedIsLost) {
  PowerLossOptions options;
  options.directory = ::testing::TempDir() + "/power-loss";
  std::filesystem::create_directories(options.directory);
  if (std::string why = WhyNoPowerLoss(options.directory); !why.empty()) {
    std::cout << "skipped: " << why << "\n";
    GTEST_SKIP() << why;
  }
  options.cycles = 6;  // one, two and three members, twice
  PowerLossResult result = RunPowerLoss(options, std::cout);
  EXPECT_EQ(result.failure, "");
  EXPECT_EQ(result.cycles, 6);
  EXPECT_GT(result.acknowledged, 100u);
}

TEST(PowerLossTest, AMemberWhoseDiskFailsExits) {
  const std::string directory = ::testing::TempDir() + "/disk-failure";
  std::filesystem::create_directories(directory);
  if (std::string why = WhyNoPowerLoss(directory); !why.empty()) {
    std::cout << "skipped: " << why << "\n";
    GTEST_SKIP() << why;
  }
  EXPECT_EQ(RunDiskFailure(directory, std::cout), "");
}

}  // namespace
}  // namespace sillok::coord
