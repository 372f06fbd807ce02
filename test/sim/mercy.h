// What a simulation leaves out of what its seed has drawn, so that a failing run
// can be made smaller.
#ifndef SILLOK_TEST_SIM_MERCY_H_
#define SILLOK_TEST_SIM_MERCY_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace sillok::sim {

// Random choices are keyed (see keyed_random.h), so leaving one fault out leaves
// all others as they were.
struct Mercy {
  // Whole kinds of trouble, by the world's names for them.
  std::set<std::string> kinds;
  // Single faults: FaultId(kind, ordinal).
  std::set<uint64_t> faults;

  bool Spares(const std::string& kind) const { return kinds.count(kind) != 0; }
  bool Spares(uint64_t fault) const { return faults.count(fault) != 0; }
};

inline uint64_t FaultId(uint64_t kind, uint64_t ordinal) {
  return kind << 32 | ordinal;
}

// How one run of a world ended.
struct Outcome {
  std::string invariant;  // empty: all well
  std::vector<uint64_t> fired;  // the single faults that happened, in order
  int64_t ended_us = 0;  // virtual time
};

// Looks for the smallest set of troubles with which the same promise is broken:
// whole kinds first, then single faults, halves of them before quarters. `run`
// must give the same for the same mercy. At most `max_runs` runs.
struct Shrunk {
  Mercy mercy;
  Outcome outcome;
  int runs = 0;
};
Shrunk Shrink(const std::function<Outcome(const Mercy&)>& run,
              const std::vector<std::string>& kinds, int max_runs = 200);

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_MERCY_H_
