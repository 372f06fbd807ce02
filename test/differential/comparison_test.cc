// What the differential test rests on: a comparison that sees differences, a
// generator that repeats itself, a shrinker that keeps what matters.
#include "gtest/gtest.h"
#include "test/differential/script.h"
#include "test/differential/shrinker.h"
#include "test/differential/transcript.h"

namespace sillok::differential {
namespace {

Line Stat(int64_t czxid, int64_t mzxid, int32_t version = 1,
          int64_t owner = 0) {
  zk::Stat stat;
  stat.czxid = czxid;
  stat.mzxid = mzxid;
  stat.pzxid = czxid;
  stat.ctime = 5;
  stat.mtime = mzxid == czxid ? 5 : 6;
  stat.version = version;
  stat.ephemeral_owner = owner;
  return Line().StatOf(stat);
}

TEST(ComparisonTest, OtherNumbersInTheSameOrderAreTheSame) {
  Comparison comparison;
  EXPECT_FALSE(comparison.Compare(Stat(10, 12), Stat(1, 2)).has_value());
  EXPECT_FALSE(comparison.Compare(Stat(14, 14), Stat(7, 7)).has_value());
  EXPECT_FALSE(comparison.Compare(Stat(10, 13), Stat(1, 3)).has_value());
}

TEST(ComparisonTest, ATransactionMustBeTheSameEverywhere) {
  Comparison comparison;
  EXPECT_FALSE(comparison.Compare(Stat(10, 12), Stat(1, 2)).has_value());
  EXPECT_TRUE(comparison.Compare(Stat(10, 12), Stat(1, 3)).has_value());
  EXPECT_TRUE(comparison.Compare(Stat(10, 10), Stat(1, 2)).has_value());
}

TEST(ComparisonTest, TransactionsMustNotChangePlaces) {
  Comparison comparison;
  EXPECT_FALSE(comparison.Compare(Stat(10, 20), Stat(1, 5)).has_value());
  EXPECT_TRUE(comparison.Compare(Stat(10, 15), Stat(1, 6)).has_value());
  EXPECT_TRUE(comparison.Compare(Stat(10, 25), Stat(1, 4)).has_value());
}

TEST(ComparisonTest, OwnersArePairedOneToOne) {
  Comparison comparison;
  EXPECT_FALSE(
      comparison.Compare(Stat(1, 1, 0, 77), Stat(1, 1, 0, 5)).has_value());
  EXPECT_TRUE(
      comparison.Compare(Stat(1, 1, 0, 77), Stat(1, 1, 0, 6)).has_value());
  EXPECT_TRUE(
      comparison.Compare(Stat(1, 1, 0, 78), Stat(1, 1, 0, 5)).has_value());
  EXPECT_TRUE(
      comparison.Compare(Stat(1, 1, 0, 79), Stat(1, 1, 0, 0)).has_value());
}

TEST(ComparisonTest, MissingAndOtherLinesAreSeen) {
  Comparison comparison;
  StepLines two = {Line().Text("event 1"), Line().Text("setData error 0")};
  StepLines one = {Line().Text("setData error 0")};
  StepLines swapped = {two[1], two[0]};
  EXPECT_FALSE(comparison.Compare(two, two).has_value());
  EXPECT_TRUE(comparison.Compare(two, one).has_value());
  EXPECT_TRUE(comparison.Compare(one, two).has_value());
  EXPECT_TRUE(comparison.Compare(two, swapped).has_value());
  EXPECT_TRUE(comparison.Compare(Stat(1, 1, 3), Stat(1, 1, 4)).has_value());
}

TEST(ComparisonTest, AStatThatCannotBeIsADifferenceByItself) {
  zk::Stat stat;
  stat.czxid = 9;
  stat.mzxid = 3;
  stat.pzxid = 9;
  EXPECT_NE(Line().StatOf(stat).ToString().find("BROKEN"), std::string::npos);
}

TEST(GeneratorTest, ASeedMeansOneScriptAndNeverALoneCheck) {
  EXPECT_EQ(Describe(GenerateScript(3, 100)), Describe(GenerateScript(3, 100)));
  EXPECT_NE(Describe(GenerateScript(3, 100)), Describe(GenerateScript(4, 100)));
  for (uint64_t seed = 0; seed < 300; ++seed) {
    for (const Step& step : GenerateScript(seed, 100)) {
      for (const zk::Op& op : step.ops) {
        // It would destroy a ZooKeeper 3.8 for good.
        ASSERT_NE(op.op, zk::kCheck);
      }
    }
  }
}

TEST(ShrinkerTest, OnlyWhatMattersIsLeft) {
  Script script = GenerateScript(1, 120);
  Step culprit;
  zk::Op first, second;
  first.path = "~/needed";
  second.path = "~/not";
  culprit.ops = {second, first, second};
  script[17] = culprit;
  script[90].kind = Step::Kind::kClose;
  script[90].session = 2;
  // Needs both, in this order.
  auto shows = [](const Script& candidate) {
    bool seen = false;
    for (const Step& step : candidate) {
      for (const zk::Op& op : step.ops) seen = seen || op.path == "~/needed";
      if (seen && step.kind == Step::Kind::kClose && step.session == 2) {
        return true;
      }
    }
    return false;
  };
  ASSERT_TRUE(shows(script));
  Script small = Shrink(script, shows, 10'000);
  ASSERT_EQ(small.size(), 2u) << Describe(small);
  EXPECT_EQ(small[0].ops.size(), 1u);
}

}  // namespace
}  // namespace sillok::differential
