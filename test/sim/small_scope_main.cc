// Explores every schedule of a small ensemble and says how many states it has.
//
//   bazel run //test/sim:small_scope -- [--members 3] [--transactions 2]
//       [--crashes 2] [--ticks 24] [--max-states N] [--prompt-disks 1]
//       [--plant BUG]
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "test/sim/small_scope.h"
#include "test/sim/zab_planted_bugs.h"

namespace {

int Usage() {
  std::cerr << "usage: small_scope [--members N] [--transactions N]\n"
               "       [--crashes N] [--ticks N] [--max-states N]"
               " [--prompt-disks 0|1]\n       [--plant BUG]\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  sillok::sim::SmallScopeOptions options;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string flag = argv[i];
    int value = std::atoi(argv[i + 1]);
    bool known = true;
    if (flag == "--members") {
      options.members = value;
    } else if (flag == "--transactions") {
      options.transactions = value;
    } else if (flag == "--crashes") {
      options.crashes = value;
    } else if (flag == "--ticks") {
      options.ticks = value;
    } else if (flag == "--prompt-disks") {
      options.prompt_disks = value != 0;
    } else if (flag == "--max-states") {
      options.max_states = std::strtoull(argv[i + 1], nullptr, 10);
    } else {
      known = false;
      for (const auto& bug : sillok::sim::kPlantedBugs) {
        if (flag != "--plant" || bug.name != argv[i + 1]) continue;
        options.faults.*bug.flag = known = true;
      }
    }
    if (!known) return Usage();
  }
  if (argc % 2 == 0) return Usage();
  auto begin = std::chrono::steady_clock::now();
  sillok::sim::SmallScopeResult result =
      sillok::sim::ExploreSmallScope(options);
  double took = std::chrono::duration<double>(
                    std::chrono::steady_clock::now() - begin)
                    .count();
  std::cout << options.members << " members, " << options.transactions
            << " transactions, " << options.crashes << " crashes: "
            << result.states << " states, " << result.steps << " steps, "
            << result.ends << " ends (" << result.unfinished
            << " out of ticks), longest schedule " << result.deepest
            << ", restarts " << result.restarts << ", truncations "
            << result.truncations << ", epochs to " << result.epochs << ", "
            << took << " s, "
            << (result.exhausted ? "all seen" : "not all seen") << "\n";
  for (const std::string& step : result.schedule) std::cout << step << "\n";
  if (result.invariant.empty()) return 0;
  std::cout << "BROKEN \"" << result.invariant << "\": " << result.text
            << "\n";
  return 1;
}
