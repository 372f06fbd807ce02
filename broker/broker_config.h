// The broker's configuration: its keys, and what they mean for each part.
#ifndef SILLOK_BROKER_BROKER_CONFIG_H_
#define SILLOK_BROKER_BROKER_CONFIG_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "base/config.h"
#include "broker/listeners.h"

namespace sillok {

// Kafka's names and defaults where Kafka has the key; lives for ever.
const ConfigSpec& BrokerConfigSpec();

// Where to listen and what to tell others. An INVALID_ARGUMENT names the key that
// is wrong.
absl::StatusOr<ListenerPlan> BrokerListeners(const Config& config);

// What was set, by key: topics fall back to it.
std::map<std::string, std::string> ConfigValues(const Config& config);

}  // namespace sillok

#endif  // SILLOK_BROKER_BROKER_CONFIG_H_
