#include "broker/api/config_admin.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/metadata/cluster_view.h"
#include "broker/metadata/config_changes.h"
#include "broker/metadata/topic_config.h"
#include "fmt/format.h"

namespace sillok::api {
namespace {

const char* SourceName(ConfigSource source) {
  switch (source) {
    case ConfigSource::kTopic:
      return "TOPIC";
    case ConfigSource::kDynamicBroker:
      return "DYNAMIC_BROKER";
    case ConfigSource::kDynamicDefault:
      return "DYNAMIC_DEFAULT_BROKER";
    case ConfigSource::kBroker:
      return "BROKER";
    case ConfigSource::kDefault:
      return "DEFAULT";
  }
  return "";
}

v1::ConfigType TypeOf(const TopicConfigKey& key) {
  switch (key.type) {
    case TopicConfigKey::Type::kInt:
      return v1::CONFIG_INT;
    case TopicConfigKey::Type::kLong:
      return v1::CONFIG_LONG;
    case TopicConfigKey::Type::kDouble:
      return v1::CONFIG_DOUBLE;
    case TopicConfigKey::Type::kBool:
      return v1::CONFIG_BOOLEAN;
    case TopicConfigKey::Type::kString:
      return v1::CONFIG_STRING;
    case TopicConfigKey::Type::kList:
      return v1::CONFIG_LIST;
  }
  return v1::CONFIG_TYPE_UNKNOWN;
}

v1::ConfigType TypeOf(const BrokerOptions::ConfigEntry& entry) {
  if (const TopicConfigKey* key = FindTopicDefaultKey(entry.name)) {
    return TypeOf(*key);
  }
  return entry.type;
}

void Refuse(ErrorCode error, std::string message, v1::DescribedConfig* result) {
  result->set_error_code(static_cast<v1::ErrorCode>(error));
  result->set_error_message(std::move(message));
}

// The first origin is the value in force.
void FillOrigins(const std::vector<ConfigOrigin>& origins,
                 v1::ConfigEntry* entry) {
  entry->set_value(origins.front().value);
  entry->set_source(SourceName(origins.front().source));
  for (const ConfigOrigin& origin : origins) {
    v1::ConfigSynonym* synonym = entry->add_synonyms();
    synonym->set_name(origin.name);
    synonym->set_value(origin.value);
    synonym->set_source(SourceName(origin.source));
  }
}

std::shared_ptr<const DynamicConfigs> Dynamic(const BrokerContext& context) {
  if (context.dynamic_configs != nullptr) return context.dynamic_configs->Get();
  return std::make_shared<DynamicConfigs>();
}

void DescribeTopic(const BrokerContext& context, const std::string& name,
                   v1::DescribedConfig* result) {
  auto topic = context.cluster->Get()->FindTopic(name);
  if (topic == nullptr) {
    return Refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                  fmt::format("there is no topic '{}'", name), result);
  }
  auto dynamic = Dynamic(context);
  const ConfigLayers layers{.topic = topic->configs.get(),
                            .dynamic_broker = &dynamic->broker,
                            .dynamic_default = &dynamic->all,
                            .broker = &context.options.config};
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    v1::ConfigEntry* entry = result->add_entries();
    entry->set_name(key.name);
    entry->set_type(TypeOf(key));
    entry->set_documentation(key.documentation);
    FillOrigins(TopicConfigOrigins(key, layers), entry);
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
  auto dynamic = Dynamic(context);
  for (const auto& config : context.options.config_entries) {
    std::vector<ConfigOrigin> origins;
    auto add = [&](const ConfigMap& map, ConfigSource source) {
      auto it = map.find(config.name);
      if (it != map.end()) origins.push_back({config.name, it->second, source});
    };
    add(dynamic->broker, ConfigSource::kDynamicBroker);
    add(dynamic->all, ConfigSource::kDynamicDefault);
    if (!config.is_default) {
      origins.push_back({config.name, config.value, ConfigSource::kBroker});
    }
    origins.push_back({config.name,
                       config.is_default ? config.value : config.default_value,
                       ConfigSource::kDefault});
    v1::ConfigEntry* entry = result->add_entries();
    entry->set_name(config.name);
    entry->set_type(TypeOf(config));
    entry->set_documentation(config.doc);
    entry->set_read_only(!IsDynamicBrokerConfig(config.name));
    FillOrigins(origins, entry);
  }
}

// What was set for all brokers; there is no value in force, since each may have
// its own.
void DescribeAllBrokers(const BrokerContext& context,
                        v1::DescribedConfig* result) {
  auto dynamic = Dynamic(context);
  for (const auto& [name, value] : dynamic->all) {
    v1::ConfigEntry* entry = result->add_entries();
    entry->set_name(name);
    if (const TopicConfigKey* key = FindTopicDefaultKey(name)) {
      entry->set_type(TypeOf(*key));
      entry->set_documentation(key->documentation);
    }
    FillOrigins({{name, value, ConfigSource::kDynamicDefault}}, entry);
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
    } else if (resource.type() == v1::BROKER && resource.name().empty()) {
      DescribeAllBrokers(context, result);
    } else if (resource.type() == v1::BROKER) {
      DescribeBroker(context, resource.name(), result);
    } else {
      Refuse(ErrorCode::INVALID_REQUEST,
             fmt::format("resource type {} is not known; allowed: 2 (topic), 4 "
                         "(broker)",
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
