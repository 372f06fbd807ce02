// ClusterClient: finds the cluster, keeps its metadata fresh, and calls its
// brokers. Loop thread only.
#ifndef SILLOK_CLIENT_INTERNAL_CLUSTER_CLIENT_H_
#define SILLOK_CLIENT_INTERNAL_CLUSTER_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/rpc/channel.h"
#include "client/config.h"
#include "client/internal/cluster_metadata.h"
#include "client/internal/loop.h"
#include "client/internal/unary_call.h"
#include "proto/broker.grpc.pb.h"

namespace sillok::client {

class ClusterClient {
 public:
  struct Observer {
    std::function<void()> on_metadata;  // after each update
    // After each refresh that could not be had; it is tried again by itself
    // while somebody needs it.
    std::function<void(const absl::Status&)> on_failure;
  };

  ClusterClient(Loop* loop, const ClientConfig& config, bool auto_create,
                Observer observer);

  // The topics that refreshes ask for.
  void SetTopics(std::set<std::string> topics);
  // Refreshes ask for all topics there are, whatever SetTopics says.
  void SetAllTopics(bool all) { all_topics_ = all; }
  // True when it was not among them.
  bool AddTopic(const std::string& topic);

  // Asks for new metadata as soon as the backoff allows; keeps trying until an
  // answer came.
  void Refresh();
  const ClusterMetadata& metadata() const { return metadata_; }
  bool has_metadata() const { return updates_ != 0; }
  uint64_t updates() const { return updates_; }
  // Why the last refresh failed; OK after one that did not.
  const absl::Status& problem() const { return problem_; }

  // For bulk data: a connection of its own. Null when the broker is not known.
  std::shared_ptr<grpc::Channel> NewDataChannel(int32_t broker_id);
  // For control calls. Null when the broker is not known.
  v1::Broker::Stub* Stub(int32_t broker_id);

  // Calls a broker; an id that is not known fails UNAVAILABLE at once (inside
  // the call).
  template <typename Request, typename Response>
  void Call(int32_t broker_id,
            std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (
                v1::Broker::Stub::*method)(grpc::ClientContext*,
                                           const Request&,
                                           grpc::CompletionQueue*),
            const Request& request, int64_t timeout_ms,
            typename UnaryCall<Response>::Callback done) {
    v1::Broker::Stub* stub = Stub(broker_id);
    if (stub == nullptr) {
      Response none;
      done(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                        "broker " + std::to_string(broker_id) +
                            " is not known"),
           none);
      return;
    }
    UnaryCall<Response>::Start(loop_, stub, method, request, timeout_ms,
                               std::move(done));
  }
  // Some broker that is alive, as far as is known; -1 = none known yet.
  int32_t AnyBroker();

 private:
  void StartRefresh();
  void OnAnswer(const std::string& address, bool all_topics,
                const grpc::Status& status, v1::MetadataResponse& response);
  void Schedule(int64_t delay_ms);
  // The next address to ask: known brokers, then the bootstrap list.
  std::string NextAddress();
  v1::Broker::Stub* StubAt(const std::string& address);

  Loop* const loop_;
  const ClientConfig config_;
  const bool auto_create_;
  Observer observer_;
  std::set<std::string> topics_;
  bool all_topics_ = false;
  ClusterMetadata metadata_;
  absl::Status problem_;
  rpc::ChannelPool channels_;
  std::map<std::string, std::unique_ptr<v1::Broker::Stub>> stubs_;
  bool in_flight_ = false;
  bool again_ = false;  // somebody asked while one was in flight
  bool scheduled_ = false;
  Loop::TimerId timer_{};
  int failures_ = 0;
  int64_t last_start_ms_ = -1'000'000;
  uint64_t updates_ = 0;
  uint64_t rotation_;
  int32_t any_ = 0;
};

// "NETWORK_EXCEPTION: broker 2 (host:port): connection refused" and the like.
absl::Status TransportError(const std::string& where,
                            const grpc::Status& status);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_CLUSTER_CLIENT_H_
