#include "broker/api/config_admin.h"

#include <string>
#include <utility>

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

}  // namespace

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

void AlterConfigs(const BrokerContext& context, v1::AlterConfigsRequest request,
                  Done<v1::AlterConfigsResponse> done) {
  auto asked = request.resources();
  context.controller->AlterConfigs(
      std::move(request),
      [asked = std::move(asked), done = std::move(done)](
          absl::StatusOr<v1::AlterConfigsResponse> result) {
        if (result.ok()) return done(*std::move(result));
        v1::AlterConfigsResponse response;
        for (const v1::ConfigResourceChanges& changes : asked) {
          v1::AlteredConfig* out = response.add_results();
          *out->mutable_resource() = changes.resource();
          out->set_error_code(v1::REQUEST_TIMED_OUT);
          out->set_error_message(std::string(result.status().message()));
        }
        done(std::move(response));
      });
}

}  // namespace sillok::api
