// Many seeds, one seed with its trace, or one seed made small: for any world with
// `Result Run()`, whose options have seed, mercy and trace.
#ifndef SILLOK_TEST_SIM_SEED_RUNS_H_
#define SILLOK_TEST_SIM_SEED_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "test/sim/mercy.h"

namespace sillok::sim {

template <typename World>
using ResultOf = decltype(std::declval<World>().Run());

template <typename World>
struct SeedRuns {
  uint64_t seeds = 0;
  bool failed = false;
  uint64_t failed_seed = 0;
  ResultOf<World> failure;
  decltype(ResultOf<World>::reached) reached;
  double virtual_hours = 0;
};

// Prints the last lines of the trace and what broke.
template <typename World, typename Options>
ResultOf<World> Replay(Options options, size_t lines, std::ostream& out) {
  std::deque<std::string> tail;
  options.trace = [&](const std::string& line) {
    tail.push_back(line);
    if (tail.size() > lines) tail.pop_front();
  };
  ResultOf<World> result = World(options).Run();
  for (const std::string& line : tail) out << line << "\n";
  if (result.invariant.empty()) {
    out << "seed " << options.seed << ": all well\n";
  } else {
    out << "seed " << options.seed << ": BROKEN \"" << result.invariant
        << "\": " << result.text << "\n";
  }
  return result;
}

// Seeds `first` and on, until one fails; that one is replayed. Every 100th runs
// twice, and must go the same way.
template <typename World, typename Options>
SeedRuns<World> RunSeeds(Options options, uint64_t first, uint64_t seeds,
                         std::ostream& out) {
  SeedRuns<World> run;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    options.seed = seed;
    ResultOf<World> result = World(options).Run();
    if (result.invariant.empty() && seed % 100 == 0 &&
        World(options).Run().trace_hash != result.trace_hash) {
      result.invariant = "determinism";
      result.text = "the same seed went two ways";
    }
    ++run.seeds;
    run.reached.Add(result.reached);
    run.virtual_hours += static_cast<double>(result.ended_us) / 3.6e9;
    if (result.invariant.empty()) continue;
    run.failed = true;
    run.failed_seed = seed;
    run.failure = std::move(result);
    Replay<World>(options, 80, out);
    break;
  }
  return run;
}

// Finds a small set of troubles that breaks the same promise and prints what
// happens then, without the messages (lines that begin with a blank).
template <typename World, typename Options>
Shrunk ShrinkSeed(Options options, const std::vector<std::string>& kinds,
                  size_t lines, std::ostream& out) {
  options.trace = nullptr;
  Shrunk shrunk = Shrink(
      [&](const Mercy& mercy) {
        options.mercy = mercy;
        ResultOf<World> result = World(options).Run();
        return Outcome{result.invariant, result.fired, result.ended_us};
      },
      kinds);
  out << "seed " << options.seed << ", made small in " << shrunk.runs
      << " runs; without:";
  for (const std::string& kind : shrunk.mercy.kinds) out << ' ' << kind << ',';
  out << " and " << shrunk.mercy.faults.size() << " single faults; left: "
      << shrunk.outcome.fired.size() << " faults\n";
  options.mercy = shrunk.mercy;
  std::deque<std::string> tail;
  options.trace = [&](const std::string& line) {
    if (line.find("     ") != std::string::npos) return;
    tail.push_back(line);
    if (tail.size() > lines) tail.pop_front();
  };
  ResultOf<World> result = World(options).Run();
  for (const std::string& line : tail) out << line << "\n";
  out << "BROKEN \"" << result.invariant << "\": " << result.text << "\n";
  return shrunk;
}

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_SEED_RUNS_H_
