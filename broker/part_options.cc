#include "broker/part_options.h"

#include <charconv>
#include <random>
#include <string>

#include "base/rpc/socket_tuning.h"
#include "broker/broker_config.h"
#include "broker/metadata/topic_config.h"
#include "proto/record/codec.h"

namespace sillok {

namespace {

// A key that only brokers have. It was checked when the configuration was read.
int64_t BrokerNumber(const ConfigMap& broker, const char* key,
                     int64_t otherwise) {
  const auto found = broker.find(key);
  int64_t value = otherwise;
  if (found != broker.end()) {
    const std::string& text = found->second;
    std::from_chars(text.data(), text.data() + text.size(), value);
  }
  return value;
}

}  // namespace

TopicSettings SettingsOf(const ConfigMap& topic,
                         const ConfigMap& broker) {
  TopicConfig config = ResolveTopicConfig(topic, broker);
  TopicSettings settings;
  settings.log.segment_bytes = config.segment_bytes;
  settings.log.segment_ms = config.segment_ms;
  settings.log.segment_jitter_ms = config.segment_jitter_ms;
  settings.log.index_interval_bytes = config.index_interval_bytes;
  settings.log.segment_index_bytes = config.segment_index_bytes;
  settings.log.max_message_bytes = config.max_message_bytes;
  settings.log.retention_ms = config.retention_ms;
  settings.log.retention_bytes = config.retention_bytes;
  settings.log.cleanup_delete = config.cleanup_delete;
  settings.log.cleanup_compact = config.cleanup_compact;
  settings.log.timestamp_type = config.log_append_time
                                    ? record::TimestampType::kLogAppendTime
                                    : record::TimestampType::kCreateTime;
  settings.log.timestamp_before_max_ms = config.timestamp_before_max_ms;
  settings.log.timestamp_after_max_ms = config.timestamp_after_max_ms;
  // "producer", which is no codec: batches stay as they come.
  settings.log.compression_type =
      record::CodecFromName(config.compression_type);
  settings.log.flush_messages = config.flush_messages;
  settings.log.flush_ms = config.flush_ms;
  settings.log.producer_id_expiration_ms =
      BrokerNumber(broker, "producer.id.expiration.ms",
                   settings.log.producer_id_expiration_ms);
  settings.log.max_producer_ids = static_cast<int32_t>(
      BrokerNumber(broker, "max.producer.ids.per.partition",
                   settings.log.max_producer_ids));
  settings.min_insync_replicas = config.min_insync_replicas;
  settings.acknowledge_after_flush = config.flush_messages == 1;
  return settings;
}

PartitionTableOptions TableOptionsOf(const Config& config) {
  PartitionTableOptions options;
  options.broker_id = BrokerId(config.GetInt("broker.id"));
  options.replica_lag_time_max_ms = config.GetInt("replica.lag.time.max.ms");
  options.high_watermark_checkpoint_interval_ms =
      config.GetInt("replica.high.watermark.checkpoint.interval.ms");
  options.retention_check_interval_ms =
      config.GetInt("log.retention.check.interval.ms");
  options.recovery_checkpoint_interval_ms =
      config.GetInt("log.flush.offset.checkpoint.interval.ms");
  options.replica_fetch_wait_max_ms =
      config.GetInt("replica.fetch.wait.max.ms");
  options.replica_fetch_max_bytes = config.GetInt("replica.fetch.max.bytes");
  options.replica_fetch_response_max_bytes =
      config.GetInt("replica.fetch.response.max.bytes");
  options.replica_fetch_backoff_ms = config.GetInt("replica.fetch.backoff.ms");
  options.strand_threads = config.GetInt("num.io.threads");
  options.io_threads = config.GetInt("background.threads");
  return options;
}

GroupOptions GroupOptionsOf(const Config& config) {
  GroupOptions options;
  options.min_session_timeout_ms =
      config.GetInt("group.min.session.timeout.ms");
  options.max_session_timeout_ms =
      config.GetInt("group.max.session.timeout.ms");
  options.initial_rebalance_delay_ms =
      config.GetInt("group.initial.rebalance.delay.ms");
  options.max_size = config.GetInt("group.max.size");
  options.offset_metadata_max_bytes =
      config.GetInt("offset.metadata.max.bytes");
  options.offsets_retention_minutes =
      config.GetInt("offsets.retention.minutes");
  options.offsets_retention_check_interval_ms =
      config.GetInt("offsets.retention.check.interval.ms");
  options.offsets_topic_partitions =
      config.GetInt("offsets.topic.num.partitions");
  options.offsets_topic_replication_factor =
      config.GetInt("offsets.topic.replication.factor");
  options.offsets_topic_segment_bytes =
      config.GetInt("offsets.topic.segment.bytes");
  options.offsets_commit_timeout_ms =
      config.GetInt("offsets.commit.timeout.ms");
  options.offsets_load_buffer_bytes =
      config.GetInt("offsets.load.buffer.size");
  return options;
}

ControllerOptions ControllerOptionsOf(const Config& config) {
  ControllerOptions options;
  options.broker_id = BrokerId(config.GetInt("broker.id"));
  options.num_partitions = config.GetInt("num.partitions");
  options.default_replication_factor =
      config.GetInt("default.replication.factor");
  options.unclean_leader_election_enable =
      config.GetBool("unclean.leader.election.enable");
  options.delete_topic_enable = config.GetBool("delete.topic.enable");
  options.auto_leader_rebalance_enable =
      config.GetBool("auto.leader.rebalance.enable");
  options.leader_imbalance_check_interval_ms =
      config.GetInt("leader.imbalance.check.interval.seconds") * 1000;
  options.leader_imbalance_per_broker_percentage =
      config.GetInt("leader.imbalance.per.broker.percentage");
  options.random_seed = std::random_device()();
  return options;
}

namespace {

v1::ConfigType TypeOf(const ConfigKey& key) {
  switch (key.type) {
    case ConfigKey::Type::kInt:
      return v1::CONFIG_LONG;
    case ConfigKey::Type::kDouble:
      return v1::CONFIG_DOUBLE;
    case ConfigKey::Type::kBool:
      return v1::CONFIG_BOOLEAN;
    case ConfigKey::Type::kString:
      return v1::CONFIG_STRING;
  }
  return v1::CONFIG_TYPE_UNKNOWN;
}

}  // namespace

api::BrokerOptions ApiOptionsOf(const Config& config) {
  api::BrokerOptions options;
  options.broker_id = BrokerId(config.GetInt("broker.id"));
  options.auto_create_topics = config.GetBool("auto.create.topics.enable");
  options.num_partitions = config.GetInt("num.partitions");
  options.replication_factor = config.GetInt("default.replication.factor");
  options.fetch_max_bytes = config.GetInt("fetch.max.bytes");
  options.offsets_topic_partitions =
      config.GetInt("offsets.topic.num.partitions");
  options.offsets_topic_replication_factor =
      config.GetInt("offsets.topic.replication.factor");
  options.offsets_topic_segment_bytes =
      config.GetInt("offsets.topic.segment.bytes");
  options.log_dir = config.GetString("log.dirs");
  options.config = ConfigValues(config);
  for (const ConfigKey& key : BrokerConfigSpec().keys()) {
    options.config_entries.push_back({key.name, config.GetString(key.name),
                                      key.doc, !config.IsSet(key.name),
                                      key.default_value, TypeOf(key)});
  }
  return options;
}

kafka_door::KafkaDoorOptions KafkaDoorOptionsOf(const Config& config) {
  kafka_door::KafkaDoorOptions options;
  options.net.loop_threads =
      static_cast<int>(config.GetInt("num.network.threads"));
  options.net.tcp_congestion = rpc::TcpCongestion();
  options.net.max_frame_bytes =
      static_cast<int32_t>(config.GetInt("socket.request.max.bytes"));
  options.net.max_request_memory_bytes =
      config.GetInt("queued.max.request.bytes");
  options.net.max_connections =
      static_cast<int>(config.GetInt("max.connections"));
  options.net.max_connections_per_ip =
      static_cast<int>(config.GetInt("max.connections.per.ip"));
  options.net.idle_timeout_ms = config.GetInt("connections.max.idle.ms");
  options.fetch_sessions.max_sessions = static_cast<int32_t>(
      config.GetInt("max.incremental.fetch.session.cache.slots"));
  return options;
}

}  // namespace sillok
