// The composition of sillok-coordinator: store, node, metrics and the HTTP
// endpoint, put together and taken apart in order.
#ifndef SILLOK_COORDINATOR_COORDINATOR_H_
#define SILLOK_COORDINATOR_COORDINATOR_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/http.h"
#include "base/metrics.h"
#include "coordinator/config.h"
#include "coordinator/server/node.h"
#include "coordinator/zookeeper/door.h"
#include "coordinator/zookeeper/four_letter_words.h"
#include "coordinator/zookeeper/monitor.h"

namespace sillok {

// One thread starts and stops it.
class Coordinator {
 public:
  // `on_fatal`: this member must not go on; `on_removed`: the ensemble goes on
  // without it; see NodeOptions. Once it listens,
  // the ports are in dataDir/ports.json: {"grpc": n, "peer": n, "http": n,
  // "zookeeper": n}, the last of them -1 when there is no such door.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Start(
      CoordinatorOptions options,
      std::function<void(absl::Status)> on_fatal,
      std::function<void()> on_removed);
  ~Coordinator();

  // An orderly end: a leader hands over, what was written is on disk.
  void Stop();

  int grpc_port() const { return node_->client_port(); }
  int peer_port() const { return node_->peer_port(); }
  int http_port() const { return http_->port(); }
  int zookeeper_port() const { return zookeeper_port_; }

 private:
  Coordinator() = default;
  // On behalf of the node, while it starts. Null without `options`; the monitor
  // is there in any case.
  absl::StatusOr<std::unique_ptr<coord::ClientDoor>> OpenZookeeperDoor(
      std::optional<coord::ZookeeperDoorOptions> options,
      const std::string& words_whitelist, coord::MonitorConstants constants,
      coord::DoorContext context);
  void AddMetrics();
  void AddCommands();

  MetricsRegistry metrics_;
  // Used on the node's loop, which ends before them.
  std::unique_ptr<coord::Monitor> monitor_;
  std::unique_ptr<coord::FourLetterWords> words_;
  coord::ZookeeperDoor* zookeeper_ = nullptr;  // the node's
  int zookeeper_port_ = -1;
  std::unique_ptr<coord::Node> node_;
  std::unique_ptr<HttpEndpoint> http_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_COORDINATOR_H_
