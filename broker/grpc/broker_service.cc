#include "broker/grpc/broker_service.h"

#include <string>
#include <utility>
#include <vector>

#include "base/rpc/raw_bytes.h"
#include "broker/api/admin.h"
#include "broker/api/fetch.h"
#include "broker/api/init_producer_id.h"
#include "broker/api/list_offsets.h"
#include "broker/api/metadata.h"
#include "broker/api/produce.h"
#include "broker/grpc/ordered_stream.h"
#include "proto/broker.grpc.pb.h"
#include "proto/wire/payload_codec.h"

namespace sillok::grpc_door {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

template <typename S>
using RawData = v1::Broker::WithRawCallbackMethod_Produce<
    v1::Broker::WithRawCallbackMethod_ProduceStream<
        v1::Broker::WithRawCallbackMethod_Fetch<
            v1::Broker::WithRawCallbackMethod_FetchStream<S>>>>;
template <typename S>
using Producers = v1::Broker::WithCallbackMethod_InitProducerId<S>;
template <typename S>
using Reads = v1::Broker::WithCallbackMethod_ListOffsets<
    v1::Broker::WithCallbackMethod_OffsetsForLeaderEpoch<
        v1::Broker::WithCallbackMethod_Metadata<
            v1::Broker::WithCallbackMethod_FindCoordinator<S>>>>;
template <typename S>
using Groups = v1::Broker::WithCallbackMethod_JoinGroup<
    v1::Broker::WithCallbackMethod_SyncGroup<
        v1::Broker::WithCallbackMethod_Heartbeat<
            v1::Broker::WithCallbackMethod_LeaveGroup<
                v1::Broker::WithCallbackMethod_OffsetCommit<
                    v1::Broker::WithCallbackMethod_OffsetFetch<
                        v1::Broker::WithCallbackMethod_ListGroups<
                            v1::Broker::WithCallbackMethod_DescribeGroups<
                                v1::Broker::WithCallbackMethod_DeleteGroups<
                                    v1::Broker::WithCallbackMethod_OffsetDelete<
                                        S>>>>>>>>>>;
template <typename S>
using Admin = v1::Broker::WithCallbackMethod_CreateTopics<
    v1::Broker::WithCallbackMethod_DeleteTopics<
        v1::Broker::WithCallbackMethod_CreatePartitions<
            v1::Broker::WithCallbackMethod_ElectLeaders<
                v1::Broker::WithCallbackMethod_AlterConfigs<
                    v1::Broker::WithCallbackMethod_DescribeConfigs<
                        v1::Broker::WithCallbackMethod_DeleteRecords<
                            v1::Broker::WithCallbackMethod_DescribeLogDirs<
                                S>>>>>>>>;
using Base = RawData<Producers<Reads<Groups<Admin<v1::Broker::Service>>>>>;

// "ipv4:10.0.0.7:40322" -> "/10.0.0.7", as Kafka writes a client's host.
std::string ClientHost(const CallbackServerContext& context) {
  std::string peer = context.peer();
  size_t scheme = peer.find(':');
  size_t port = peer.rfind(':');
  if (scheme == std::string::npos || port <= scheme) return "/" + peer;
  return "/" + peer.substr(scheme + 1, port - scheme - 1);
}

api::RequestContext Caller(const CallbackServerContext& context) {
  return {.client_host = ClientHost(context)};
}

// One call whose handler may wait for data: it is told when the caller leaves.
class LongCall final : public ServerUnaryReactor {
 public:
  const std::shared_ptr<api::Departure>& departure() const {
    return departure_;
  }

 private:
  void OnCancel() override { departure_->Leave(); }
  void OnDone() override { delete this; }

  const std::shared_ptr<api::Departure> departure_ =
      std::make_shared<api::Departure>();
};

Bytes Serialize(api::FetchAnswer answer) {
  std::vector<Bytes> batches;
  batches.reserve(answer.batches.size());
  for (api::FetchedBatches& fetched : answer.batches) {
    batches.push_back(std::move(fetched.bytes));
  }
  return SerializeFetchResponse(std::move(answer.response), batches);
}

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()));
}

class BrokerService final : public Base {
 public:
  explicit BrokerService(const api::BrokerContext& context)
      : context_(context) {}

  ServerUnaryReactor* Produce(CallbackServerContext* call,
                              const ByteBuffer* request,
                              ByteBuffer* response) override {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    v1::ProduceRequest message;
    std::vector<Bytes> batches;
    absl::Status status =
        ParseProduceRequest(rpc::ToBytes(*request), &message, &batches);
    if (!status.ok()) {
      reactor->Finish(ToGrpc(status));
      return reactor;
    }
    api::Produce(context_, Caller(*call), std::move(message),
                 std::move(batches),
                 [reactor, response](v1::ProduceResponse answer) {
                   *response = rpc::ToByteBuffer(
                       Bytes::FromString(answer.SerializeAsString()));
                   reactor->Finish(grpc::Status::OK);
                 });
    return reactor;
  }

  grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* ProduceStream(
      CallbackServerContext* call) override {
    return new OrderedStream(
        {}, [this, caller = Caller(*call)](
                Bytes request, OrderedStream::Answer answer) -> absl::Status {
          v1::ProduceRequest message;
          std::vector<Bytes> batches;
          absl::Status status =
              ParseProduceRequest(request, &message, &batches);
          if (!status.ok()) return status;
          bool silent = message.acks() == 0;
          api::Produce(
              context_, caller, std::move(message), std::move(batches),
              [silent,
               answer = std::move(answer)](v1::ProduceResponse response) {
                if (silent) return answer(std::nullopt);
                answer(Bytes::FromString(response.SerializeAsString()));
              });
          return absl::OkStatus();
        });
  }

  ServerUnaryReactor* Fetch(CallbackServerContext* call,
                            const ByteBuffer* request,
                            ByteBuffer* response) override {
    auto* const reactor = new LongCall;
    v1::FetchRequest message;
    if (!Parse(rpc::ToBytes(*request), &message)) {
      reactor->Finish({grpc::INVALID_ARGUMENT, "not a valid FetchRequest"});
      return reactor;
    }
    api::RequestContext caller = Caller(*call);
    caller.departure = reactor->departure();
    api::Fetch(context_, caller, std::move(message), api::FetchForm::kBytes,
               [reactor, response](api::FetchAnswer answer) {
                 *response = rpc::ToByteBuffer(Serialize(std::move(answer)));
                 reactor->Finish(grpc::Status::OK);
               });
    return reactor;
  }

  grpc::ServerBidiReactor<ByteBuffer, ByteBuffer>* FetchStream(
      CallbackServerContext* call) override {
    api::RequestContext caller = Caller(*call);
    caller.departure = std::make_shared<api::Departure>();
    return new OrderedStream(
        {.max_requests = 64},
        [this, caller](Bytes request,
                       OrderedStream::Answer answer) -> absl::Status {
          v1::FetchRequest message;
          if (!Parse(request, &message)) {
            return absl::InvalidArgumentError("not a valid FetchRequest");
          }
          api::Fetch(context_, caller, std::move(message),
                     api::FetchForm::kBytes,
                     [answer = std::move(answer)](api::FetchAnswer fetched) {
                       answer(Serialize(std::move(fetched)));
                     });
          return absl::OkStatus();
        },
        [departure = caller.departure] { departure->Leave(); });
  }

