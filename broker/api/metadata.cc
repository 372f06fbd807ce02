#include "broker/api/metadata.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "broker/metadata/topic_name.h"
#include "fmt/format.h"

namespace sillok::api {
namespace {

constexpr char kOffsetsTopic[] = "__consumer_offsets";
constexpr int32_t kCreateTimeoutMs = 5'000;

void FillBroker(const BrokerInfo& broker, v1::BrokerAddress* out) {
  out->set_broker_id(broker.id.value());
  out->set_host(broker.host);
  out->set_port(broker.port);
  out->set_kafka_port(broker.kafka_port);
  out->set_rack(broker.rack);
  for (const ListenerEndpoint& endpoint : broker.endpoints) {
    v1::BrokerEndpoint* told = out->add_endpoints();
    told->set_listener(endpoint.listener);
    told->set_security_protocol(endpoint.security_protocol);
    told->set_host(endpoint.host);
    told->set_port(endpoint.port);
  }
}

void FillTopic(const ClusterView& view, const TopicInfo& topic,
               v1::TopicMetadata* out) {
  out->set_name(topic.name);
  out->set_topic_id(topic.id);
  out->set_internal(topic.internal);
  for (const auto& partition : topic.partitions) {
    if (partition == nullptr) continue;
    v1::PartitionMetadata* p = out->add_partitions();
    p->set_partition(partition->partition);
    p->set_leader_epoch(partition->leader_epoch.value());
    // A leader that is gone cannot be asked, whatever the state says.
    bool alive = view.FindBroker(partition->leader) != nullptr;
    p->set_leader_id(alive ? partition->leader.value() : -1);
    if (!alive) p->set_error_code(v1::LEADER_NOT_AVAILABLE);
    for (BrokerId id : partition->replicas) {
      p->add_replicas(id.value());
      if (view.FindBroker(id) == nullptr) p->add_offline(id.value());
    }
    for (BrokerId id : partition->isr) p->add_isr(id.value());
  }
}

void Refuse(const std::string& name, ErrorCode error, std::string message,
            v1::TopicMetadata* out) {
  out->set_name(name);
  out->set_error_code(static_cast<v1::ErrorCode>(error));
  out->set_error_message(std::move(message));
}

v1::MetadataResponse Answer(const BrokerContext& context,
                            const v1::MetadataRequest& request,
                            const std::set<std::string>& created) {
  std::shared_ptr<const ClusterView> view = context.cluster->Get();
  v1::MetadataResponse response;
  response.set_cluster_id(view->cluster_id());
  response.set_controller_id(view->controller_id().value());
  for (const auto& [id, broker] : view->brokers()) {
    FillBroker(broker, response.add_brokers());
  }
  if (request.all_topics()) {
    std::vector<const TopicInfo*> topics;
    view->ForEachTopic([&](const TopicInfo& t) { topics.push_back(&t); });
    std::sort(topics.begin(), topics.end(),
              [](auto* a, auto* b) { return a->name < b->name; });
    for (const TopicInfo* topic : topics) {
      FillTopic(*view, *topic, response.add_topics());
    }
    return response;
  }
  for (const std::string& id : request.topic_ids()) {
    v1::TopicMetadata* out = response.add_topics();
    if (auto topic = view->FindTopicById(id); topic != nullptr) {
      FillTopic(*view, *topic, out);
    } else {
      Refuse("", ErrorCode::UNKNOWN_TOPIC_ID,
             fmt::format("there is no topic with the id '{}'", id), out);
      out->set_topic_id(id);
    }
  }
  for (const std::string& name : request.topics()) {
    v1::TopicMetadata* out = response.add_topics();
    if (auto topic = view->FindTopic(name); topic != nullptr) {
      FillTopic(*view, *topic, out);
    } else if (auto status = ValidateTopicName(name); !status.ok()) {
      Refuse(name, ErrorCode::INVALID_TOPIC_EXCEPTION,
             std::string(status.message()), out);
    } else if (created.contains(name)) {
      Refuse(name, ErrorCode::LEADER_NOT_AVAILABLE,
             fmt::format("topic '{}' is being created", name), out);
    } else {
      Refuse(name, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
             fmt::format("there is no topic '{}'", name), out);
    }
  }
  return response;
}

// As Kafka: as many replicas as are asked for, or as there are brokers.
int32_t ReplicationFor(const ClusterView& view, int32_t wanted) {
  return std::min<int32_t>(
      wanted, std::max<int32_t>(1, static_cast<int32_t>(view.brokers().size())));
}

v1::NewTopic OffsetsTopic(const BrokerContext& context,
                          const ClusterView& view) {
  v1::NewTopic topic;
  topic.set_name(kOffsetsTopic);
  topic.set_partitions(context.options.offsets_topic_partitions);
  topic.set_replication_factor(
      ReplicationFor(view, context.options.offsets_topic_replication_factor));
  (*topic.mutable_configs())["cleanup.policy"] = "compact";
  (*topic.mutable_configs())["compression.type"] = "producer";
  (*topic.mutable_configs())["segment.bytes"] =
      std::to_string(context.options.offsets_topic_segment_bytes);
  return topic;
}

v1::FindCoordinatorResponse NotAvailable(std::string message) {
  v1::FindCoordinatorResponse response;
  response.set_error_code(v1::COORDINATOR_NOT_AVAILABLE);
  response.set_error_message(std::move(message));
  return response;
}

v1::FindCoordinatorResponse Locate(const BrokerContext& context,
                                   const std::string& group_id) {
  std::shared_ptr<const ClusterView> view = context.cluster->Get();
  int32_t number = context.groups->PartitionFor(group_id);
  const PartitionInfo* partition = view->FindPartition(kOffsetsTopic, number);
  const BrokerInfo* leader =
      partition == nullptr ? nullptr : view->FindBroker(partition->leader);
  if (leader == nullptr) {
    return NotAvailable(fmt::format("{}-{} has no leader right now",
                                    kOffsetsTopic, number));
  }
  v1::FindCoordinatorResponse response;
  FillBroker(*leader, response.mutable_coordinator());
  return response;
}

}  // namespace

void Metadata(const BrokerContext& context, v1::MetadataRequest request,
              Done<v1::MetadataResponse> done) {
  v1::CreateTopicsRequest create;
  std::set<std::string> created;
  if (request.allow_auto_topic_creation() &&
      context.options.auto_create_topics) {
    std::shared_ptr<const ClusterView> view = context.cluster->Get();
    for (const std::string& name : request.topics()) {
      if (view->FindTopic(name) != nullptr || !ValidateTopicName(name).ok() ||
          !created.insert(name).second) {
        continue;
      }
      if (name == kOffsetsTopic) {
        *create.add_topics() = OffsetsTopic(context, *view);
        continue;
      }
      v1::NewTopic* topic = create.add_topics();
      topic->set_name(name);
      topic->set_partitions(context.options.num_partitions);
      topic->set_replication_factor(
          ReplicationFor(*view, context.options.replication_factor));
    }
  }
  if (created.empty()) return done(Answer(context, request, created));
  create.set_timeout_ms(kCreateTimeoutMs);
  context.controller->CreateTopics(
      std::move(create),
      [&context, request = std::move(request), created = std::move(created),
       done = std::move(done)](
          const absl::StatusOr<v1::CreateTopicsResponse>& result) {
        v1::MetadataResponse response = Answer(context, request, created);
        // Why a topic could not be made says more than that it is missing.
        if (result.ok()) {
          for (const v1::TopicResult& made : result->topics()) {
            if (made.error_code() == v1::NONE ||
                made.error_code() == v1::TOPIC_ALREADY_EXISTS ||
                made.error_code() == v1::REQUEST_TIMED_OUT) {
              continue;
            }
            for (auto& topic : *response.mutable_topics()) {
              if (topic.name() != made.name()) continue;
              topic.set_error_code(made.error_code());
              topic.set_error_message(made.error_message());
            }
          }
        }
        done(std::move(response));
      });
}

void FindCoordinator(const BrokerContext& context,
                     v1::FindCoordinatorRequest request,
                     Done<v1::FindCoordinatorResponse> done) {
  v1::FindCoordinatorResponse refused;
  if (request.key_type() != 0) {
    refused.set_error_code(v1::INVALID_REQUEST);
    refused.set_error_message(fmt::format(
        "key_type {} is not known; allowed: 0 (group)", request.key_type()));
    return done(std::move(refused));
  }
  if (request.key().empty()) {
    refused.set_error_code(v1::INVALID_GROUP_ID);
    refused.set_error_message("the group id is empty");
    return done(std::move(refused));
  }
  std::shared_ptr<const ClusterView> view = context.cluster->Get();
  if (view->FindTopic(kOffsetsTopic) != nullptr) {
    return done(Locate(context, request.key()));
  }
  if (view->brokers().empty()) {
    return done(NotAvailable("this broker does not know the cluster yet"));
  }
  v1::CreateTopicsRequest create;
  *create.add_topics() = OffsetsTopic(context, *view);
  create.set_timeout_ms(kCreateTimeoutMs);
  context.controller->CreateTopics(
      std::move(create),
      [&context, key = request.key(), done = std::move(done)](
          const absl::StatusOr<v1::CreateTopicsResponse>& result) {
        if (context.cluster->Get()->FindTopic(kOffsetsTopic) != nullptr) {
          return done(Locate(context, key));
        }
        std::string why = "it is being created";
        if (!result.ok()) {
          why = std::string(result.status().message());
        } else if (result->topics_size() == 1 &&
                   !result->topics(0).error_message().empty()) {
          why = result->topics(0).error_message();
        }
        done(NotAvailable(
            fmt::format("topic {} is not there yet: {}", kOffsetsTopic, why)));
      });
}

}  // namespace sillok::api
