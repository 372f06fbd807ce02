// Long runs of the replication simulator, and one seed told in detail:
//   replication_sim FIRST COUNT      stops at the first seed that fails
//   replication_sim SEED             prints what happens
#include <cstdlib>
#include <iostream>

#include "test/sim/replication_world.h"

int main(int argc, char** argv) {
  using namespace sillok::sim;
  ReplicationOptions options;
  if (argc == 2) {
    options.seed = std::strtoull(argv[1], nullptr, 10);
    options.trace = true;
    const ReplicationResult result = ReplicationWorld(options).Run();
    std::cout << result.reached.ToString() << "\n";
    return result.failed ? 1 : 0;
  }
  const uint64_t first = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  const uint64_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1000;
  const ReplicationRun run = RunReplicationSeeds(options, first, count);
  std::cout << "seeds=" << run.seeds << " " << run.reached.ToString() << "\n";
  if (run.failed) {
    std::cout << "BROKEN \"" << run.failure.invariant << "\" seed "
              << run.failed_seed << ": " << run.failure.text << "\n";
  }
  return run.failed ? 1 : 0;
}
