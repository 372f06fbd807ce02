#include "broker/metadata/topic_config.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace sillok {
namespace {

bool Says(const absl::Status& status, const std::string& text) {
  return std::string(status.message()).find(text) != std::string::npos;
}

TEST(TopicConfigTest, HasKafkasKeysWithValidDefaults) {
  std::set<std::string> names;
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_TRUE(ValidateTopicConfigValue(key.name, key.default_value).ok())
        << key.name;
    EXPECT_NE(std::string(key.documentation), "") << key.name;
  }
  for (const char* name :
       {"cleanup.policy", "compression.type", "delete.retention.ms",
        "file.delete.delay.ms", "flush.messages", "flush.ms",
        "index.interval.bytes", "max.compaction.lag.ms", "max.message.bytes",
        "message.timestamp.after.max.ms", "message.timestamp.before.max.ms",
        "message.timestamp.type", "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms", "min.insync.replicas", "preallocate",
        "retention.bytes", "retention.ms", "segment.bytes",
        "segment.index.bytes", "segment.jitter.ms", "segment.ms",
        "unclean.leader.election.enable"}) {
    EXPECT_EQ(names.count(name), 1u) << name;
  }
}

TEST(TopicConfigTest, RefusalNamesKeyValueAndWhatIsAllowed) {
  struct Case {
    const char* key;
    const char* value;
    const char* says;
  };
  const Case cases[] = {
      {"retention.ms", "soon", "whole number"},
      {"retention.ms", "-2", "at least -1"},
      {"retention.ms", "", "whole number"},
      {"retention.ms", "1e3", "whole number"},
      {"segment.bytes", "13", "at least 14"},
      {"segment.bytes", "3000000000", "32 bits"},
      {"min.insync.replicas", "0", "at least 1"},
      {"min.cleanable.dirty.ratio", "1.5", "from 0 to 1"},
      {"min.cleanable.dirty.ratio", "nan", "number"},
      {"preallocate", "yes", "true or false"},
      {"cleanup.policy", "delete,shred", "delete, compact"},
      {"cleanup.policy", "", "delete, compact"},
      {"compression.type", "lzma", "zstd"},
      {"message.timestamp.type", "createtime", "CreateTime, LogAppendTime"},
      {"flush.messages", "0", "at least 1"},
  };
  for (const Case& c : cases) {
    const absl::Status status = ValidateTopicConfig({{c.key, c.value}});
    EXPECT_EQ(ErrorCodeOf(status), ErrorCode::INVALID_CONFIG) << c.key;
    EXPECT_TRUE(Says(status, c.says)) << status;
    EXPECT_TRUE(Says(status, c.key)) << status;
    EXPECT_TRUE(Says(status, c.value)) << status;
  }
  const absl::Status unknown = ValidateTopicConfig({{"retention", "1"}});
  EXPECT_EQ(ErrorCodeOf(unknown), ErrorCode::INVALID_CONFIG);
  EXPECT_TRUE(Says(unknown, "Unknown topic config name: retention"));
}

TEST(TopicConfigTest, CompactionLagsMustFitTogether) {
  EXPECT_TRUE(ValidateTopicConfig({{"min.compaction.lag.ms", "5"},
                                   {"max.compaction.lag.ms", "5"}})
                  .ok());
  EXPECT_FALSE(ValidateTopicConfig({{"min.compaction.lag.ms", "6"},
                                    {"max.compaction.lag.ms", "5"}})
                   .ok());
}

TEST(TopicConfigTest, TopicBeatsBrokerBeatsDefault) {
  const ConfigMap topic{{"retention.ms", "10"}};
  const ConfigMap broker{{"log.retention.ms", "20"},
                         {"log.segment.bytes", "1048576"},
                         {"retention.bytes", "7"},  // a topic's name: not ours
                         {"broker.id", "1"}};
  const TopicConfig config = ResolveTopicConfig(topic, broker);
  EXPECT_EQ(config.retention_ms, 10);
  EXPECT_EQ(config.segment_bytes, 1048576);
  EXPECT_EQ(config.retention_bytes, -1);
  EXPECT_EQ(config.max_message_bytes, 1048588);
  using Source = EffectiveConfig::Source;
  auto source = [&](const char* name) {
    return EffectiveTopicConfig(*FindTopicConfigKey(name), topic, broker)
        .source;
  };
  EXPECT_EQ(source("retention.ms"), Source::kTopic);
  EXPECT_EQ(source("segment.bytes"), Source::kBroker);
  EXPECT_EQ(source("retention.bytes"), Source::kDefault);
}

TEST(TopicConfigTest, DefaultsOfTheStructAreThoseOfTheTable) {
  const TopicConfig a;
  const TopicConfig b = ResolveTopicConfig({}, {});
  EXPECT_EQ(a.cleanup_delete, b.cleanup_delete);
  EXPECT_EQ(a.cleanup_compact, b.cleanup_compact);
  EXPECT_EQ(a.retention_ms, b.retention_ms);
  EXPECT_EQ(a.retention_bytes, b.retention_bytes);
  EXPECT_EQ(a.segment_bytes, b.segment_bytes);
  EXPECT_EQ(a.segment_ms, b.segment_ms);
  EXPECT_EQ(a.segment_jitter_ms, b.segment_jitter_ms);
  EXPECT_EQ(a.segment_index_bytes, b.segment_index_bytes);
  EXPECT_EQ(a.index_interval_bytes, b.index_interval_bytes);
  EXPECT_EQ(a.max_message_bytes, b.max_message_bytes);
  EXPECT_EQ(a.min_insync_replicas, b.min_insync_replicas);
  EXPECT_EQ(a.unclean_leader_election_enable,
            b.unclean_leader_election_enable);
  EXPECT_EQ(a.compression_type, b.compression_type);
  EXPECT_EQ(a.log_append_time, b.log_append_time);
  EXPECT_EQ(a.timestamp_before_max_ms, b.timestamp_before_max_ms);
  EXPECT_EQ(a.timestamp_after_max_ms, b.timestamp_after_max_ms);
  EXPECT_EQ(a.flush_messages, b.flush_messages);
  EXPECT_EQ(a.flush_ms, b.flush_ms);
  EXPECT_EQ(a.file_delete_delay_ms, b.file_delete_delay_ms);
  EXPECT_EQ(a.delete_retention_ms, b.delete_retention_ms);
  EXPECT_EQ(a.min_compaction_lag_ms, b.min_compaction_lag_ms);
  EXPECT_EQ(a.max_compaction_lag_ms, b.max_compaction_lag_ms);
  EXPECT_EQ(a.min_cleanable_dirty_ratio, b.min_cleanable_dirty_ratio);
  EXPECT_EQ(a.preallocate, b.preallocate);
}

TEST(TopicConfigTest, DamagedValueFallsBackInsteadOfFailing) {
  const TopicConfig config = ResolveTopicConfig(
      {{"segment.bytes", "lots"}}, {{"log.segment.bytes", "2048"}});
  EXPECT_EQ(config.segment_bytes, 2048);
}

TEST(TopicConfigTest, CleanupPolicyMayBeBoth) {
  const TopicConfig config =
      ResolveTopicConfig({{"cleanup.policy", "compact, delete"}}, {});
  EXPECT_TRUE(config.cleanup_compact);
  EXPECT_TRUE(config.cleanup_delete);
  EXPECT_FALSE(
      ResolveTopicConfig({{"cleanup.policy", "compact"}}, {}).cleanup_delete);
}

}  // namespace
}  // namespace sillok
