// The configuration of sillok-coordinator: its keys (ZooKeeper's names where
// ZooKeeper has them) and what they come to.
#ifndef SILLOK_COORDINATOR_CONFIG_H_
#define SILLOK_COORDINATOR_CONFIG_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config.h"
#include "base/ids.h"
#include "coordinator/server/node.h"
#include "coordinator/store/rocks_store.h"

namespace sillok {

const ConfigSpec& CoordinatorConfigSpec();

// One `server.N=host:peerport[;clientport]`; ZooKeeper's
// `host:port:electionport[:role][;[address:]port]` is understood too.
struct ServerAddress {
  std::string peer;    // host:port
  std::string client;  // host:port, "" when not said
  friend bool operator==(const ServerAddress&,
                         const ServerAddress&) = default;
};
absl::StatusOr<ServerAddress> ParseServer(const std::string& text);

struct CoordinatorOptions {
  std::string data_dir;
  std::string http_listen;  // host:port
  coord::NodeOptions node;
  RocksStoreOptions store;
};

// Checks the keys against one another and finds out who this member is (key
// `myid`, else the file dataDir/myid; 1 when there is no server.N).
absl::StatusOr<CoordinatorOptions> MakeCoordinatorOptions(
    const Config& config);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_CONFIG_H_
