// DescribeConfigs (32), AlterConfigs (33), IncrementalAlterConfigs (44).
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/api/config_admin.h"
#include "broker/kafka/config_words.h"
#include "broker/kafka/families.h"
#include "broker/kafka/text.h"
#include "fmt/format.h"
#include "proto/kafka/config_admin.h"

namespace sillok::kafka_door {
namespace {

using kafka::AlterConfigsRequest;
using kafka::AlterConfigsResponse;
using kafka::DescribeConfigsRequest;
using kafka::DescribeConfigsResponse;
using kafka::IncrementalAlterConfigsRequest;
using kafka::IncrementalAlterConfigsResponse;

v1::ConfigResource Resource(int8_t type, const std::string& name) {
  v1::ConfigResource out;
  out.set_type(static_cast<v1::ConfigResourceType>(type));
  out.set_name(name);
  return out;
}

bool IsKnown(int8_t type) { return type == v1::TOPIC || type == v1::BROKER; }

std::string UnknownType(int8_t type) {
  return fmt::format("resource type {} is not known here; known: {} (topic), "
                     "{} (broker)",
                     type, static_cast<int>(v1::TOPIC),
                     static_cast<int>(v1::BROKER));
}

// ---- DescribeConfigs

using DescribedResource = DescribeConfigsResponse::DescribeConfigsResult;

DescribedResource::DescribeConfigsResourceResult Translate(
    const v1::ConfigEntry& entry, const DescribeConfigsRequest& request) {
  DescribedResource::DescribeConfigsResourceResult out;
  out.name = entry.name();
  out.value = entry.value();
  if (entry.sensitive()) out.value.reset();
  out.read_only = entry.read_only();
  out.config_source = SourceNumber(entry.source());
  out.is_default = out.config_source == kDefaultSource;
  out.is_sensitive = entry.sensitive();
  out.config_type = static_cast<int8_t>(entry.type());
  out.documentation.reset();
  if (request.include_documentation) out.documentation = entry.documentation();
  if (!request.include_synonyms) return out;
  for (const v1::ConfigSynonym& synonym : entry.synonyms()) {
    auto& s = out.synonyms.emplace_back();
    s.name = synonym.name();
    s.value = synonym.value();
    if (entry.sensitive()) s.value.reset();
    s.source = SourceNumber(synonym.source());
  }
  return out;
}

DescribedResource Describe(
    const Call& call, const DescribeConfigsRequest& request,
    const DescribeConfigsRequest::DescribeConfigsResource& resource) {
  DescribedResource out;
  out.resource_type = resource.resource_type;
  out.resource_name = resource.resource_name;
  out.error_message.reset();
  if (!IsKnown(resource.resource_type)) {
    out.error_code = Number(ErrorCode::INVALID_REQUEST);
    out.error_message = UnknownType(resource.resource_type);
    return out;
  }
  v1::DescribeConfigsRequest wanted;
  *wanted.add_resources() =
      Resource(resource.resource_type, resource.resource_name);
  const v1::DescribeConfigsResponse answer =
      api::DescribeConfigs(*call.broker, wanted);
  const v1::DescribedConfig& described = answer.results(0);
  out.error_code = Number(described.error_code());
  out.error_message = MessageFor(out.error_code, described.error_message());
  std::set<std::string> keys;
  if (resource.configuration_keys.has_value()) {
    keys.insert(resource.configuration_keys->begin(),
                resource.configuration_keys->end());
  }
  for (const v1::ConfigEntry& entry : described.entries()) {
    if (resource.configuration_keys.has_value() &&
        !keys.contains(entry.name())) {
      continue;
    }
    out.configs.push_back(Translate(entry, request));
  }
  return out;
}

void HandleDescribeConfigs(const Call& call, DescribeConfigsRequest request,
                           api::Done<DescribeConfigsResponse> done) {
  DescribeConfigsResponse response;
  for (const auto& resource : request.resources) {
    response.results.push_back(Describe(call, request, resource));
  }
  done(std::move(response));
}

// ---- AlterConfigs, IncrementalAlterConfigs

// Kafka's operations and v1's have the same numbers.
constexpr int8_t kSet = 0, kDelete = 1, kSubtract = 3;

// Empty: fine. Else what is wrong with it.
template <typename Config>
std::string Check(const Config& config, int8_t operation) {
  if (operation < kSet || operation > kSubtract) {
    return fmt::format("operation {} on '{}' is not known", operation,
                       config.name);
  }
  if (operation != kDelete && !config.value.has_value()) {
    return fmt::format("the value of '{}' is null", config.name);
  }
  return "";
}

int8_t OperationOf(
    const AlterConfigsRequest::AlterConfigsResource::AlterableConfig&) {
  return kSet;
}
int8_t OperationOf(const IncrementalAlterConfigsRequest::AlterConfigsResource::
                       AlterableConfig& config) {
  return config.config_operation;
}

// Both requests have the same shape; the older one replaces all there is.
template <typename Request, typename Response>
void Alter(const Call& call, const Request& request, bool replace_all,
           api::Done<Response> done) {
  v1::AlterConfigsRequest wanted;
  wanted.set_validate_only(request.validate_only);
  Response response;
  std::vector<size_t> passed;  // places of what is passed on
  for (const auto& resource : request.resources) {
    auto& out = response.responses.emplace_back();
    out.resource_type = resource.resource_type;
    out.resource_name = resource.resource_name;
    out.error_message.reset();
    std::string wrong = IsKnown(resource.resource_type)
                            ? ""
                            : UnknownType(resource.resource_type);
    v1::ConfigResourceChanges changes;
    *changes.mutable_resource() =
        Resource(resource.resource_type, resource.resource_name);
    changes.set_replace_all(replace_all);
    for (const auto& config : resource.configs) {
      const int8_t operation = OperationOf(config);
      if (wrong.empty()) wrong = Check(config, operation);
      if (!wrong.empty()) break;
      v1::ConfigChange* change = changes.add_changes();
      change->set_name(config.name);
      change->set_operation(static_cast<v1::ConfigOperation>(operation));
      change->set_value(config.value.value_or(""));
    }
    if (!wrong.empty()) {
      out.error_code = Number(ErrorCode::INVALID_REQUEST);
      out.error_message = std::move(wrong);
      continue;
    }
    passed.push_back(response.responses.size() - 1);
    *wanted.add_resources() = std::move(changes);
  }
  if (passed.empty()) return done(std::move(response));
  api::AlterConfigs(
      *call.broker, std::move(wanted),
      [response = std::move(response), passed = std::move(passed),
       done = std::move(done)](v1::AlterConfigsResponse answer) mutable {
        for (size_t i = 0; i < passed.size(); ++i) {
          const v1::AlteredConfig& result =
              answer.results(static_cast<int>(i));
          auto& out = response.responses[passed[i]];
          out.error_code = Number(result.error_code());
          out.error_message =
              MessageFor(out.error_code, result.error_message());
        }
        done(std::move(response));
      });
}

void HandleAlterConfigs(const Call& call, AlterConfigsRequest request,
                        api::Done<AlterConfigsResponse> done) {
  Alter(call, request, /*replace_all=*/true, std::move(done));
}

void HandleIncrementalAlterConfigs(
    const Call& call, IncrementalAlterConfigsRequest request,
    api::Done<IncrementalAlterConfigsResponse> done) {
  Alter(call, request, /*replace_all=*/false, std::move(done));
}

}  // namespace

ApiHandlers ConfigAdminHandlers() {
  return {{DescribeConfigsRequest::kInfo.api_key,
           Answered<DescribeConfigsRequest, DescribeConfigsResponse,
                    HandleDescribeConfigs>},
          {AlterConfigsRequest::kInfo.api_key,
           Answered<AlterConfigsRequest, AlterConfigsResponse,
                    HandleAlterConfigs>},
          {IncrementalAlterConfigsRequest::kInfo.api_key,
           Answered<IncrementalAlterConfigsRequest,
                    IncrementalAlterConfigsResponse,
                    HandleIncrementalAlterConfigs>}};
}

}  // namespace sillok::kafka_door
