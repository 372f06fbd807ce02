// The broker's configuration: its keys, and what they mean for each part.
#ifndef SILLOK_BROKER_BROKER_CONFIG_H_
#define SILLOK_BROKER_BROKER_CONFIG_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/config.h"
#include "broker/metadata/znodes.h"

namespace sillok {

// Kafka's names and defaults where Kafka has the key; lives for ever.
const ConfigSpec& BrokerConfigSpec();

// `NAME://host:port,NAME://host:port` as in `listeners`. An error names the part
// that is wrong.
absl::StatusOr<std::vector<BrokerEndpoint>> ParseListeners(
    const std::string& text);

// What was set, by key: topics fall back to it.
std::map<std::string, std::string> ConfigValues(const Config& config);

}  // namespace sillok

#endif  // SILLOK_BROKER_BROKER_CONFIG_H_
