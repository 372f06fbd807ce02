// What becomes of a configuration when an administrator changes it. Pure.
#ifndef SILLOK_BROKER_METADATA_CONFIG_CHANGES_H_
#define SILLOK_BROKER_METADATA_CONFIG_CHANGES_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/metadata/topic_config.h"
#include "proto/admin.pb.h"

namespace sillok {

// The whole configuration after `changes`, or why they are refused; nothing is
// changed by halves. INVALID_CONFIG: an unknown key, a value that is not
// allowed, CONFIG_APPEND or CONFIG_SUBTRACT where the key is no list.
// INVALID_REQUEST: a key named twice, another operation than CONFIG_SET with
// replace_all. Appending what a list has, and subtracting what it has not,
// changes nothing; a list that was not set is taken to be the default.
absl::StatusOr<ConfigMap> ChangeTopicConfig(
    const ConfigMap& now, const v1::ConfigResourceChanges& changes);

// The same for a broker, or for all of them: DynamicBrokerConfigNames() alone
// can be changed while brokers run.
absl::StatusOr<ConfigMap> ChangeBrokerConfig(
    const ConfigMap& now, const v1::ConfigResourceChanges& changes);

// What topics fall back to, and sasl.kerberos.min.time.before.relogin, which is
// kept for tools that set it and means nothing here.
bool IsDynamicBrokerConfig(std::string_view name);
std::vector<std::string> DynamicBrokerConfigNames();

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_CONFIG_CHANGES_H_
