// Load on an ensemble through ZooKeeper's port: one thread that asks as fast as
// the answers come, so that the servers are what is measured. Works on anything
// that speaks the protocol.
#ifndef SILLOK_TOOLS_ZOOKEEPER_LOAD_H_
#define SILLOK_TOOLS_ZOOKEEPER_LOAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sillok::tools {

struct ZookeeperLoad {
  enum class Kind {
    kCreate,  // node 0, 1, 2, ...
    kSet,     // of random ones among `keys`, which a create run has made
    kGet,
  };
  Kind kind = Kind::kCreate;
  std::vector<std::string> servers;  // host:port; sessions take them in turn
  int sessions = 1;
  int outstanding = 1;  // of each session
  int64_t operations = 10'000;
  int value_bytes = 100;
  // What the values are: how much they can be compressed matters to a disk.
  enum class Values {
    kSame,    // one letter, all the way
    kText,    // what services say of themselves, in JSON; each another
    kRandom,  // random bytes; each another
  };
  Values values = Values::kSame;
  // Below it nodes are put 100,000 to a parent. Created when it is missing.
  std::string prefix = "/bench";
  int64_t keys = 10'000;
  std::vector<int> server_pids;  // whose CPU is measured
};

struct ZookeeperLoadResult {
  int64_t operations = 0;
  double seconds = 0;
  double p50_us = 0, p99_us = 0, p999_us = 0, max_us = 0;
  double own_cpu_us = 0;     // per operation
  double server_cpu_us = 0;  // per operation, all servers together
};

// An answer that is an error, or a connection that ends, ends the run.
absl::StatusOr<ZookeeperLoadResult> RunZookeeperLoad(const ZookeeperLoad& load);

struct ZookeeperFailover {
  // The session begins on the first that answers and moves on to the others.
  std::vector<std::string> servers;
  int kill_pid = 0;  // gets SIGKILL
  std::string prefix = "/bench-failover";
  int give_up_ms = 60'000;
};
struct ZookeeperFailoverResult {
  double ms = 0;  // from the kill to the answer of a write begun after it
  bool same_session = true;
};
absl::StatusOr<ZookeeperFailoverResult> MeasureZookeeperFailover(
    const ZookeeperFailover& spec);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_ZOOKEEPER_LOAD_H_
