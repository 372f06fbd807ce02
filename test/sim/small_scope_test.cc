// All schedules of a small ensemble. Larger ones: small_scope_main.cc.
#include "test/sim/small_scope.h"

#include <iostream>
#include <ostream>
#include <string>

#include "gtest/gtest.h"

namespace sillok::sim {
namespace {

SmallScopeOptions With(int transactions, int crashes) {
  SmallScopeOptions options;
  options.transactions = transactions;
  options.crashes = crashes;
  return options;
}

TEST(SmallScope, NoScheduleOfOneCrashBreaksAPromise) {
  SmallScopeResult result = ExploreSmallScope(With(1, 1));
  EXPECT_EQ(result.invariant, "") << result.text;
  EXPECT_TRUE(result.exhausted);
  std::cout << result.states << " states\n";
  EXPECT_GT(result.states, 10000u);
  EXPECT_GT(result.settled, 0u);
  EXPECT_LT(result.settled, result.states);
  EXPECT_GT(result.ends, 1u);
  EXPECT_GT(result.restarts, 0u);
  EXPECT_GT(result.epochs, 1u);
}

TEST(SmallScope, NoScheduleOfTwoCrashesBreaksAPromise) {
  SmallScopeResult result = ExploreSmallScope(With(0, 2));
  EXPECT_EQ(result.invariant, "") << result.text;
  EXPECT_TRUE(result.exhausted);
  EXPECT_GT(result.epochs, 2u);
}

// What is left out are only other ways to what is there.
TEST(SmallScope, AllOrdersEndInTheSameStates) {
  for (auto [transactions, crashes] : {std::pair(2, 0), {0, 1}, {1, 1}}) {
    SmallScopeOptions options = With(transactions, crashes);
    SmallScopeResult some = ExploreSmallScope(options);
    options.all_orders = true;
    SmallScopeResult all = ExploreSmallScope(options);
    EXPECT_TRUE(all.exhausted);
    EXPECT_EQ(all.invariant, "") << all.text;
    EXPECT_LT(some.states, all.states);
    EXPECT_EQ(some.ends, all.ends);
    EXPECT_EQ(some.ends_digest, all.ends_digest);
  }
}

TEST(SmallScope, FromStatesTakenForOneAnotherTheSameCanFollow) {
  SmallScopeOptions options = With(1, 1);
  options.compare_every = 1;
  SmallScopeResult result = ExploreSmallScope(options);
  EXPECT_EQ(result.invariant, "") << result.text;
  EXPECT_GT(result.compared, 1000u);
}

struct Found {
  bool zab::ZabFaults::*bug;
  int transactions;
  int crashes;
  std::string invariant;
};

void PrintTo(const Found& found, std::ostream* out) {
  *out << found.transactions << " transactions, " << found.crashes
       << " crashes: " << found.invariant;
}

class SmallScopeFinds : public testing::TestWithParam<Found> {};

TEST_P(SmallScopeFinds, ThePlantedBug) {
  SmallScopeOptions options =
      With(GetParam().transactions, GetParam().crashes);
  options.faults.*GetParam().bug = true;
  SmallScopeResult result = ExploreSmallScope(options);
  EXPECT_EQ(result.invariant, GetParam().invariant) << result.text;
  EXPECT_FALSE(result.schedule.empty());
}

using F = zab::ZabFaults;
INSTANTIATE_TEST_SUITE_P(
    All, SmallScopeFinds,
    testing::Values(
        Found{&F::ack_before_persist, 1, 1, "committed is kept"},
        Found{&F::commit_without_quorum, 1, 0, "committed is kept"},
        Found{&F::serve_before_quorum, 1, 1, "committed is kept"},
        Found{&F::accept_gaps, 1, 1, "core stops"},
        Found{&F::vote_by_id_only, 1, 1, "core stops"},
        Found{&F::promise_before_persist, 1, 2, "committed is kept"},
        // Histories that contradict each other end a term that was settled.
        Found{&F::skip_truncate, 1, 2, "settled"},
        Found{&F::current_epoch_before_history, 1, 2, "settled"}));

}  // namespace
}  // namespace sillok::sim
