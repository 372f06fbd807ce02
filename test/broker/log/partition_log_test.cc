#include "broker/log/partition_log.h"

#include <gtest/gtest.h>

#include "test/broker/log/log_fixture.h"

namespace sillok {
namespace {

TEST_F(LogTest, AppendsGetTheNextOffsetsAndAreRead) {
  Open();
  for (int i = 0; i < 10; ++i) {
    const AppendResult result = Append(MakeBatch(3, i * 3), LeaderEpoch(2));
    ASSERT_TRUE(result.ok()) << result.message;
    EXPECT_EQ(result.base_offset, Offset(i * 3));
    EXPECT_EQ(result.last_offset, Offset(i * 3 + 2));
    EXPECT_EQ(result.log_append_time_ms, -1);
  }
  EXPECT_EQ(log_->end_offset(), Offset(30));
  const std::vector<std::string> values = Values();
  ASSERT_EQ(values.size(), 30u);
  EXPECT_EQ(values[17], "v17");
}

}  // namespace
}  // namespace sillok
