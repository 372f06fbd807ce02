// CoordinatorClient: finds a group's coordinator and calls it. Loop thread only.
#ifndef SILLOK_CLIENT_INTERNAL_COORDINATOR_CLIENT_H_
#define SILLOK_CLIENT_INTERNAL_COORDINATOR_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/error.h"
#include "base/ids.h"
#include "client/consumer.h"
#include "client/internal/cluster_client.h"
#include "client/internal/loop.h"

namespace sillok::client {

class CoordinatorClient {
 public:
  // `on_search_end` is told how each search went.
  CoordinatorClient(Loop* loop, ClusterClient* cluster,
                    const ConsumerConfig& config,
                    std::function<void(ErrorCode)> on_search_end);

  // Forgets the one that was known and searches, unless a search is under way;
  // never at once after a failed one.
  void Find();
  // It may be another one now.
  void Forget();
  bool known() const { return broker_id_ >= 0; }

  // Not known: fails UNAVAILABLE inside the call.
  template <typename Request, typename Response>
  void Call(std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (
                v1::Broker::Stub::*method)(grpc::ClientContext*,
                                           const Request&,
                                           grpc::CompletionQueue*),
            const Request& request, int64_t timeout_ms,
            typename UnaryCall<Response>::Callback done) {
    cluster_->Call(broker_id_, method, request, timeout_ms, std::move(done));
  }

  // Who commits; generation -1: not as a member.
  struct Identity {
    int32_t generation = -1;
    std::string member_id;
    std::string instance_id;
  };
  // One attempt each. With no coordinator known they start a search and fail
  // COORDINATOR_NOT_AVAILABLE.
  using CommitDone = std::function<void(ErrorCode, const absl::Status&)>;
  void Commit(const PartitionOffsets& offsets, const Identity& who,
              CommitDone done);
  using OffsetsDone = std::function<void(const absl::Status&, PartitionOffsets)>;
  void FetchCommitted(const std::vector<TopicPartition>& partitions,
                      OffsetsDone done);

 private:
  void Search();
  absl::Status NotKnown() const;
  void ForgetAfter(const grpc::Status& status, ErrorCode code);

  Loop* const loop_;
  ClusterClient* const cluster_;
  const ConsumerConfig config_;
  const std::function<void(ErrorCode)> on_search_end_;
  int32_t broker_id_ = -1;
  bool searching_ = false;  // or a search is planned
  int64_t not_before_ms_ = 0;
};

// The code of an answer, or of the trouble that kept it away.
ErrorCode CodeOf(const grpc::Status& status, v1::ErrorCode answer);

// Passes by itself: the call may be made again.
bool IsPassing(ErrorCode code);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_COORDINATOR_CLIENT_H_
