// A local cluster of real server processes, for `sillok dev` and for tests.
//
// Everything is below one folder: cluster.json (ports and settings), and for
// each node its folder with configuration, data, log and pid file. The processes
// outlive the one that started them; any later DevCluster of the same folder
// finds them again.
#ifndef SILLOK_TOOLS_DEV_CLUSTER_H_
#define SILLOK_TOOLS_DEV_CLUSTER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sillok::tools {

struct DevClusterSpec {
  std::string dir;
  int coordinators = 3;  // 1, 3 or 5
  int brokers = 3;
  // Ports count up from here; 0 = free ones, chosen when the cluster is made.
  int base_port = 19'000;
  // key=value, for every coordinator or broker.
  std::vector<std::string> coordinator_sets;
  std::vector<std::string> broker_sets;
  // Where sillok-coordinator and sillok-broker are; empty = FindServerBinaries.
  std::string coordinator_binary;
  std::string broker_binary;
};

struct DevNode {
  enum class Kind { kCoordinator, kBroker };
  Kind kind = Kind::kBroker;
  int id = 0;
  int grpc_port = 0;
  int peer_port = 0;       // coordinators only
  int zookeeper_port = 0;  // coordinators only; 0 = none
  int http_port = 0;
  int kafka_port = 0;        // brokers only
  int replication_port = 0;  // brokers only
  std::string dir;

  std::string name() const;  // coordinator-1, broker-2
  std::string grpc_address() const;
  std::string http_address() const;
  std::string kafka_address() const;
  std::string zookeeper_address() const;
  std::string log_path() const { return dir + "/log"; }
  std::string data_path() const { return dir + "/data"; }
};

// Not thread-safe. Waits are bounded; errors name the node and show the end of
// its log.
class DevCluster {
 public:
  using Progress = std::function<void(const std::string& line)>;

  // A new cluster in spec.dir, which must be absent or empty. Starts nothing.
  static absl::StatusOr<DevCluster> Create(const DevClusterSpec& spec);
  // The one that is there; NOT_FOUND names the folder.
  static absl::StatusOr<DevCluster> Load(const std::string& dir);

  // Starts what does not run and waits until the cluster serves.
  absl::Status Up(const Progress& progress, int timeout_seconds = 60);
  // SIGTERM to all (brokers first), SIGKILL to those still there after a while.
  absl::Status Down(const Progress& progress);

  // One node. Start does not wait; Signal of a node that does not run is
  // FAILED_PRECONDITION.
  absl::Status StartNode(const DevNode& node);
  absl::Status SignalNode(const DevNode& node, int signal);
  // Waits until the process is gone.
  absl::Status AwaitExit(const DevNode& node, int timeout_seconds);
  // Waits until /healthz says ok.
  absl::Status AwaitHealthy(const DevNode& node, int timeout_seconds);
  // Waits until every running broker sees `brokers` of them.
  absl::Status AwaitBrokers(int brokers, int timeout_seconds);

  // The pid while it runs.
  std::optional<int> Pid(const DevNode& node) const;
  // "ok", or what /healthz says, or "not running".
  std::string Health(const DevNode& node) const;
  // By name or short form: broker-1, b1, coordinator-3, c3.
  absl::StatusOr<DevNode> FindNode(const std::string& name) const;

  const std::vector<DevNode>& nodes() const { return nodes_; }
  const std::string& dir() const { return spec_.dir; }
  // host:port,host:port
  std::string BrokerAddresses() const;
  std::string KafkaAddresses() const;
  std::string CoordinatorAddresses() const;
  std::string ZookeeperAddresses() const;
  // The document of `sillok dev up --json`.
  std::string ToJson() const;

 private:
  DevCluster(DevClusterSpec spec, std::vector<DevNode> nodes)
      : spec_(std::move(spec)), nodes_(std::move(nodes)) {}
  absl::Status WriteFiles() const;
  std::string NodeConfig(const DevNode& node) const;

  DevClusterSpec spec_;
  std::vector<DevNode> nodes_;
};

// Sets the two binary paths: SILLOK_SERVERS=<folder>, beside this program, or in
// a build tree. NOT_FOUND says where it looked.
absl::Status FindServerBinaries(DevClusterSpec* spec);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_DEV_CLUSTER_H_
