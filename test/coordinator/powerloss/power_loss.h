// Power loss for real coordinator processes: each member's data lies on a file
// system of its own (ext4 on a loop device), which is shut down without writing
// anything back, as if the machine had lost its power.
#ifndef SILLOK_TEST_COORDINATOR_POWERLOSS_POWER_LOSS_H_
#define SILLOK_TEST_COORDINATOR_POWERLOSS_POWER_LOSS_H_

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

namespace sillok::coord {

// Why this machine cannot do it; empty if it can. Needs root and loop devices.
std::string WhyNoPowerLoss(const std::string& directory);

struct PowerLossOptions {
  std::string directory;  // exists and is empty
  int cycles = 100;
  int writers = 3;
  uint64_t seed = 1;
};

struct PowerLossResult {
  // Empty if everything acknowledged was there after every cycle.
  std::string failure;
  int cycles = 0;
  int members_hit = 0;
  size_t acknowledged = 0;
  // Writes whose answer never came: they may be there or not.
  size_t unknown = 0;
};

// Three members under writes. In each cycle one, two or all three of them (in
// turn) lose their power at a random moment and start again on what is left;
// then each write acknowledged since the last cycle is looked for, and at the
// end all of them at every member.
PowerLossResult RunPowerLoss(const PowerLossOptions& options,
                             std::ostream& out);

// The disk of the member that leads fails under writes: it must say so and exit,
// and the others go on without a loss. What went wrong; empty if nothing.
std::string RunDiskFailure(const std::string& directory, std::ostream& out);

}  // namespace sillok::coord

#endif  // SILLOK_TEST_COORDINATOR_POWERLOSS_POWER_LOSS_H_
