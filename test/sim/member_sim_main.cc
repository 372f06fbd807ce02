// Runs the simulation of whole coordinator members (ZAB, tree, sessions, watches,
// clients) over many seeds, or one of them with its trace.
//
//   bazel run //test/sim:member_sim -- --seeds 100000 [--first 1] [--nodes N]
//   bazel run //test/sim:member_sim -- --seed 4711 [--all]
//   bazel run //test/sim:member_sim -- --shrink 4711
//
// --plant BUG breaks a member on purpose: its own bugs or those of ZAB.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "test/sim/member_planted_bugs.h"
#include "test/sim/member_world.h"
#include "test/sim/seed_runs.h"
#include "test/sim/zab_planted_bugs.h"

namespace {

using sillok::sim::MemberWorld;
using sillok::sim::MemberWorldOptions;

int Usage() {
  std::cerr
      << "usage: member_sim --seeds N [--first SEED] | --seed SEED [--all] |\n"
         "       --shrink SEED   [--nodes N] [--seconds N] [--plant BUG]\n"
         "bugs:";
  for (const auto& bug : sillok::sim::kMemberBugs) std::cerr << ' ' << bug.name;
  for (const auto& bug : sillok::sim::kPlantedBugs) {
    std::cerr << ' ' << bug.name;
  }
  std::cerr << '\n';
  return 2;
}

bool Plant(const std::string& name, MemberWorldOptions* options) {
  for (const auto& bug : sillok::sim::kMemberBugs) {
    if (bug.name == name) return options->faults.*bug.flag = true;
  }
  for (const auto& bug : sillok::sim::kPlantedBugs) {
    if (bug.name == name) return options->zab_faults.*bug.flag = true;
  }
  return false;
}

int RunMany(const MemberWorldOptions& options, uint64_t first,
            uint64_t seeds) {
  auto begin = std::chrono::steady_clock::now();
  auto run = sillok::sim::RunSeeds<MemberWorld>(options, first, seeds,
                                                std::cout);
  double took = std::chrono::duration<double>(
                    std::chrono::steady_clock::now() - begin)
                    .count();
  std::cout << run.seeds << " seeds, " << run.virtual_hours
            << " virtual hours, "
            << static_cast<double>(run.seeds) / took << " seeds a second\n"
            << run.reached.ToString() << "\n";
  if (!run.failed) return 0;
  std::cout << "FAILED at seed " << run.failed_seed << ": \""
            << run.failure.invariant << "\"\n";
  MemberWorldOptions failed = options;
  failed.seed = run.failed_seed;
  sillok::sim::ShrinkSeed<MemberWorld>(failed, sillok::sim::kMemberTroubles,
                                       40, std::cout);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  MemberWorldOptions options;
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
      if (!Plant(argv[++i], &options)) return Usage();
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
      options.seed = value;
    } else if (flag == "--nodes") {
      options.nodes = value;
    } else if (flag == "--seconds") {
      options.safety_seconds = static_cast<int64_t>(value);
    } else {
      return Usage();
    }
  }
  if (one) {
    auto result = sillok::sim::Replay<MemberWorld>(
        options, all ? ~size_t{0} : size_t{80}, std::cout);
    return result.invariant.empty() ? 0 : 1;
  }
  if (shrink) {
    auto shrunk = sillok::sim::ShrinkSeed<MemberWorld>(
        options, sillok::sim::kMemberTroubles, 40, std::cout);
    return shrunk.outcome.invariant.empty() ? 0 : 1;
  }
  return seeds == 0 ? Usage() : RunMany(options, first, seeds);
}
