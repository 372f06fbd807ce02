// All schedules of a small ensemble. Larger ones: small_scope_main.cc.
#include "test/sim/small_scope.h"

#include <iostream>

#include "gtest/gtest.h"

namespace sillok::sim {
namespace {

TEST(SmallScope, NoScheduleOfOneCrashBreaksAPromise) {
  SmallScopeOptions options;
  options.transactions = 1;
  options.crashes = 1;
  SmallScopeResult result = ExploreSmallScope(options);
  EXPECT_EQ(result.invariant, "") << result.text;
  EXPECT_TRUE(result.exhausted);
  std::cout << result.states << " states\n";
  EXPECT_GT(result.states, 1000u);
  EXPECT_GT(result.ends, 0u);
  EXPECT_EQ(result.unfinished, 0u);
  EXPECT_GT(result.restarts, 0u);
  EXPECT_GT(result.epochs, 1u);
}

TEST(SmallScope, FindsWhatIsAcknowledgedTooEarly) {
  SmallScopeOptions options;
  options.transactions = 1;
  options.crashes = 1;
  options.faults.ack_before_persist = true;
  SmallScopeResult result = ExploreSmallScope(options);
  EXPECT_EQ(result.invariant, "committed is kept");
  EXPECT_FALSE(result.schedule.empty());
}

TEST(SmallScope, FindsACommitWithoutQuorum) {
  SmallScopeOptions options;
  options.transactions = 1;
  options.crashes = 0;
  options.faults.commit_without_quorum = true;
  EXPECT_EQ(ExploreSmallScope(options).invariant, "committed is kept");
}

}  // namespace
}  // namespace sillok::sim
