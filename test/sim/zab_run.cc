#include "test/sim/zab_run.h"

#include <deque>
#include <string>
#include <utility>

namespace sillok::sim {

ZabRun RunZabSeeds(ZabWorldOptions options, uint64_t first, uint64_t seeds,
                   std::ostream& out) {
  ZabRun run;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    options.seed = seed;
    ZabResult result = ZabWorld(options).Run();
    if (result.invariant.empty() && seed % 100 == 0) {
      ZabResult again = ZabWorld(options).Run();
      if (again.trace_hash != result.trace_hash) {
        result.invariant = "determinism";
        result.text = "the same seed went two ways";
      }
    }
    ++run.seeds;
    run.reached.Add(result.reached);
    if (result.invariant.empty()) continue;
    run.failed = true;
    run.failed_seed = seed;
    run.failure = std::move(result);
    ReplayZab(options, 80, out);
    break;
  }
  return run;
}

ZabResult ReplayZab(ZabWorldOptions options, size_t lines,
                    std::ostream& out) {
  std::deque<std::string> tail;
  options.trace = [&](const std::string& line) {
    tail.push_back(line);
    if (tail.size() > lines) tail.pop_front();
  };
  ZabResult result = ZabWorld(options).Run();
  for (const std::string& line : tail) out << line << "\n";
  if (result.invariant.empty()) {
    out << "seed " << options.seed << ": all well\n";
  } else {
    out << "seed " << options.seed << ": BROKEN \"" << result.invariant
        << "\": " << result.text << "\n";
  }
  return result;
}

}  // namespace sillok::sim
