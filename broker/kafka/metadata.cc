// Metadata (3), DescribeCluster (60).
#include <string>
#include <utility>

#include "base/error.h"
#include "broker/api/metadata.h"
#include "broker/kafka/authorized_operations.h"
#include "broker/kafka/endpoints.h"
#include "broker/kafka/families.h"
#include "broker/kafka/text.h"
#include "proto/kafka/metadata.h"

namespace sillok::kafka_door {
namespace {

using kafka::DescribeClusterRequest;
using kafka::DescribeClusterResponse;
using kafka::MetadataRequest;
using kafka::MetadataResponse;

// The id field is there from v10 on, but may be used from v12 on only.
constexpr int16_t kFirstVersionWithIds = 12;

constexpr int8_t kBrokerEndpoints = 1;
constexpr int8_t kControllerEndpoints = 2;

// Any broker takes what is meant for the controller and passes it on: a
// controller that cannot be reached by this listener is stood in for.
template <typename Brokers>
int32_t ControllerFor(const Call& call, int32_t controller_id,
                      const Brokers& brokers, int32_t id_of(
                          const typename Brokers::value_type&)) {
  if (controller_id < 0) return -1;
  for (const auto& broker : brokers) {
    if (id_of(broker) == controller_id) return controller_id;
  }
  return call.broker->options.broker_id.value();
}

MetadataResponse::MetadataResponseTopic Translate(
    const v1::TopicMetadata& topic, bool with_operations) {
  MetadataResponse::MetadataResponseTopic out;
  out.error_code = Number(topic.error_code());
  out.name = topic.name();
  out.topic_id = ToUuid(topic.topic_id());
  if (topic.name().empty() && !IsZero(out.topic_id)) out.name = std::nullopt;
  out.is_internal = topic.internal();
  if (with_operations) out.topic_authorized_operations = kTopicOperations;
  out.partitions.reserve(topic.partitions_size());
  for (const v1::PartitionMetadata& partition : topic.partitions()) {
    auto& p = out.partitions.emplace_back();
    p.error_code = Number(partition.error_code());
    p.partition_index = partition.partition();
    p.leader_id = partition.leader_id();
    p.leader_epoch = partition.leader_epoch();
    p.replica_nodes.assign(partition.replicas().begin(),
                           partition.replicas().end());
    p.isr_nodes.assign(partition.isr().begin(), partition.isr().end());
    p.offline_replicas.assign(partition.offline().begin(),
                              partition.offline().end());
  }
  return out;
}

// An id is looked at first, so that a name beside it does not matter.
bool IsValid(const MetadataRequest& request, int16_t version) {
  if (!request.topics.has_value()) return true;
  for (const auto& topic : *request.topics) {
    const bool by_id = !IsZero(topic.topic_id);
    if (by_id && version < kFirstVersionWithIds) return false;
    if (!by_id && !topic.name.has_value()) return false;
  }
  return true;
}

MetadataResponse RefuseAll(const MetadataRequest& request, ErrorCode error,
                           int16_t version) {
  MetadataResponse response;
  for (const auto& topic : *request.topics) {
    auto& out = response.topics.emplace_back();
    out.error_code = Number(error);
    out.name = topic.name;
    if (version < kFirstVersionWithIds && !out.name.has_value()) out.name = "";
    out.topic_id = topic.topic_id;
  }
  return response;
}

v1::MetadataRequest Translate(const MetadataRequest& request,
                              int16_t version) {
  v1::MetadataRequest out;
  out.set_allow_auto_topic_creation(request.allow_auto_topic_creation);
  if (!request.topics.has_value() ||
      (version == 0 && request.topics->empty())) {
    out.set_all_topics(true);
    return out;
  }
  for (const auto& topic : *request.topics) {
    if (!IsZero(topic.topic_id)) {
      out.add_topic_ids(FromUuid(topic.topic_id));
    } else {
      out.add_topics(*topic.name);
    }
  }
  return out;
}

void HandleMetadata(const Call& call, MetadataRequest request,
                    api::Done<MetadataResponse> done) {
  if (!IsValid(request, call.version)) {
    return done(
        RefuseAll(request, ErrorCode::INVALID_REQUEST, call.version));
  }
  const bool topic_operations = request.include_topic_authorized_operations;
  const bool cluster_operations = request.include_cluster_authorized_operations;
  api::Metadata(
      *call.broker, Translate(request, call.version),
      [call, topic_operations, cluster_operations,
       done = std::move(done)](v1::MetadataResponse answer) {
        MetadataResponse response;
        response.cluster_id = NullIfEmpty(answer.cluster_id());
        for (const v1::BrokerAddress& broker : answer.brokers()) {
          auto endpoint = FindEndpoint(broker, call.caller.listener);
          if (!endpoint.has_value()) continue;
          response.brokers.push_back({broker.broker_id(), endpoint->host,
                                      endpoint->port,
                                      NullIfEmpty(broker.rack())});
        }
        response.controller_id = ControllerFor(
            call, answer.controller_id(), response.brokers,
            [](const MetadataResponse::MetadataResponseBroker& broker) {
              return broker.node_id;
            });
        response.topics.reserve(answer.topics_size());
        for (const v1::TopicMetadata& topic : answer.topics()) {
          response.topics.push_back(Translate(topic, topic_operations));
        }
        if (cluster_operations) {
          response.cluster_authorized_operations = kClusterOperations;
        }
        done(std::move(response));
      });
}

void HandleDescribeCluster(const Call& call, DescribeClusterRequest request,
                           api::Done<DescribeClusterResponse> done) {
  DescribeClusterResponse refused;
  refused.endpoint_type = request.endpoint_type;
  if (request.endpoint_type != kBrokerEndpoints) {
    const bool known = request.endpoint_type == kControllerEndpoints;
    refused.error_code = Number(known ? ErrorCode::MISMATCHED_ENDPOINT_TYPE
                                      : ErrorCode::UNSUPPORTED_ENDPOINT_TYPE);
    refused.error_message = "a broker tells of brokers only (endpoint type 1)";
    return done(std::move(refused));
  }
  api::Metadata(
      *call.broker, {},
      [call, operations = request.include_cluster_authorized_operations,
       done = std::move(done)](v1::MetadataResponse answer) {
        DescribeClusterResponse response;
        response.cluster_id = answer.cluster_id();
        for (const v1::BrokerAddress& broker : answer.brokers()) {
          auto endpoint = FindEndpoint(broker, call.caller.listener);
          if (!endpoint.has_value()) continue;
          response.brokers.push_back({broker.broker_id(), endpoint->host,
                                      endpoint->port,
                                      NullIfEmpty(broker.rack())});
        }
        response.controller_id = ControllerFor(
            call, answer.controller_id(), response.brokers,
            [](const DescribeClusterResponse::DescribeClusterBroker& broker) {
              return broker.broker_id;
            });
        if (operations) {
          response.cluster_authorized_operations = kClusterOperations;
        }
        done(std::move(response));
      });
}

}  // namespace

ApiHandlers MetadataHandlers() {
  return {{MetadataRequest::kInfo.api_key,
           Answered<MetadataRequest, MetadataResponse, HandleMetadata>},
          {DescribeClusterRequest::kInfo.api_key,
           Answered<DescribeClusterRequest, DescribeClusterResponse,
                    HandleDescribeCluster>}};
}

}  // namespace sillok::kafka_door
