#include "broker/metadata/topic_config.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/core.h"

namespace sillok {
namespace {

using Type = TopicConfigKey::Type;

constexpr double kNoLimit = std::numeric_limits<double>::infinity();
constexpr char kForever[] = "9223372036854775807";

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(Trim(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<int64_t> ParseLong(std::string_view text) {
  text = Trim(text);
  int64_t value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() ||
      end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> ParseDouble(std::string_view text) {
  text = Trim(text);
  double value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || !std::isfinite(value) ||
      end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::optional<bool> ParseBool(std::string_view text) {
  std::string lower(Trim(text));
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  if (lower == "true") return true;
  if (lower == "false") return false;
  return std::nullopt;
}

std::string LimitsText(const TopicConfigKey& key) {
  if (key.max == kNoLimit) return fmt::format("at least {:.15g}", key.min);
  return fmt::format("from {:.15g} to {:.15g}", key.min, key.max);
}

// A value to be checked, and the name it was given under.
struct Given {
  std::string_view name;
  std::string_view value;
};

absl::Status Invalid(const Given& given, const std::string& why) {
  return ErrorStatus(ErrorCode::INVALID_CONFIG,
                     fmt::format("Invalid value {} for configuration {}: {}",
                                 given.value, given.name, why));
}

bool WithinLimits(const TopicConfigKey& key, double value) {
  return value >= key.min && value <= key.max;
}

absl::Status CheckNumber(const TopicConfigKey& key, const Given& given) {
  if (key.type == Type::kDouble) {
    const std::optional<double> number = ParseDouble(given.value);
    if (!number) {
      return Invalid(given, "must be a number " + LimitsText(key));
    }
    if (!WithinLimits(key, *number)) {
      return Invalid(given, "must be " + LimitsText(key));
    }
    return absl::OkStatus();
  }
  const std::optional<int64_t> number = ParseLong(given.value);
  const bool fits =
      number && (key.type == Type::kLong ||
                 (*number >= std::numeric_limits<int32_t>::min() &&
                  *number <= std::numeric_limits<int32_t>::max()));
  if (!fits) {
    return Invalid(given,
                   fmt::format("must be a whole number ({} bits) {}",
                               key.type == Type::kInt ? 32 : 64,
                               LimitsText(key)));
  }
  if (!WithinLimits(key, static_cast<double>(*number))) {
    return Invalid(given, "must be " + LimitsText(key));
  }
  return absl::OkStatus();
}

std::string AllowedText(const TopicConfigKey& key) {
  std::string text;
  for (std::string_view word : Split(key.allowed, '|')) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

bool IsAllowed(const TopicConfigKey& key, std::string_view word) {
  const std::vector<std::string_view> words = Split(key.allowed, '|');
  return std::find(words.begin(), words.end(), word) != words.end();
}

absl::Status CheckWords(const TopicConfigKey& key, const Given& given) {
  if (*key.allowed == '\0') return absl::OkStatus();
  const std::vector<std::string_view> words =
      key.type == Type::kList ? Split(given.value, ',')
                              : std::vector<std::string_view>{Trim(given.value)};
  for (std::string_view word : words) {
    if (IsAllowed(key, word)) continue;
    return Invalid(given,
                   fmt::format("must be {} of: {}",
                               key.type == Type::kList ? "a list" : "one",
                               AllowedText(key)));
  }
  return absl::OkStatus();
}

// What a reader of a topic's settings starts from: the topic's value when it is
// right, else the broker's, else the default.
class Resolver {
 public:
  Resolver(const ConfigMap& topic, const ConfigMap& broker)
      : topic_(topic), broker_(broker) {}

  std::string Text(const char* name) const {
    return EffectiveTopicConfig(*FindTopicConfigKey(name), topic_, broker_)
        .value;
  }
  int64_t Long(const char* name) const { return *ParseLong(Text(name)); }
  int32_t Int(const char* name) const {
    return static_cast<int32_t>(Long(name));
  }
  double Double(const char* name) const { return *ParseDouble(Text(name)); }
  bool Bool(const char* name) const { return *ParseBool(Text(name)); }

 private:
  const ConfigMap& topic_;
  const ConfigMap& broker_;
};

}  // namespace

const std::vector<TopicConfigKey>& TopicConfigKeys() {
  static const auto* const kKeys = new std::vector<TopicConfigKey>{
      {"cleanup.policy", "log.cleanup.policy", Type::kList, "delete", 0, 0,
       "delete|compact",
       "What becomes of old segments: delete them by age and size, compact "
       "them by key, or both."},
      {"compression.type", "compression.type", Type::kString, "producer", 0, 0,
       "producer|uncompressed|gzip|snappy|lz4|zstd",
       "How batches are kept: as the producer sent them, or in one codec."},
      {"delete.retention.ms", "log.cleaner.delete.retention.ms", Type::kLong,
       "86400000", 0, kNoLimit, "",
       "How long a compacted topic keeps the marker of a deleted key."},
      {"file.delete.delay.ms", "log.segment.delete.delay.ms", Type::kLong,
       "60000", 0, kNoLimit, "",
       "How long files stay on disk after they left the log."},
      {"flush.messages", "log.flush.interval.messages", Type::kLong, kForever,
       1, kNoLimit, "", "Records after which the log is synced to disk."},
      {"flush.ms", "log.flush.interval.ms", Type::kLong, kForever, 0, kNoLimit,
       "", "Time after which the log is synced to disk."},
      {"follower.replication.throttled.replicas",
       "follower.replication.throttled.replicas", Type::kString, "", 0, 0, "",
       "Replicas that are throttled on the follower's side."},
      {"index.interval.bytes", "log.index.interval.bytes", Type::kInt, "4096",
       0, kNoLimit, "", "Bytes of log between two entries of the index."},
      {"leader.replication.throttled.replicas",
       "leader.replication.throttled.replicas", Type::kString, "", 0, 0, "",
       "Replicas that are throttled on the leader's side."},
      {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms",
       Type::kLong, kForever, 1, kNoLimit, "",
       "Time after which a record must be up for compaction."},
      {"max.message.bytes", "message.max.bytes", Type::kInt, "1048588", 0,
       kNoLimit, "", "Largest record batch taken, after compression."},
      {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms",
       Type::kLong, "3600000", 0, kNoLimit, "",
       "How far a record's timestamp may be ahead of the broker's clock."},
      {"message.timestamp.before.max.ms",
       "log.message.timestamp.before.max.ms", Type::kLong, kForever, 0,
       kNoLimit, "",
       "How far a record's timestamp may be behind the broker's clock."},
      {"message.timestamp.type", "log.message.timestamp.type", Type::kString,
       "CreateTime", 0, 0, "CreateTime|LogAppendTime",
       "Whether a record has its producer's time or the time of its append."},
      {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio",
       Type::kDouble, "0.5", 0, 1, "",
       "Part of the log not yet compacted from which on it is."},
      {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms",
       Type::kLong, "0", 0, kNoLimit, "",
       "Time a record stays as it is before compaction may take it."},
      {"min.insync.replicas", "min.insync.replicas", Type::kInt, "1", 1,
       kNoLimit, "",
       "In-sync replicas that a write with acks=all needs."},
      {"preallocate", "log.preallocate", Type::kBool, "false", 0, 0, "",
       "Whether a new segment's file gets its full size at once."},
      {"retention.bytes", "log.retention.bytes", Type::kLong, "-1", -1,
       kNoLimit, "", "Size a partition is cut down to; -1 = no limit."},
      {"retention.ms", "log.retention.ms", Type::kLong, "604800000", -1,
       kNoLimit, "", "Age at which segments are deleted; -1 = never."},
      {"segment.bytes", "log.segment.bytes", Type::kInt, "1073741824", 14,
       kNoLimit, "", "Size at which a new segment is begun."},
      {"segment.index.bytes", "log.index.size.max.bytes", Type::kInt,
       "10485760", 4, kNoLimit, "", "Largest size of a segment's index."},
      {"segment.jitter.ms", "log.roll.jitter.ms", Type::kLong, "0", 0,
       kNoLimit, "", "Random part taken off segment.ms."},
      {"segment.ms", "log.roll.ms", Type::kLong, "604800000", 1, kNoLimit, "",
       "Age at which a new segment is begun."},
      {"unclean.leader.election.enable", "unclean.leader.election.enable",
       Type::kBool, "false", 0, 0, "",
       "Whether a replica that is not in sync may lead when no other is left: "
       "acknowledged records are lost then."},
  };
  return *kKeys;
}

const TopicConfigKey* FindTopicConfigKey(std::string_view name) {
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    if (name == key.name) return &key;
  }
  return nullptr;
}

namespace {

absl::Status Check(const TopicConfigKey& key, const Given& given) {
  switch (key.type) {
    case Type::kInt:
    case Type::kLong:
    case Type::kDouble:
      return CheckNumber(key, given);
    case Type::kBool:
      if (ParseBool(given.value)) return absl::OkStatus();
      return Invalid(given, "must be true or false");
    case Type::kString:
    case Type::kList:
      return CheckWords(key, given);
  }
  return absl::OkStatus();
}

}  // namespace

const TopicConfigKey* FindTopicDefaultKey(std::string_view broker_name) {
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    if (broker_name == key.broker_name) return &key;
  }
  return nullptr;
}

absl::Status ValidateTopicConfigValue(std::string_view name,
                                      std::string_view value) {
  const TopicConfigKey* key = FindTopicConfigKey(name);
  if (key == nullptr) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       fmt::format("Unknown topic config name: {} (value {})",
                                   name, value));
  }
  return Check(*key, {name, value});
}

absl::Status ValidateTopicDefault(std::string_view broker_name,
                                  std::string_view value) {
  const TopicConfigKey* key = FindTopicDefaultKey(broker_name);
  if (key == nullptr) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       fmt::format("{} (value {}) is not what topics fall back "
                                   "to",
                                   broker_name, value));
  }
  return Check(*key, {broker_name, value});
}

