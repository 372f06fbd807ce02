// The configuration of sillok-coordinator: its keys (ZooKeeper's names where
// ZooKeeper has them) and what they come to.
#ifndef SILLOK_COORDINATOR_CONFIG_H_
#define SILLOK_COORDINATOR_CONFIG_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/config.h"
#include "coordinator/server/node.h"
#include "coordinator/store/rocks_store.h"
#include "coordinator/zookeeper/door.h"
#include "coordinator/zookeeper/monitor_facts.h"

namespace sillok {

const ConfigSpec& CoordinatorConfigSpec();

struct CoordinatorOptions {
  std::string data_dir;
  std::string http_listen;  // host:port
  coord::NodeOptions node;
  // The ZooKeeper door, when there is one.
  std::optional<coord::ZookeeperDoorOptions> zookeeper;
  std::string words_whitelist;  // 4lw.commands.whitelist
  // What four-letter words and admin commands tell, but the paths and ports that
  // are known only after the start.
  coord::MonitorConstants monitor;
  RocksStoreOptions store;
};

// Checks the keys against one another and finds out who this member is (key
// `myid`, else the file dataDir/myid; 1 when there is no server.N).
absl::StatusOr<CoordinatorOptions> MakeCoordinatorOptions(
    const Config& config);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_CONFIG_H_
