// What an operator can set of consumer groups, with Kafka's keys and defaults.
#ifndef SILLOK_BROKER_GROUP_GROUP_OPTIONS_H_
#define SILLOK_BROKER_GROUP_GROUP_OPTIONS_H_

#include <cstdint>
#include <limits>

namespace sillok {

struct GroupOptions {
  int32_t min_session_timeout_ms = 6'000;      // group.min.session.timeout.ms
  int32_t max_session_timeout_ms = 1'800'000;  // group.max.session.timeout.ms
  // How long the first rebalance of an empty group waits for more members; each
  // one that joins extends it, up to the rebalance timeout. Kafka's default of
  // 3000 makes every first consumer wait three seconds; ours keeps the joining
  // of a deployment together and nobody waiting.
  int32_t initial_rebalance_delay_ms = 100;  // group.initial.rebalance.delay.ms
  int32_t max_size = std::numeric_limits<int32_t>::max();  // group.max.size
  int32_t offset_metadata_max_bytes = 4'096;  // offset.metadata.max.bytes
  int64_t offsets_retention_minutes = 10'080;  // offsets.retention.minutes
  // offsets.retention.check.interval.ms
  int64_t offsets_retention_check_interval_ms = 600'000;
  int32_t offsets_topic_partitions = 50;         // offsets.topic.num.partitions
  int16_t offsets_topic_replication_factor = 3;  // offsets.topic.replication.factor
  int32_t offsets_topic_segment_bytes = 104'857'600;  // offsets.topic.segment.bytes
  int64_t offsets_commit_timeout_ms = 5'000;     // offsets.commit.timeout.ms
  int32_t offsets_load_buffer_bytes = 5 << 20;   // offsets.load.buffer.size
};

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_GROUP_OPTIONS_H_
