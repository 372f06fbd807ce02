// Runs the ZAB simulation over many seeds, or one of them with its trace.
//
//   bazel run //test/sim:zab_sim -- --seeds 100000 [--first 1] [--nodes N]
//   bazel run //test/sim:zab_sim -- --seed 4711 [--all]
//   bazel run //test/sim:zab_sim -- --shrink 4711
//
// --plant BUG breaks the core on purpose.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "test/sim/zab_planted_bugs.h"
#include "test/sim/zab_run.h"

namespace {

int Usage() {
  std::cerr << "usage: zab_sim --seeds N [--first SEED] | --seed SEED [--all] |\n"
               "       --shrink SEED   [--nodes N] [--seconds N] [--plant BUG]\nbugs:";
  for (const auto& bug : sillok::sim::kPlantedBugs) {
    std::cerr << ' ' << bug.name;
  }
  std::cerr << '\n';
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using sillok::sim::ZabWorldOptions;
  ZabWorldOptions options;
  uint64_t seeds = 0, first = 1;
  bool one = false, all = false, shrink = false;
  for (int i = 1; i < argc; ++i) {
    std::string flag = argv[i];
    if (flag == "--all") {
      all = true;
      continue;
    }
    if (i + 1 == argc) return Usage();
    if (flag == "--plant") {
      std::string name = argv[++i];
      bool known = false;
      for (const auto& bug : sillok::sim::kPlantedBugs) {
        if (bug.name != name) continue;
        options.faults.*bug.flag = known = true;
      }
      if (!known) return Usage();
      continue;
    }
    uint64_t value = std::strtoull(argv[++i], nullptr, 10);
    if (flag == "--seeds") {
      seeds = value;
    } else if (flag == "--first") {
      first = value;
    } else if (flag == "--seed" || flag == "--shrink") {
      one = flag == "--seed";
      shrink = !one;
      first = value;
    } else if (flag == "--nodes") {
      options.nodes = value;
    } else if (flag == "--seconds") {
      options.safety_seconds = static_cast<int64_t>(value);
    } else {
      return Usage();
    }
  }
  if (one) {
    options.seed = first;
    sillok::sim::ZabResult result = sillok::sim::ReplayZab(
        options, all ? ~size_t{0} : size_t{80}, std::cout);
    return result.invariant.empty() ? 0 : 1;
  }
  if (shrink) {
    options.seed = first;
    sillok::sim::Shrunk shrunk =
        sillok::sim::ShrinkZab(options, 40, std::cout);
    return shrunk.outcome.invariant.empty() ? 0 : 1;
  }
  if (seeds == 0) return Usage();
  auto begin = std::chrono::steady_clock::now();
  sillok::sim::ZabRun run =
      sillok::sim::RunZabSeeds(options, first, seeds, std::cout);
  double took = std::chrono::duration<double>(
                    std::chrono::steady_clock::now() - begin)
                    .count();
  std::cout << run.seeds << " seeds, " << run.virtual_hours
            << " virtual hours, " << static_cast<double>(run.seeds) / took << " a second\n"
            << run.reached.ToString() << "\n";
  if (!run.failed) return 0;
  std::cout << "FAILED at seed " << run.failed_seed << ": \""
            << run.failure.invariant << "\"\n";
  options.seed = run.failed_seed;
  sillok::sim::ShrinkZab(options, 40, std::cout);
  return 1;
}
