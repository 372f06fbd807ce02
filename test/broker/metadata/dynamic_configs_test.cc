#include "broker/metadata/dynamic_configs.h"

#include <gtest/gtest.h>

#include <atomic>

#include "broker/metadata/store_calls.h"
#include "broker/metadata/znodes.h"
#include "test/broker/controller/fake_ensemble.h"
#include "test/broker/controller/waiting.h"

namespace sillok {
namespace {

class DynamicConfigsTest : public testing::Test {
 protected:
  DynamicConfigsTest() { ensemble_.Bootstrap(); }

  void Put(const std::string& broker, const std::string& data) {
    const std::string path = znode_path::BrokerConfig(broker);
    v1::CoordRequest request;
    if (ensemble_.Has(path)) {
      AddSet(&request, path, data, -1);
    } else {
      AddCreate(&request, path, data, v1::PERSISTENT);
    }
    ASSERT_EQ(ensemble_.Execute(99, request).code(), v1::OK);
  }
  void Start() {
    watch_.Start([this] { ++changes_; });
  }
  ConfigMap Own() { return watch_.Get()->broker; }
  ConfigMap All() { return watch_.Get()->all; }

  FakeEnsemble ensemble_;
  Timer timer_;
  Executor executor_{"test", 2};
  FakeStore store_{&ensemble_, &executor_};
  std::atomic<int> changes_{0};
  DynamicConfigWatch watch_{BrokerId(2), &store_, &executor_, &timer_};
};

TEST_F(DynamicConfigsTest, KnowsWhatStandsAndWhatChanges) {
  Put("<default>", EncodeConfig({{"log.retention.ms", "5"}}));
  Put("1", EncodeConfig({{"log.retention.ms", "1"}}));
  Start();
  ASSERT_TRUE(Eventually([&] {
    return All() == ConfigMap{{"log.retention.ms", "5"}};
  }));
  EXPECT_TRUE(Own().empty());  // broker 1's are not ours
  Put("2", EncodeConfig({{"log.retention.ms", "7"}}));
  ASSERT_TRUE(Eventually([&] { return Own().size() == 1; }));
  Put("2", EncodeConfig({{"log.retention.ms", "8"}}));
  ASSERT_TRUE(
      Eventually([&] { return Own().at("log.retention.ms") == "8"; }));
  EXPECT_EQ(changes_, 3);
  v1::CoordRequest gone = DeleteRequest(znode_path::BrokerConfig("2"));
  ensemble_.Execute(99, gone);
  ASSERT_TRUE(Eventually([&] { return Own().empty(); }));
}

TEST_F(DynamicConfigsTest, ASessionThatBeginsAnewMissesNothing) {
  Start();
  Put("<default>", EncodeConfig({{"log.retention.ms", "5"}}));
  ASSERT_TRUE(Eventually([&] { return All().size() == 1; }));
  store_.Expire();
  Put("<default>", EncodeConfig({{"log.retention.ms", "6"}}));
  ASSERT_TRUE(
      Eventually([&] { return All().at("log.retention.ms") == "6"; }));
  store_.Disconnect();
  Put("<default>", EncodeConfig({{"log.retention.ms", "7"}}));
  store_.Reconnect();
  ASSERT_TRUE(
      Eventually([&] { return All().at("log.retention.ms") == "7"; }));
}

TEST_F(DynamicConfigsTest, WhatDoesNotParseChangesNothing) {
  Put("<default>", EncodeConfig({{"log.retention.ms", "5"}}));
  Start();
  ASSERT_TRUE(Eventually([&] { return All().size() == 1; }));
  Put("<default>", "{");
  Put("2", EncodeConfig({{"log.retention.ms", "7"}}));
  ASSERT_TRUE(Eventually([&] { return Own().size() == 1; }));
  EXPECT_EQ(All(), (ConfigMap{{"log.retention.ms", "5"}}));
}

TEST(TopicDefaultsTest, TheNearestCounts) {
  const ConfigMap file{{"a", "file"}, {"b", "file"}, {"c", "file"}};
  const DynamicConfigs dynamic{.broker = {{"a", "one"}},
                               .all = {{"a", "all"}, {"b", "all"}}};
  EXPECT_EQ(TopicDefaults(file, dynamic),
            (ConfigMap{{"a", "one"}, {"b", "all"}, {"c", "file"}}));
}

}  // namespace
}  // namespace sillok
