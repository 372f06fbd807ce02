// Cuts the power of real coordinator members again and again. As root:
//
//   bazel build //test/coordinator/powerloss:power_loss
//   cd bazel-bin && test/coordinator/powerloss/power_loss [--cycles 100]
//       [--directory DIR] [--seed N]
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "test/coordinator/powerloss/power_loss.h"

int main(int argc, char** argv) {
  sillok::coord::PowerLossOptions options;
  options.directory = "/tmp/sillok-power-loss";
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string flag = argv[i];
    if (flag == "--cycles") options.cycles = std::atoi(argv[i + 1]);
    if (flag == "--directory") options.directory = argv[i + 1];
    if (flag == "--seed") {
      options.seed = std::strtoull(argv[i + 1], nullptr, 10);
    }
  }
  std::filesystem::create_directories(options.directory);
  if (!std::filesystem::is_empty(options.directory)) {
    std::cerr << options.directory << " is not empty\n";
    return 2;
  }
  std::string why = sillok::coord::WhyNoPowerLoss(options.directory);
  if (!why.empty()) {
    std::cerr << why << "\n";
    return 2;
  }
  sillok::coord::PowerLossResult result =
      sillok::coord::RunPowerLoss(options, std::cout);
  std::cout << result.cycles << " cycles, " << result.members_hit
            << " members hit, " << result.acknowledged
            << " writes acknowledged, " << result.unknown << " unknown: "
            << (result.failure.empty() ? "all there" : result.failure)
            << "\n";
  if (result.failure.empty()) {
    std::filesystem::remove_all(options.directory);
  }
  return result.failure.empty() ? 0 : 1;
}
