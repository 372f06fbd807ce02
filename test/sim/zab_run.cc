#include "test/sim/zab_run.h"

#include <utility>

namespace sillok::sim {

ZabRun RunZabSeeds(ZabWorldOptions options, uint64_t first, uint64_t seeds,
                   std::ostream& out) {
  return RunSeeds<ZabWorld>(std::move(options), first, seeds, out);
}

ZabResult ReplayZab(ZabWorldOptions options, size_t lines,
                    std::ostream& out) {
  return Replay<ZabWorld>(std::move(options), lines, out);
}

Shrunk ShrinkZab(ZabWorldOptions options, size_t lines, std::ostream& out) {
  return ShrinkSeed<ZabWorld>(std::move(options), kZabTroubles, lines, out);
}

}  // namespace sillok::sim
