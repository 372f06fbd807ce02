#include "base/process.h"

#include "gtest/gtest.h"

namespace sillok {
namespace {

TEST(ProcessTest, CodeThatWasReleasedComesBackWhenItIsNeeded) {
  EXPECT_GT(ReleaseStartupCode(), 0);
  // Which this needs, too.
  const ProcessUsage usage = ReadProcessUsage();
  EXPECT_GT(usage.resident_bytes, 0);
  EXPECT_GT(usage.open_fds, 0);
  ReleaseStartupCode();
}

}  // namespace
}  // namespace sillok
