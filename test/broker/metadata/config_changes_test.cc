#include "broker/metadata/config_changes.h"

#include <gtest/gtest.h>

namespace sillok {
namespace {

v1::ConfigResourceChanges One(const char* name, v1::ConfigOperation operation,
                              const char* value) {
  v1::ConfigResourceChanges changes;
  v1::ConfigChange* change = changes.add_changes();
  change->set_name(name);
  change->set_operation(operation);
  change->set_value(value);
  return changes;
}

TEST(ConfigChangesTest, ListsGrowAndShrinkByItems) {
  struct Case {
    ConfigMap before;
    v1::ConfigOperation operation;
    const char* value;
    const char* after;
  };
  const Case cases[] = {
      {{}, v1::CONFIG_APPEND, "compact", "delete,compact"},
      {{}, v1::CONFIG_APPEND, "delete", "delete"},
      {{{"cleanup.policy", "compact"}}, v1::CONFIG_APPEND, " delete , compact",
       "compact,delete"},
      {{{"cleanup.policy", "compact, delete"}}, v1::CONFIG_SUBTRACT, "delete",
       "compact"},
      {{{"cleanup.policy", "compact"}}, v1::CONFIG_SUBTRACT, "delete",
       "compact"},
  };
  for (const Case& c : cases) {
    absl::StatusOr<ConfigMap> after = ChangeTopicConfig(
        c.before, One("cleanup.policy", c.operation, c.value));
    ASSERT_TRUE(after.ok()) << after.status();
    EXPECT_EQ(after->at("cleanup.policy"), c.after);
  }
}

TEST(ConfigChangesTest, WhatTopicsFallBackToCanBeChangedOnBrokers) {
  for (const std::string& name : DynamicBrokerConfigNames()) {
    EXPECT_TRUE(IsDynamicBrokerConfig(name)) << name;
  }
  for (const char* name : {"broker.id", "num.partitions", "listeners", "colour",
                           "retention.ms"}) {
    EXPECT_FALSE(IsDynamicBrokerConfig(name)) << name;
    EXPECT_FALSE(ChangeBrokerConfig({}, One(name, v1::CONFIG_SET, "1")).ok());
  }
  EXPECT_TRUE(
      ChangeBrokerConfig({}, One("log.cleanup.policy", v1::CONFIG_APPEND,
                                 "compact"))
          .ok());
  EXPECT_TRUE(
      ChangeBrokerConfig({}, One("sasl.kerberos.min.time.before.relogin",
                                 v1::CONFIG_SET, "58000"))
          .ok());
  EXPECT_FALSE(
      ChangeBrokerConfig({}, One("sasl.kerberos.min.time.before.relogin",
                                 v1::CONFIG_SET, "soon"))
          .ok());
}

// Whatever stands there can be taken away again.
TEST(ConfigChangesTest, AKeyThatNobodyKnowsCanBeDeleted) {
  absl::StatusOr<ConfigMap> after = ChangeTopicConfig(
      {{"colour", "red"}, {"flush.ms", "1"}},
      One("colour", v1::CONFIG_DELETE, ""));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, (ConfigMap{{"flush.ms", "1"}}));
}

}  // namespace
}  // namespace sillok
