// ZooKeeper's own configuration file, zoo.cfg, as settings of this coordinator.
#ifndef SILLOK_COORDINATOR_ZOO_CFG_H_
#define SILLOK_COORDINATOR_ZOO_CFG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace sillok {

struct ZooCfg {
  // key=value of our keys, for ConfigSources::sets; in the order of the file.
  std::vector<std::string> sets;
  // Keys of the file that mean nothing here.
  std::vector<std::string> ignored;
};

// Reads `path`. Keys with ZooKeeper's names are ours as they are, also with
// "zookeeper." before them. What our own files name otherwise gets the value a
// ZooKeeper would have: the client port listens on all addresses, gRPC and HTTP
// on ports of the kernel's choice (admin.serverPort, if it is given). NOT_FOUND
// or INVALID_ARGUMENT name the file and the line.
absl::StatusOr<ZooCfg> ReadZooCfg(const std::string& path);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_ZOO_CFG_H_
