// The composition of sillok-coordinator: store, node, metrics and the HTTP
// endpoint, put together and taken apart in order.
#ifndef SILLOK_COORDINATOR_COORDINATOR_H_
#define SILLOK_COORDINATOR_COORDINATOR_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/http.h"
#include "base/metrics.h"
#include "coordinator/config.h"
#include "coordinator/server/node.h"

namespace sillok {

// One thread starts and stops it.
class Coordinator {
 public:
  // `on_fatal`: this member must not go on; see NodeOptions. Once it listens,
  // the ports are in dataDir/ports.json: {"grpc": n, "peer": n, "http": n}.
  static absl::StatusOr<std::unique_ptr<Coordinator>> Start(
      CoordinatorOptions options,
      std::function<void(absl::Status)> on_fatal);
  ~Coordinator();

  // An orderly end: a leader hands over, what was written is on disk.
  void Stop();

  int grpc_port() const { return node_->client_port(); }
  int peer_port() const { return node_->peer_port(); }
  int http_port() const { return http_->port(); }

 private:
  Coordinator() = default;
  void AddMetrics();

  MetricsRegistry metrics_;
  std::unique_ptr<coord::Node> node_;
  std::unique_ptr<HttpEndpoint> http_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_COORDINATOR_H_