absl::Status ValidateTopicConfig(const ConfigMap& topic_config) {
  for (const auto& [name, value] : topic_config) {
    RETURN_IF_ERROR(ValidateTopicConfigValue(name, value));
  }
  auto lag = [&](const char* name) {
    return *ParseLong(
        EffectiveTopicConfig(*FindTopicConfigKey(name), topic_config, {})
            .value);
  };
  const int64_t shortest = lag("min.compaction.lag.ms");
  const int64_t longest = lag("max.compaction.lag.ms");
  if (shortest > longest) {
    return ErrorStatus(
        ErrorCode::INVALID_CONFIG,
        fmt::format("Invalid value {} for configuration min.compaction.lag.ms: "
                    "must be at most max.compaction.lag.ms, which is {}",
                    shortest, longest));
  }
  return absl::OkStatus();
}

std::vector<ConfigOrigin> TopicConfigOrigins(const TopicConfigKey& key,
                                             const ConfigLayers& layers) {
  std::vector<ConfigOrigin> origins;
  auto add = [&](const ConfigMap* map, const char* name, ConfigSource source) {
    if (map == nullptr) return;
    auto it = map->find(name);
    if (it == map->end() || !Check(key, {name, it->second}).ok()) return;
    origins.push_back({name, it->second, source});
  };
  add(layers.topic, key.name, ConfigSource::kTopic);
  add(layers.dynamic_broker, key.broker_name, ConfigSource::kDynamicBroker);
  add(layers.dynamic_default, key.broker_name, ConfigSource::kDynamicDefault);
  add(layers.broker, key.broker_name, ConfigSource::kBroker);
  origins.push_back({key.broker_name, key.default_value,
                     ConfigSource::kDefault});
  return origins;
}

