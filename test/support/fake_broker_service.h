// One broker of a FakeCluster. Internal to fake_broker*.cc; each family of requests
// has a file.
#ifndef SILLOK_TEST_SUPPORT_FAKE_BROKER_SERVICE_H_
#define SILLOK_TEST_SUPPORT_FAKE_BROKER_SERVICE_H_

#include <chrono>
#include <cstddef>
#include <set>
#include <string>

#include "base/error.h"
#include "proto/broker.grpc.pb.h"
#include "test/support/fake_broker_state.h"

namespace sillok::test {

class FakeBrokerService final : public v1::Broker::Service {
 public:
  FakeBrokerService(FakeClusterState* state, int id)
      : state_(*state), id_(id) {}

  using Context = grpc::ServerContext;

  grpc::Status Metadata(Context*, const v1::MetadataRequest* request,
                        v1::MetadataResponse* response) override;
  grpc::Status InitProducerId(Context*, const v1::InitProducerIdRequest*,
                              v1::InitProducerIdResponse* response) override;
  grpc::Status Produce(Context* context, const v1::ProduceRequest* request,
                       v1::ProduceResponse* response) override;
  grpc::Status ProduceStream(
      Context* context,
      grpc::ServerReaderWriter<v1::ProduceResponse, v1::ProduceRequest>* stream)
      override;
  grpc::Status Fetch(Context* context, const v1::FetchRequest* request,
                     v1::FetchResponse* response) override;
  grpc::Status FetchStream(
      Context* context,
      grpc::ServerReaderWriter<v1::FetchResponse, v1::FetchRequest>* stream)
      override;
  grpc::Status ListOffsets(Context*, const v1::ListOffsetsRequest* request,
                           v1::ListOffsetsResponse* response) override;
  grpc::Status OffsetsForLeaderEpoch(
      Context*, const v1::OffsetsForLeaderEpochRequest* request,
      v1::OffsetsForLeaderEpochResponse* response) override;
  grpc::Status FindCoordinator(Context*, const v1::FindCoordinatorRequest*,
                               v1::FindCoordinatorResponse* response) override;
  grpc::Status JoinGroup(Context* context, const v1::JoinGroupRequest* request,
                         v1::JoinGroupResponse* response) override;
  grpc::Status SyncGroup(Context* context, const v1::SyncGroupRequest* request,
                         v1::SyncGroupResponse* response) override;
  grpc::Status Heartbeat(Context*, const v1::HeartbeatRequest* request,
                         v1::HeartbeatResponse* response) override;
  grpc::Status LeaveGroup(Context*, const v1::LeaveGroupRequest* request,
                          v1::LeaveGroupResponse* response) override;
  grpc::Status OffsetCommit(Context*, const v1::OffsetCommitRequest* request,
                            v1::OffsetCommitResponse* response) override;
  grpc::Status OffsetFetch(Context*, const v1::OffsetFetchRequest* request,
                           v1::OffsetFetchResponse* response) override;
  grpc::Status ListGroups(Context*, const v1::ListGroupsRequest*,
                          v1::ListGroupsResponse* response) override;
  grpc::Status DescribeGroups(Context*,
                              const v1::DescribeGroupsRequest* request,
                              v1::DescribeGroupsResponse* response) override;
  grpc::Status CreateTopics(Context*, const v1::CreateTopicsRequest* request,
                            v1::CreateTopicsResponse* response) override;
  grpc::Status DeleteTopics(Context*, const v1::DeleteTopicsRequest* request,
                            v1::DeleteTopicsResponse* response) override;
  grpc::Status DescribeConfigs(Context*,
                               const v1::DescribeConfigsRequest* request,
                               v1::DescribeConfigsResponse* response) override;
  grpc::Status DescribeLogDirs(Context*, const v1::DescribeLogDirsRequest*,
                               v1::DescribeLogDirsResponse* response) override;

 private:
  size_t Index() const { return static_cast<size_t>(id_ - 1); }

  // Waits for `ready`; false when the call or the cluster ended first.
  template <typename Ready>
  bool Wait(Context* context, Lock* lock, const Ready& ready) {
    while (!ready()) {
      if (state_.stopping || !state_.up[Index()] || context->IsCancelled()) {
        return false;
      }
      state_.changed.wait_for(*lock, std::chrono::milliseconds(20));
    }
    return true;
  }
  bool AwaitRelease(Context* context, Lock* lock) {
    return Wait(context, lock, [&] { return !state_.hold_produce; });
  }

  void Append(const v1::ProduceRequest& request,
              v1::ProduceResponse* response);
  bool FetchOnce(Context* context, const v1::FetchRequest& request,
                 v1::FetchResponse* response);
  // True when there is something to tell at once: data or an error.
  bool Fill(const v1::FetchRequest& request, v1::FetchResponse* response);
  ErrorCode FetchCheck(FakePartition* partition,
                       const v1::PartitionFetch& wanted);
  static void ByTime(const FakePartition& partition,
                     const v1::PartitionListOffset& wanted,
                     v1::PartitionListOffsetResult* result);
  ErrorCode Check(FakeGroup* group);
  ErrorCode CheckMember(FakeGroup* group, const std::string& member,
                        int generation);
  void StartRebalance(FakeGroup* group);
  void CompleteJoin(FakeGroup* group);

  FakeClusterState& state_;
  const int id_;
  std::set<std::string> pending_;
};

}  // namespace sillok::test

#endif  // SILLOK_TEST_SUPPORT_FAKE_BROKER_SERVICE_H_
