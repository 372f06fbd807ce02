#include "broker/api/admin.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/metadata/cluster_view.h"
#include "broker/metadata/topic_config.h"
#include "fmt/format.h"

namespace sillok::api {
namespace {

const char* SourceName(EffectiveConfig::Source source) {
  switch (source) {
    case EffectiveConfig::Source::kTopic:
      return "TOPIC";
    case EffectiveConfig::Source::kBroker:
      return "BROKER";
    case EffectiveConfig::Source::kDefault:
      return "DEFAULT";
  }
  return "";
}

void Refuse(ErrorCode error, std::string message, v1::DescribedConfig* result) {
  result->set_error_code(static_cast<v1::ErrorCode>(error));
  result->set_error_message(std::move(message));
}

void DescribeTopic(const BrokerContext& context, const std::string& name,
                   v1::DescribedConfig* result) {
  auto topic = context.cluster->Get()->FindTopic(name);
  if (topic == nullptr) {
    return Refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                  fmt::format("there is no topic '{}'", name), result);
  }
  static const ConfigMap none;
  const ConfigMap& set = topic->configs == nullptr ? none : *topic->configs;
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    EffectiveConfig effective =
        EffectiveTopicConfig(key, set, context.options.config);
    v1::ConfigEntry* entry = result->add_entries();
    entry->set_name(key.name);
    entry->set_value(effective.value);
    entry->set_source(SourceName(effective.source));
    entry->set_documentation(key.documentation);
  }
}

void DescribeBroker(const BrokerContext& context, const std::string& name,
                    v1::DescribedConfig* result) {
  std::string self = std::to_string(context.options.broker_id.value());
  if (name != self) {
    return Refuse(
        ErrorCode::INVALID_REQUEST,
        fmt::format("broker {} was asked for the configuration of broker '{}': "
                    "ask that broker",
                    self, name),
        result);
  }
  for (const auto& config : context.options.config_entries) {
    v1::ConfigEntry* entry = result->add_entries();
    entry->set_name(config.name);
    entry->set_value(config.value);
    entry->set_source(config.is_default ? "DEFAULT" : "BROKER");
    entry->set_documentation(config.doc);
    entry->set_read_only(true);
  }
}

// Brokers alone make internal topics, with the partitions their settings say;
// with one deleted the offsets of all groups would be gone.
void RefuseInternal(const std::string& name, v1::TopicResult* result) {
  result->set_name(name);
  result->set_error_code(v1::INVALID_TOPIC_EXCEPTION);
  result->set_error_message(fmt::format(
      "'{}' is an internal topic: brokers make it, and it stays", name));
}

// The answer for all that was asked, with what was refused here in its place.
template <typename Response, typename Names>
Response WithRefused(const Names& asked, Response answered) {
  Response whole;
  int next = 0;
  for (const std::string& name : asked) {
    if (IsInternalTopic(name)) {
      RefuseInternal(name, whole.add_topics());
    } else if (next < answered.topics_size()) {
      *whole.add_topics() = std::move(*answered.mutable_topics(next++));
    }
  }
  return whole;
}

}  // namespace

void CreateTopics(const BrokerContext& context, v1::CreateTopicsRequest request,
                  Done<v1::CreateTopicsResponse> done) {
  std::vector<std::string> names;
  for (const v1::NewTopic& topic : request.topics()) {
    names.push_back(topic.name());
  }
  if (std::any_of(names.begin(), names.end(), IsInternalTopic)) {
    auto all = std::move(*request.mutable_topics());
    request.clear_topics();
    for (v1::NewTopic& topic : all) {
      if (!IsInternalTopic(topic.name())) {
        *request.add_topics() = std::move(topic);
      }
    }
    done = [names = std::move(names),
            done = std::move(done)](v1::CreateTopicsResponse response) {
      done(WithRefused(names, std::move(response)));
    };
    if (request.topics().empty()) return done({});
  }
  auto asked = request.topics();
  context.controller->CreateTopics(
      std::move(request),
      [asked = std::move(asked), done = std::move(done)](
          absl::StatusOr<v1::CreateTopicsResponse> result) {
        if (result.ok()) return done(*std::move(result));
        v1::CreateTopicsResponse response;
        for (const v1::NewTopic& topic : asked) {
          v1::TopicResult* out = response.add_topics();
          out->set_name(topic.name());
          out->set_error_code(v1::REQUEST_TIMED_OUT);
          out->set_error_message(std::string(result.status().message()));
        }
        done(std::move(response));
      });
}

void DeleteTopics(const BrokerContext& context, v1::DeleteTopicsRequest request,
                  Done<v1::DeleteTopicsResponse> done) {
  std::vector<std::string> names(request.names().begin(),
                                 request.names().end());
  if (std::any_of(names.begin(), names.end(), IsInternalTopic)) {
    request.clear_names();
    for (const std::string& name : names) {
      if (!IsInternalTopic(name)) request.add_names(name);
    }
    done = [names = std::move(names),
            done = std::move(done)](v1::DeleteTopicsResponse response) {
      done(WithRefused(names, std::move(response)));
    };
    if (request.names().empty()) return done({});
  }
  auto asked = request.names();
  context.controller->DeleteTopics(
      std::move(request),
      [asked = std::move(asked), done = std::move(done)](
          absl::StatusOr<v1::DeleteTopicsResponse> result) {
        if (result.ok()) return done(*std::move(result));
        v1::DeleteTopicsResponse response;
        for (const std::string& name : asked) {
          v1::TopicResult* out = response.add_topics();
          out->set_name(name);
          out->set_error_code(v1::REQUEST_TIMED_OUT);
          out->set_error_message(std::string(result.status().message()));
        }
        done(std::move(response));
      });
}

v1::DescribeConfigsResponse DescribeConfigs(
    const BrokerContext& context, const v1::DescribeConfigsRequest& request) {
  v1::DescribeConfigsResponse response;
  for (const v1::ConfigResource& resource : request.resources()) {
    v1::DescribedConfig* result = response.add_results();
    *result->mutable_resource() = resource;
    if (resource.type() == v1::TOPIC) {
      DescribeTopic(context, resource.name(), result);
    } else if (resource.type() == v1::BROKER) {
      DescribeBroker(context, resource.name(), result);
    } else {
      Refuse(ErrorCode::INVALID_REQUEST,
             fmt::format("resource type {} is not known; allowed: TOPIC, BROKER",
                         static_cast<int>(resource.type())),
             result);
    }
  }
  return response;
}

v1::DescribeLogDirsResponse DescribeLogDirs(
    const BrokerContext& context, const v1::DescribeLogDirsRequest& request) {
  std::set<std::string> wanted(request.topics().begin(),
                               request.topics().end());
  v1::DescribeLogDirsResponse response;
  for (const std::shared_ptr<Partition>& partition :
       context.partitions->All()) {
    if (!wanted.empty() && !wanted.contains(partition->id().topic)) continue;
    PartitionStats stats = partition->stats();
    v1::ReplicaLog* out = response.add_replicas();
    out->set_topic(partition->id().topic);
    out->set_partition(partition->id().partition);
    out->set_size_bytes(stats.size_bytes);
    out->set_log_start_offset(stats.log_start_offset.value());
    out->set_high_watermark(stats.high_watermark.value());
    out->set_log_end_offset(stats.log_end_offset.value());
    out->set_log_dir(context.options.log_dir);
    out->set_leader(stats.role == ReplicaRole::kLeader);
  }
  return response;
}

}  // namespace sillok::api