EffectiveConfig EffectiveTopicConfig(const TopicConfigKey& key,
                                     const ConfigMap& topic_config,
                                     const ConfigMap& broker_defaults) {
  ConfigOrigin nearest = std::move(
      TopicConfigOrigins(key, {.topic = &topic_config,
                               .broker = &broker_defaults})
          .front());
  return {std::move(nearest.value), nearest.source};
}

TopicConfig ResolveTopicConfig(const ConfigMap& topic_config,
                               const ConfigMap& broker_defaults) {
  const Resolver get(topic_config, broker_defaults);
  TopicConfig config;
  const std::string policy = get.Text("cleanup.policy");
  config.cleanup_delete = policy.find("delete") != std::string::npos;
  config.cleanup_compact = policy.find("compact") != std::string::npos;
  config.retention_ms = get.Long("retention.ms");
  config.retention_bytes = get.Long("retention.bytes");
  config.segment_bytes = get.Int("segment.bytes");
  config.segment_ms = get.Long("segment.ms");
  config.segment_jitter_ms = get.Long("segment.jitter.ms");
  config.segment_index_bytes = get.Int("segment.index.bytes");
  config.index_interval_bytes = get.Int("index.interval.bytes");
  config.max_message_bytes = get.Int("max.message.bytes");
  config.min_insync_replicas = get.Int("min.insync.replicas");
  config.unclean_leader_election_enable =
      get.Bool("unclean.leader.election.enable");
  config.compression_type = std::string(Trim(get.Text("compression.type")));
  config.log_append_time =
      Trim(get.Text("message.timestamp.type")) == "LogAppendTime";
  config.timestamp_before_max_ms = get.Long("message.timestamp.before.max.ms");
  config.timestamp_after_max_ms = get.Long("message.timestamp.after.max.ms");
  config.flush_messages = get.Long("flush.messages");
  config.flush_ms = get.Long("flush.ms");
  config.file_delete_delay_ms = get.Long("file.delete.delay.ms");
  config.delete_retention_ms = get.Long("delete.retention.ms");
  config.min_compaction_lag_ms = get.Long("min.compaction.lag.ms");
  config.max_compaction_lag_ms = get.Long("max.compaction.lag.ms");
  config.min_cleanable_dirty_ratio = get.Double("min.cleanable.dirty.ratio");
  config.preallocate = get.Bool("preallocate");
  return config;
}

}  // namespace sillok