  ServerUnaryReactor* InitProducerId(
      CallbackServerContext* call, const v1::InitProducerIdRequest* request,
      v1::InitProducerIdResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::InitProducerId(context_, Caller(*call), *request, std::move(done));
    });
  }
  ServerUnaryReactor* ListOffsets(
      CallbackServerContext* call, const v1::ListOffsetsRequest* request,
      v1::ListOffsetsResponse* response) override {
    return Now(call, response, api::ListOffsets(context_, *request));
  }
  ServerUnaryReactor* OffsetsForLeaderEpoch(
      CallbackServerContext* call,
      const v1::OffsetsForLeaderEpochRequest* request,
      v1::OffsetsForLeaderEpochResponse* response) override {
    return Now(call, response, api::OffsetsForLeaderEpoch(context_, *request));
  }
  ServerUnaryReactor* Metadata(CallbackServerContext* call,
                               const v1::MetadataRequest* request,
                               v1::MetadataResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::Metadata(context_, *request, std::move(done));
    });
  }
  ServerUnaryReactor* FindCoordinator(
      CallbackServerContext* call, const v1::FindCoordinatorRequest* request,
      v1::FindCoordinatorResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::FindCoordinator(context_, *request, std::move(done));
    });
  }

  ServerUnaryReactor* JoinGroup(CallbackServerContext* call,
                                const v1::JoinGroupRequest* request,
                                v1::JoinGroupResponse* response) override {
    GroupCaller caller;
    caller.client_host = ClientHost(*call);
    // Part of this API from the start; without it nobody would watch for new
    // partitions after a static leader's restart.
    caller.supports_skip_assignment = true;
    return Later(call, response, [&](auto done) {
      context_.groups->Join(*request, std::move(caller), std::move(done));
    });
  }
  ServerUnaryReactor* SyncGroup(CallbackServerContext* call,
                                const v1::SyncGroupRequest* request,
                                v1::SyncGroupResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->Sync(*request, std::move(done));
    });
  }
  ServerUnaryReactor* Heartbeat(CallbackServerContext* call,
                                const v1::HeartbeatRequest* request,
                                v1::HeartbeatResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->Heartbeat(*request, std::move(done));
    });
  }
  ServerUnaryReactor* LeaveGroup(CallbackServerContext* call,
                                 const v1::LeaveGroupRequest* request,
                                 v1::LeaveGroupResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->Leave(*request, std::move(done));
    });
  }
  ServerUnaryReactor* OffsetCommit(
      CallbackServerContext* call, const v1::OffsetCommitRequest* request,
      v1::OffsetCommitResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->Commit(*request, std::move(done));
    });
  }
  ServerUnaryReactor* OffsetFetch(CallbackServerContext* call,
                                  const v1::OffsetFetchRequest* request,
                                  v1::OffsetFetchResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->FetchOffsets(*request, std::move(done));
    });
  }
  ServerUnaryReactor* ListGroups(CallbackServerContext* call,
                                 const v1::ListGroupsRequest* request,
                                 v1::ListGroupsResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->List(*request, std::move(done));
    });
  }
  ServerUnaryReactor* DescribeGroups(
      CallbackServerContext* call, const v1::DescribeGroupsRequest* request,
      v1::DescribeGroupsResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->Describe(*request, std::move(done));
    });
  }
  ServerUnaryReactor* DeleteGroups(CallbackServerContext* call,
                                   const v1::DeleteGroupsRequest* request,
                                   v1::DeleteGroupsResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->DeleteGroups(*request, std::move(done));
    });
  }
  ServerUnaryReactor* OffsetDelete(CallbackServerContext* call,
                                   const v1::OffsetDeleteRequest* request,
                                   v1::OffsetDeleteResponse* response) override {
    return Later(call, response, [&](auto done) {
      context_.groups->DeleteOffsets(*request, std::move(done));
    });
  }

  ServerUnaryReactor* CreateTopics(
      CallbackServerContext* call, const v1::CreateTopicsRequest* request,
      v1::CreateTopicsResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::CreateTopics(context_, *request, std::move(done));
    });
  }
  ServerUnaryReactor* DeleteTopics(
      CallbackServerContext* call, const v1::DeleteTopicsRequest* request,
      v1::DeleteTopicsResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::DeleteTopics(context_, *request, std::move(done));
    });
  }
  ServerUnaryReactor* CreatePartitions(
      CallbackServerContext* call, const v1::CreatePartitionsRequest* request,
      v1::CreatePartitionsResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::CreatePartitions(context_, *request, std::move(done));
    });
  }
  ServerUnaryReactor* ElectLeaders(
      CallbackServerContext* call, const v1::ElectLeadersRequest* request,
      v1::ElectLeadersResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::ElectLeaders(context_, *request, std::move(done));
    });
  }
  ServerUnaryReactor* AlterConfigs(
      CallbackServerContext* call, const v1::AlterConfigsRequest* request,
      v1::AlterConfigsResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::AlterConfigs(context_, *request, std::move(done));
    });
  }
  ServerUnaryReactor* DeleteRecords(
      CallbackServerContext* call, const v1::DeleteRecordsRequest* request,
      v1::DeleteRecordsResponse* response) override {
    return Later(call, response, [&](auto done) {
      api::DeleteRecords(context_, *request, std::move(done));
    });
  }
  ServerUnaryReactor* DescribeConfigs(
      CallbackServerContext* call, const v1::DescribeConfigsRequest* request,
      v1::DescribeConfigsResponse* response) override {
    return Now(call, response, api::DescribeConfigs(context_, *request));
  }
  ServerUnaryReactor* DescribeLogDirs(
      CallbackServerContext* call, const v1::DescribeLogDirsRequest* request,
      v1::DescribeLogDirsResponse* response) override {
    return Now(call, response, api::DescribeLogDirs(context_, *request));
  }

 private:
  static bool Parse(const Bytes& request, v1::FetchRequest* message) {
    std::string scratch;
    std::string_view flat = request.Flat(&scratch);
    return message->ParseFromArray(flat.data(), static_cast<int>(flat.size()));
  }

  // Answers from whichever thread the handler that `begin` starts calls back on.
  template <typename Response, typename Begin>
  static ServerUnaryReactor* Later(CallbackServerContext* call,
                                   Response* response, Begin begin) {
    ServerUnaryReactor* reactor = call->DefaultReactor();
    begin(api::Done<Response>([reactor, response](Response answer) {
      *response = std::move(answer);
      reactor->Finish(grpc::Status::OK);
    }));
    return reactor;
  }

  template <typename Response>
  static ServerUnaryReactor* Now(CallbackServerContext* call,
                                 Response* response, Response answer) {
    *response = std::move(answer);
    ServerUnaryReactor* reactor = call->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const api::BrokerContext& context_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewBrokerService(
    const api::BrokerContext& context) {
  return std::make_unique<BrokerService>(context);
}

}  // namespace sillok::grpc_door
