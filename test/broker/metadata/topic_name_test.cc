#include "broker/metadata/topic_name.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace sillok {
namespace {

TEST(TopicNameTest, TakesWhatKafkaTakes) {
  for (const char* name : {"orders", "a", "...", "A.b_c-9", "__consumer_offsets",
                           "0"}) {
    EXPECT_TRUE(ValidateTopicName(name).ok()) << name;
  }
  EXPECT_TRUE(ValidateTopicName(std::string(249, 'x')).ok());
}

TEST(TopicNameTest, RefusesTheRestAndSaysWhy) {
  struct Case {
    std::string name;
    const char* says;
  };
  const Case cases[] = {
      {"", "empty string"},
      {".", "'.' and '..'"},
      {"..", "'.' and '..'"},
      {std::string(250, 'x'), "249"},
      {"a b", "'a b' contains"},
      {"caf\xc3\xa9", "ASCII"},
      {"a/b", "'a/b' contains"},
      {std::string("a\0b", 3), "ASCII"},
  };
  for (const Case& c : cases) {
    const absl::Status status = ValidateTopicName(c.name);
    EXPECT_EQ(ErrorCodeOf(status), ErrorCode::INVALID_TOPIC_EXCEPTION);
    EXPECT_NE(std::string(status.message()).find(c.says), std::string::npos)
        << status;
  }
}

TEST(TopicNameTest, DotAndUnderscoreCollide) {
  EXPECT_EQ(CollisionKey("a.b_c"), CollisionKey("a_b.c"));
  EXPECT_NE(CollisionKey("a.b"), CollisionKey("a-b"));
}

}  // namespace
}  // namespace sillok
