#include "client/config.h"

#include <string>

#include "base/error.h"
#include "gtest/gtest.h"

namespace sillok::client {
namespace {

TEST(ConfigTest, KafkasKeysFillTheStructs) {
  auto producer = ProducerConfig::FromProperties(
      {{"bootstrap.servers", "a:1, b:2"},
       {"acks", "1"},
       {"compression.type", "zstd"},
       {"linger.ms", "7"},
       {"allow.auto.create.topics", "false"}});
  ASSERT_TRUE(producer.ok()) << producer.status();
  EXPECT_EQ(producer->bootstrap_servers,
            (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(producer->acks, 1);
  EXPECT_EQ(producer->compression, CompressionType::kZstd);
  EXPECT_EQ(producer->linger_ms, 7);
  EXPECT_FALSE(producer->allow_auto_create_topics);
  auto consumer = ConsumerConfig::FromProperties(
      {{"partition.assignment.strategy", "roundrobin,range"},
       {"auto.offset.reset", "none"},
       {"isolation.level", "read_committed"}});
  ASSERT_TRUE(consumer.ok());
  EXPECT_EQ(consumer->assignors[0], "roundrobin");
  EXPECT_EQ(consumer->auto_offset_reset, OffsetReset::kNone);
  EXPECT_EQ(consumer->isolation_level, IsolationLevel::kReadCommitted);
}

TEST(ConfigTest, WrongKeysAndValuesNameKeyValueAndWhatIsAllowed) {
  auto unknown = ProducerConfig::FromProperties({{"lingerms", "5"}});
  EXPECT_EQ(ErrorCodeOf(unknown.status()), ErrorCode::INVALID_CONFIG);
  EXPECT_NE(std::string(unknown.status().message()).find("'lingerms'"),
            std::string::npos);
  struct Case {
    const char* key;
    const char* value;
  };
  for (const Case& c : {Case{"linger.ms", "-1"}, Case{"linger.ms", "5s"},
                        Case{"linger.ms", ""}, Case{"acks", "2"},
                        Case{"compression.type", "brotli"},
                        Case{"bootstrap.servers", "host"},
                        Case{"bootstrap.servers", "host:0"},
                        Case{"bootstrap.servers", ""},
                        Case{"max.in.flight.requests.per.connection", "0"}}) {
    auto wrong = ProducerConfig::FromProperties({{c.key, c.value}});
    ASSERT_FALSE(wrong.ok()) << c.key << "=" << c.value;
    std::string text(wrong.status().message());
    EXPECT_NE(text.find(std::string(c.key) + "=" + c.value), std::string::npos)
        << text;
    EXPECT_NE(text.find("it takes "), std::string::npos) << text;
  }
}

TEST(ConfigTest, EveryDefaultIsAnAllowedValue) {
  auto check = [](const std::vector<ConfigKey>& keys, auto parse) {
    for (const ConfigKey& key : keys) {
      if (key.name == "bootstrap.servers") continue;  // there is none
      EXPECT_TRUE(parse({{key.name, key.default_value}}).ok()) << key.name;
    }
  };
  check(ProducerConfigKeys(), &ProducerConfig::FromProperties);
  check(ConsumerConfigKeys(), &ConsumerConfig::FromProperties);
  check(AdminConfigKeys(), &AdminConfig::FromProperties);
}

}  // namespace
}  // namespace sillok::client
