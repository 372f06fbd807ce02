// Many seeds of the ZAB simulation, or one with its trace.
#ifndef SILLOK_TEST_SIM_ZAB_RUN_H_
#define SILLOK_TEST_SIM_ZAB_RUN_H_

#include <cstddef>
#include <cstdint>
#include <ostream>

#include "test/sim/seed_runs.h"
#include "test/sim/zab_world.h"

namespace sillok::sim {

using ZabRun = SeedRuns<ZabWorld>;

// See seed_runs.h.
ZabRun RunZabSeeds(ZabWorldOptions options, uint64_t first, uint64_t seeds,
                   std::ostream& out);
ZabResult ReplayZab(ZabWorldOptions options, size_t lines, std::ostream& out);
Shrunk ShrinkZab(ZabWorldOptions options, size_t lines, std::ostream& out);

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_ZAB_RUN_H_
