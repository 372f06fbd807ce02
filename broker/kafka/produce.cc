// Produce (0): one record batch for each partition, straight from the frame.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/api/produce.h"
#include "broker/kafka/families.h"
#include "broker/kafka/leader_hints.h"
#include "broker/kafka/text.h"
#include "fmt/format.h"
#include "proto/kafka/produce.h"
#include "proto/record/record_batch.h"

namespace sillok::kafka_door {
namespace {

using Request = kafka::ProduceRequest;
using Response = kafka::ProduceResponse;
using PartitionResponse =
    Response::TopicProduceResponse::PartitionProduceResponse;

// Below this version records have the format of Kafka 0.10 and older, which
// nobody has to read any more.
constexpr int16_t kFirstServedVersion = 3;
// KIP-110: what came before cannot be told of zstd.
constexpr int16_t kFirstZstdVersion = 7;

PartitionResponse Refused(int32_t index, ErrorCode error,
                          const std::string& message) {
  PartitionResponse response;
  response.index = index;
  response.error_code = Number(error);
  response.base_offset = -1;
  response.error_message = MessageFor(response.error_code, message);
  return response;
}

// The same answer for every partition.
Response RefuseAll(const Request& request, ErrorCode error,
                   const std::string& message) {
  Response response;
  for (const auto& topic : request.topic_data) {
    auto& out = response.responses.emplace_back();
    out.name = topic.name;
    for (const auto& partition : topic.partition_data) {
      out.partition_responses.push_back(
          Refused(partition.index, error, message));
    }
  }
  return response;
}

// Which codec a batch says it has; meaningless bytes are the log's to refuse.
bool IsZstd(const Bytes& batch) {
  constexpr size_t kAttributesLowByte = 22, kHeaderBytes = 61;
  if (batch.size() < kHeaderBytes) return false;
  char attributes;
  batch.CopyTo(kAttributesLowByte, 1, &attributes);
  return static_cast<record::Codec>(attributes & record::kCodecMask) ==
         record::Codec::kZstd;
}

void Fill(const v1::PartitionProduceResult& result, PartitionResponse* out) {
  out->index = result.partition();
  out->error_code = Number(result.error_code());
  out->base_offset = result.base_offset();
  out->log_append_time_ms = result.log_append_time_ms();
  out->log_start_offset = result.log_start_offset();
  out->error_message = MessageFor(out->error_code, result.error_message());
  for (const v1::RecordError& error : result.record_errors()) {
    out->record_errors.push_back(
        {error.batch_index(), NullIfEmpty(error.message())});
  }
}

// What is asked of api::Produce, and where its results go.
struct Plan {
  v1::ProduceRequest request;
  std::vector<Bytes> batches;
  Response response;  // of the refused ones already filled
  struct Place {
    size_t topic, partition;
  };
  std::vector<Place> places;  // of request.partitions(i)
};

Plan MakePlan(const Call& call, Request request) {
  Plan plan;
  plan.request.set_acks(request.acks);
  // 0 is a timeout to Kafka's clients and none to v1.
  plan.request.set_timeout_ms(std::max(1, request.timeout_ms));
  plan.request.set_client_id(call.caller.client_id);
  for (auto& topic : request.topic_data) {
    auto& out = plan.response.responses.emplace_back();
    out.name = topic.name;
    for (auto& partition : topic.partition_data) {
      Bytes records = std::move(partition.records).value_or(Bytes());
      if (call.version < kFirstZstdVersion && IsZstd(records)) {
        out.partition_responses.push_back(Refused(
            partition.index, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            fmt::format("zstd needs Produce version {}", kFirstZstdVersion)));
        continue;
      }
      plan.places.push_back({plan.response.responses.size() - 1,
                             out.partition_responses.size()});
      out.partition_responses.emplace_back().index = partition.index;
      auto* wanted = plan.request.add_partitions();
      wanted->set_topic(topic.name);
      wanted->set_partition(partition.index);
      plan.batches.push_back(std::move(records));
    }
  }
  return plan;
}

// KIP-951: a client that came to the wrong broker is told the right one.
void AddLeaderHints(const Call& call, Response* response) {
  LeaderHints hints(*call.broker, call.caller.listener);
  for (auto& topic : response->responses) {
    for (auto& partition : topic.partition_responses) {
      auto leader = hints.Find(partition.error_code, topic.name,
                               partition.index);
      if (!leader.has_value()) continue;
      partition.current_leader = {leader->leader_id, leader->leader_epoch};
    }
  }
  for (const LeaderHints::Node& node : hints.nodes()) {
    response->node_endpoints.push_back(
        {node.id, node.host, node.port, NullIfEmpty(node.rack)});
  }
}

// With acks=0 nobody hears of an error but by the end of the connection.
Outcome OutcomeOf(const Response& response, int16_t version, bool silent) {
  if (!silent) return Encoded(response, version);
  ErrorCounts errors = CountErrors(response);
  if (errors.empty()) return Outcome::Nothing();
  Outcome outcome = Outcome::Close(
      fmt::format("a Produce with acks=0 failed with {}",
                  ErrorName(ErrorCodeFromNumber(errors.begin()->first))));
  outcome.errors = std::move(errors);
  return outcome;
}

void HandleProduce(const Call& call, Request request, Respond respond) {
  const bool silent = request.acks == 0;
  if (call.version < kFirstServedVersion) {
    return respond(OutcomeOf(
        RefuseAll(request, ErrorCode::UNSUPPORTED_VERSION, ""), call.version,
        silent));
  }
  if (request.transactional_id.has_value()) {
    return respond(OutcomeOf(
        RefuseAll(request, ErrorCode::UNSUPPORTED_VERSION,
                  "transactions are not supported: no transactional.id"),
        call.version, silent));
  }
  auto plan = std::make_shared<Plan>(MakePlan(call, std::move(request)));
  api::Produce(
      *call.broker, call.caller, std::move(plan->request),
      std::move(plan->batches),
      [plan, call, silent,
       respond = std::move(respond)](v1::ProduceResponse answer) {
        for (int i = 0; i < answer.partitions_size(); ++i) {
          const Plan::Place& place = plan->places[i];
          Fill(answer.partitions(i),
               &plan->response.responses[place.topic]
                    .partition_responses[place.partition]);
        }
        if (call.version >= 10) AddLeaderHints(call, &plan->response);
        respond(OutcomeOf(plan->response, call.version, silent));
      });
}

}  // namespace

ApiHandlers ProduceHandlers() {
  return {{Request::kInfo.api_key, Decoded<Request, HandleProduce>}};
}

}  // namespace sillok::kafka_door
