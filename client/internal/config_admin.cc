#include "client/internal/config_admin.h"

#include <charconv>
#include <utility>

namespace sillok::client {

using Stub = v1::Broker::Stub;

namespace {

void ToProto(const ConfigResource& resource, v1::ConfigResource* out) {
  out->set_type(resource.kind == ConfigResource::kTopic ? v1::TOPIC
                                                        : v1::BROKER);
  out->set_name(resource.name);
}

v1::ConfigOperation ToProto(ConfigChange::Operation operation) {
  switch (operation) {
    case ConfigChange::kSet:
      return v1::CONFIG_SET;
    case ConfigChange::kUnset:
      return v1::CONFIG_DELETE;
    case ConfigChange::kAppend:
      return v1::CONFIG_APPEND;
    case ConfigChange::kSubtract:
      return v1::CONFIG_SUBTRACT;
  }
  return v1::CONFIG_SET;
}

ConfigValue ToValue(const v1::ConfigEntry& entry) {
  ConfigValue value;
  value.name = entry.name();
  value.value = entry.value();
  value.source = entry.source();
  value.documentation = entry.documentation();
  value.read_only = entry.read_only();
  value.sensitive = entry.sensitive();
  if (entry.type() != v1::CONFIG_TYPE_UNKNOWN) {
    value.type = v1::ConfigType_Name(entry.type()).substr(sizeof("CONFIG"));
  }
  for (const v1::ConfigSynonym& synonym : entry.synonyms()) {
    value.synonyms.push_back(
        {synonym.name(), synonym.value(), synonym.source()});
  }
  return value;
}

}  // namespace

std::string ConfigResource::ToString() const {
  if (kind == kTopic) return "topic '" + name + "'";
  return name.empty() ? "all brokers" : "broker " + name;
}

absl::Status ConfigAdmin::Ask(const ConfigResource& resource,
                              const v1::DescribeConfigsRequest& request,
                              AdminCalls::TimePoint deadline,
                              v1::DescribeConfigsResponse* response) {
  BlockingCalls& calls = calls_.blocking();
  if (resource.kind == ConfigResource::kTopic || resource.name.empty()) {
    return calls.CallAny(&Stub::DescribeConfigs, request, deadline, response);
  }
  int32_t id = -1;
  const char* end = resource.name.data() + resource.name.size();
  auto [stop, error] = std::from_chars(resource.name.data(), end, id);
  if (error != std::errc() || stop != end) {
    return ErrorStatus(ErrorCode::INVALID_REQUEST,
                       "a broker's name is its id, not '" + resource.name +
                           "'");
  }
  RETURN_IF_ERROR(calls_.Metadata({}, false, deadline).status());
  std::string address = calls.AddressOf(id);
  if (address.empty()) {
    return ErrorStatus(ErrorCode::BROKER_NOT_AVAILABLE,
                       "broker " + resource.name + " is not alive");
  }
  return calls.CallAt(address, &Stub::DescribeConfigs, request, deadline,
                      response);
}

absl::StatusOr<std::vector<ConfigValue>> ConfigAdmin::Describe(
    const ConfigResource& resource) {
  v1::DescribeConfigsRequest request;
  ToProto(resource, request.add_resources());
  v1::DescribeConfigsResponse response;
  RETURN_IF_ERROR(Ask(resource, request, calls_.Deadline(), &response));
  std::vector<ConfigValue> values;
  for (const v1::DescribedConfig& result : response.results()) {
    RETURN_IF_ERROR(AnswerStatus(result.error_code(), result.error_message(),
                                 resource.ToString()));
    for (const v1::ConfigEntry& entry : result.entries()) {
      values.push_back(ToValue(entry));
    }
  }
  return values;
}

absl::Status ConfigAdmin::Alter(const ConfigResource& resource,
                                const std::vector<ConfigChange>& changes,
                                bool validate_only) {
  v1::AlterConfigsRequest request;
  request.set_validate_only(validate_only);
  v1::ConfigResourceChanges* all = request.add_resources();
  ToProto(resource, all->mutable_resource());
  for (const ConfigChange& change : changes) {
    v1::ConfigChange* one = all->add_changes();
    one->set_name(change.name);
    one->set_operation(ToProto(change.operation));
    one->set_value(change.value);
  }
  AdminCalls::TimePoint deadline = calls_.Deadline();
  for (int attempt = 1;; ++attempt) {
    v1::AlterConfigsResponse response;
    RETURN_IF_ERROR(calls_.blocking().CallAny(&Stub::AlterConfigs, request,
                                              deadline, &response));
    if (response.results_size() != 1) {
      return ErrorStatus(ErrorCode::UNKNOWN_SERVER_ERROR,
                         "an answer that does not fit the request");
    }
    const v1::AlteredConfig& result = response.results(0);
    absl::Status status = AnswerStatus(
        result.error_code(), result.error_message(), resource.ToString());
    if (!IsMisplaced(ErrorCodeOf(status)) ||
        !calls_.blocking().Pause(attempt, deadline)) {
      return status;
    }
  }
}

}  // namespace sillok::client
