// Explores every schedule of a small ensemble and says how many states it has.
//
//   bazel run -c opt //test/sim:small_scope -- [--members 3] [--transactions 2]
//       [--crashes 2] [--max-states N] [--all-orders 0|1] [--compare-every N]
//       [--plant BUG]
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "test/sim/small_scope.h"
#include "test/sim/zab_planted_bugs.h"

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int Usage() {
  std::cerr << "usage: small_scope [--members N] [--transactions N]\n"
               "       [--crashes N] [--max-states N] [--all-orders 0|1]\n"
               "       [--compare-every N] [--plant BUG]\n";
  return 2;
}

bool Plant(const std::string& name, sillok::zab::ZabFaults* faults) {
  for (const auto& bug : sillok::sim::kPlantedBugs) {
    if (bug.name != name) continue;
    faults->*bug.flag = true;
    return true;
  }
  return false;
}

bool Parse(int argc, char** argv, sillok::sim::SmallScopeOptions* options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string flag = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (flag == "--members") {
      options->members = static_cast<int>(value);
    } else if (flag == "--transactions") {
      options->transactions = static_cast<int>(value);
    } else if (flag == "--crashes") {
      options->crashes = static_cast<int>(value);
    } else if (flag == "--max-states") {
      options->max_states = value;
    } else if (flag == "--all-orders") {
      options->all_orders = value != 0;
    } else if (flag == "--compare-every") {
      options->compare_every = value;
    } else if (flag != "--plant" || !Plant(argv[i + 1], &options->faults)) {
      return false;
    }
  }
  return argc % 2 == 1 && options->members > 0 && options->members <= 7;
}

}  // namespace

int main(int argc, char** argv) {
  sillok::sim::SmallScopeOptions options;
  if (!Parse(argc, argv, &options)) return Usage();
  const Clock::time_point begin = Clock::now();
  Clock::time_point told = begin;
  options.progress = [&](const sillok::sim::SmallScopeResult& so_far) {
    if (SecondsSince(told) < 10) return;
    told = Clock::now();
    std::cerr << SecondsSince(begin) << " s: " << so_far.states << " states, "
              << so_far.steps << " steps, " << so_far.ends << " ends"
              << std::endl;
  };
  sillok::sim::SmallScopeResult result =
      sillok::sim::ExploreSmallScope(options);
  std::cout << options.members << " members, " << options.transactions
            << " transactions, " << options.crashes << " crashes: "
            << result.states << " states (" << result.settled
            << " settled), " << result.steps << " steps, " << result.ends
            << " ends (" << std::hex << result.ends_digest << std::dec
            << "), " << result.waits << " waits, longest schedule "
            << result.deepest << ", restarts " << result.restarts
            << ", truncations " << result.truncations << ", epochs to "
            << result.epochs << ", " << result.compared << " compared, "
            << SecondsSince(begin) << " s, "
            << (result.exhausted ? "all seen" : "not all seen") << "\n";
  for (const std::string& step : result.schedule) std::cout << step << "\n";
  if (result.invariant.empty()) return 0;
  std::cout << "BROKEN \"" << result.invariant << "\": " << result.text
            << "\n";
  return 1;
}
