// What the commands read from their arguments, and the plans of `group reset`.
#include <string>
#include <vector>

#include "base/error.h"
#include "gtest/gtest.h"
#include "tools/partition_scope.h"
#include "tools/reset_plan.h"

namespace sillok::tools {
namespace {

TEST(TopicScopeTest, ATopicOrSomeOfItsPartitions) {
  EXPECT_EQ(ParseTopicScope("orders")->topic, "orders");
  EXPECT_TRUE(ParseTopicScope("orders")->Has(7));
  auto some = ParseTopicScope("orders:0,3");
  ASSERT_TRUE(some.ok());
  EXPECT_EQ(some->partitions, (std::vector<int32_t>{0, 3}));
  EXPECT_FALSE(some->Has(7));
  for (const char* bad : {"", ":0", "orders:", "orders:x", "orders:1,",
                          "orders:-1", "orders:1,,2"}) {
    EXPECT_EQ(ErrorCodeOf(ParseTopicScope(bad).status()),
              ErrorCode::INVALID_CONFIG)
        << bad;
  }
}

TEST(ParseTimeTest, DatesTimesZonesAndUnixMs) {
  EXPECT_EQ(ParseTime("1500").value(), 1500);
  EXPECT_EQ(ParseTime("1970-01-02").value(), 86'400'000);
  EXPECT_EQ(ParseTime("1970-01-01T00:01").value(), 60'000);
  EXPECT_EQ(ParseTime("1970-01-01T00:01Z").value(), 60'000);
  EXPECT_EQ(ParseTime("1970-01-01T01:00:00.250+01:00").value(), 250);
  EXPECT_EQ(ParseTime("2026-11-19T00:00:00Z").value(), 1'795'046'400'000);
  for (const char* bad : {"", "now", "-5", "2026-13-01", "2026-11-19 12:00"}) {
    EXPECT_FALSE(ParseTime(bad).ok()) << bad;
  }
}

TEST(ParseDurationTest, IsoAndShort) {
  EXPECT_EQ(ParseDurationMs("PT1H30M").value(), 5'400'000);
  EXPECT_EQ(ParseDurationMs("P2DT6H").value(), 194'400'000);
  EXPECT_EQ(ParseDurationMs("P1W").value(), 604'800'000);
  EXPECT_EQ(ParseDurationMs("1h30m").value(), 5'400'000);
  for (const char* bad :
       {"", "P", "PT", "P1M", "PT1D", "1", "-1h", "PT-1H", "PT1H30"}) {
    EXPECT_FALSE(ParseDurationMs(bad).ok()) << bad;
  }
}

PartitionState State(std::optional<int64_t> committed) {
  PartitionState state;
  state.committed = committed;
  state.log_start = 100;
  state.log_end = 200;
  return state;
}

TEST(PlanResetTest, EveryScenario) {
  using Kind = ResetScenario::Kind;
  PartitionState state = State(150);
  state.at_time = 170;
  state.planned = 111;
  EXPECT_EQ(PlanReset({Kind::kEarliest}, state)->offset, 100);
  EXPECT_EQ(PlanReset({Kind::kLatest}, state)->offset, 200);
  EXPECT_EQ(PlanReset({Kind::kCurrent}, state)->offset, 150);
  EXPECT_EQ(PlanReset({Kind::kOffset, 123}, state)->offset, 123);
  EXPECT_EQ(PlanReset({Kind::kTime, 5}, state)->offset, 170);
  EXPECT_EQ(PlanReset({Kind::kShift, -20}, state)->offset, 130);
  EXPECT_EQ(PlanReset({Kind::kFromPlan}, state)->offset, 111);
}

TEST(PlanResetTest, WhatIsOutsideOfTheLogIsBroughtIn) {
  using Kind = ResetScenario::Kind;
  auto low = PlanReset({Kind::kOffset, 5}, State(150));
  EXPECT_EQ(low->offset, 100);
  EXPECT_TRUE(low->clamped);
  EXPECT_EQ(PlanReset({Kind::kShift, 1'000}, State(150))->offset, 200);
  EXPECT_EQ(PlanReset({Kind::kCurrent}, State(20))->offset, 100);
  EXPECT_FALSE(PlanReset({Kind::kOffset, 200}, State(150))->clamped);
}

TEST(PlanResetTest, WithoutACommitOrARecordSoLate) {
  using Kind = ResetScenario::Kind;
  EXPECT_EQ(PlanReset({Kind::kCurrent}, State({}))->offset, 200);
  EXPECT_EQ(PlanReset({Kind::kTime, 5}, State({}))->offset, 200);
  EXPECT_EQ(ErrorCodeOf(PlanReset({Kind::kShift, 1}, State({})).status()),
            ErrorCode::INVALID_REQUEST);
}

TEST(OffsetPlanTest, TextAndBack) {
  OffsetPlan plan = {{{"a", 0}, 5}, {{"b,c", 12}, 0}};
  EXPECT_EQ(PlanToCsv(plan), "a,0,5\nb,c,12,0\n");
  EXPECT_EQ(PlanFromCsv(PlanToCsv(plan)).value(), plan);
  EXPECT_EQ(PlanFromCsv("\"a\",0,5\r\n\r\n").value(),
            (OffsetPlan{{{"a", 0}, 5}}));
  for (const char* bad : {"a", "a,0", ",0,5", "a,x,5", "a,0,-1", "a,-1,0"}) {
    EXPECT_FALSE(PlanFromCsv(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sillok::tools
