// What can be set for a topic: Kafka's keys, types, defaults and limits. Pure.
//
// A topic's value of a key is what was set for the topic, else what was set under
// the key's broker name (log.retention.ms for retention.ms) for the one broker
// while it runs, else for all brokers while they run, else what the broker's own
// file has, else the default.
#ifndef SILLOK_BROKER_METADATA_TOPIC_CONFIG_H_
#define SILLOK_BROKER_METADATA_TOPIC_CONFIG_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sillok {

struct TopicConfigKey {
  enum class Type { kInt, kLong, kDouble, kBool, kString, kList };
  const char* name;         // retention.ms
  const char* broker_name;  // log.retention.ms
  Type type;
  const char* default_value;
  // Numbers: limits. Strings and lists: what is allowed, separated by '|'
  // (empty = anything).
  double min;
  double max;
  const char* allowed;
  const char* documentation;
};

// All keys, by name.
const std::vector<TopicConfigKey>& TopicConfigKeys();
const TopicConfigKey* FindTopicConfigKey(std::string_view name);
// By broker_name.
const TopicConfigKey* FindTopicDefaultKey(std::string_view broker_name);

using ConfigMap = std::map<std::string, std::string>;

// OK, or INVALID_CONFIG with one line that names key, value and what is allowed.
absl::Status ValidateTopicConfig(const ConfigMap& topic_config);
absl::Status ValidateTopicConfigValue(std::string_view key,
                                      std::string_view value);
// The same for a key by its broker_name.
absl::Status ValidateTopicDefault(std::string_view broker_name,
                                  std::string_view value);

// A topic's settings, parsed: what log and replication need.
struct TopicConfig {
  bool cleanup_delete = true;  // cleanup.policy
  bool cleanup_compact = false;
  int64_t retention_ms = 604'800'000;      // -1 = for ever
  int64_t retention_bytes = -1;            // -1 = without bound
  int32_t segment_bytes = 1'073'741'824;
  int64_t segment_ms = 604'800'000;
  int64_t segment_jitter_ms = 0;
  int32_t segment_index_bytes = 10'485'760;
  int32_t index_interval_bytes = 4096;
  int32_t max_message_bytes = 1'048'588;
  int32_t min_insync_replicas = 1;
  bool unclean_leader_election_enable = false;
  std::string compression_type = "producer";
  bool log_append_time = false;  // message.timestamp.type
  int64_t timestamp_before_max_ms = std::numeric_limits<int64_t>::max();
  int64_t timestamp_after_max_ms = 3'600'000;
  int64_t flush_messages = std::numeric_limits<int64_t>::max();
  int64_t flush_ms = std::numeric_limits<int64_t>::max();
  int64_t file_delete_delay_ms = 60'000;
  int64_t delete_retention_ms = 86'400'000;
  int64_t min_compaction_lag_ms = 0;
  int64_t max_compaction_lag_ms = std::numeric_limits<int64_t>::max();
  double min_cleanable_dirty_ratio = 0.5;
  bool preallocate = false;
};

// `broker_defaults` has the broker's own configuration by broker names (keys of
// other things are ignored). A value that does not parse falls back to the next
// source: what stands in a znode must not keep a replica from starting.
TopicConfig ResolveTopicConfig(const ConfigMap& topic_config,
                               const ConfigMap& broker_defaults);

// Where values come from, nearest first; null = nothing there.
enum class ConfigSource {
  kTopic,           // keys by topic names; all others by broker names
  kDynamicBroker,   // set for one broker while it runs
  kDynamicDefault,  // set for all brokers while they run
  kBroker,          // its file
  kDefault,
};
struct ConfigLayers {
  const ConfigMap* topic = nullptr;
  const ConfigMap* dynamic_broker = nullptr;
  const ConfigMap* dynamic_default = nullptr;
  const ConfigMap* broker = nullptr;
};
struct ConfigOrigin {
  std::string name;  // under which it was set
  std::string value;
  ConfigSource source = ConfigSource::kDefault;
};
// What there is for a key, the value in force first and the default last. Values
// that are not valid are left out.
std::vector<ConfigOrigin> TopicConfigOrigins(const TopicConfigKey& key,
                                             const ConfigLayers& layers);

// The value in force of one key, as text, and where it is from: the topic, the
// broker (all its layers in one map), or the default.
struct EffectiveConfig {
  std::string value;
  using Source = ConfigSource;
  Source source = Source::kDefault;
};
EffectiveConfig EffectiveTopicConfig(const TopicConfigKey& key,
                                     const ConfigMap& topic_config,
                                     const ConfigMap& broker_defaults);

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_TOPIC_CONFIG_H_
