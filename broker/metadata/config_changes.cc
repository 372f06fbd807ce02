#include "broker/metadata/config_changes.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/core.h"
#include "fmt/ranges.h"

namespace sillok {
namespace {

constexpr std::string_view kKerberosRelogin =
    "sasl.kerberos.min.time.before.relogin";

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
  }
  return items;
}

bool Contains(const std::vector<std::string>& items, const std::string& item) {
  return std::find(items.begin(), items.end(), item) != items.end();
}

// `key` is of the topic key that stands behind the name, or null.
absl::StatusOr<std::string> ChangeList(const TopicConfigKey* key,
                                       const ConfigMap& now,
                                       const v1::ConfigChange& change) {
  const bool append = change.operation() == v1::CONFIG_APPEND;
  if (key == nullptr || key->type != TopicConfigKey::Type::kList) {
    return ErrorStatus(
        ErrorCode::INVALID_CONFIG,
        fmt::format("Config value {} is not allowed for config key: {} (value "
                    "{}); allowed for lists only",
                    append ? "append" : "subtract", change.name(),
                    change.value()));
  }
  auto it = now.find(change.name());
  std::vector<std::string> items =
      SplitList(it != now.end() ? it->second : key->default_value);
  for (const std::string& item : SplitList(change.value())) {
    if (append && !Contains(items, item)) items.push_back(item);
    if (!append) std::erase(items, item);
  }
  return fmt::format("{}", fmt::join(items, ","));
}

absl::StatusOr<ConfigMap> Change(
    const ConfigMap& before, const v1::ConfigResourceChanges& changes,
    const TopicConfigKey* (*find_key)(std::string_view name)) {
  ConfigMap after = changes.replace_all() ? ConfigMap() : before;
  std::set<std::string> seen;
  for (const v1::ConfigChange& change : changes.changes()) {
    const std::string& name = change.name();
    if (name.empty()) {
      return ErrorStatus(ErrorCode::INVALID_REQUEST,
                         "A configuration key is empty.");
    }
    if (!seen.insert(name).second) {
      return ErrorStatus(
          ErrorCode::INVALID_REQUEST,
          fmt::format("The request names configuration {} more than once.",
                      name));
    }
    if (changes.replace_all() && change.operation() != v1::CONFIG_SET) {
      return ErrorStatus(
          ErrorCode::INVALID_REQUEST,
          fmt::format("Configuration {}: where all is replaced, values can "
                      "only be set.",
                      name));
    }
    switch (change.operation()) {
      case v1::CONFIG_SET:
        after[name] = change.value();
        break;
      case v1::CONFIG_DELETE:
        after.erase(name);
        break;
      case v1::CONFIG_APPEND:
      case v1::CONFIG_SUBTRACT: {
        ASSIGN_OR_RETURN(after[name],
                         ChangeList(find_key(name), before, change));
        break;
      }
      default:
        return ErrorStatus(
            ErrorCode::INVALID_REQUEST,
            fmt::format("Configuration {}: unknown operation {}; allowed: set, "
                        "delete, append, subtract.",
                        name, static_cast<int>(change.operation())));
    }
  }
  return after;
}

absl::Status ValidateBrokerConfig(const std::string& name,
                                  const std::string& value) {
  if (name == kKerberosRelogin) {
    const bool number =
        !value.empty() && value.size() <= 18 &&
        value.find_first_not_of("0123456789") == std::string::npos;
    if (number) return absl::OkStatus();
    return ErrorStatus(
        ErrorCode::INVALID_CONFIG,
        fmt::format("Invalid value {} for configuration {}: must be a whole "
                    "number of milliseconds, at least 0",
                    value, name));
  }
  if (IsDynamicBrokerConfig(name)) return ValidateTopicDefault(name, value);
  return ErrorStatus(
      ErrorCode::INVALID_CONFIG,
      fmt::format("Cannot update these configs dynamically: {} (value {}); "
                  "allowed while brokers run: {}",
                  name, value, fmt::join(DynamicBrokerConfigNames(), ", ")));
}

}  // namespace

bool IsDynamicBrokerConfig(std::string_view name) {
  return name == kKerberosRelogin || FindTopicDefaultKey(name) != nullptr;
}

std::vector<std::string> DynamicBrokerConfigNames() {
  std::vector<std::string> names;
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    names.emplace_back(key.broker_name);
  }
  names.emplace_back(kKerberosRelogin);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<ConfigMap> ChangeTopicConfig(
    const ConfigMap& now, const v1::ConfigResourceChanges& changes) {
  ASSIGN_OR_RETURN(ConfigMap after, Change(now, changes, &FindTopicConfigKey));
  RETURN_IF_ERROR(ValidateTopicConfig(after));
  return after;
}

absl::StatusOr<ConfigMap> ChangeBrokerConfig(
    const ConfigMap& now, const v1::ConfigResourceChanges& changes) {
  ASSIGN_OR_RETURN(ConfigMap after, Change(now, changes, &FindTopicDefaultKey));
  for (const auto& [name, value] : after) {
    RETURN_IF_ERROR(ValidateBrokerConfig(name, value));
  }
  return after;
}

}  // namespace sillok
