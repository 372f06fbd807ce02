#include "coordinator/tree/quota.h"

#include <string>

#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

TEST(QuotaTest, LimitsAreReadInAllTheirForms) {
  QuotaLimits limits =
      ParseQuotaLimits("count=5,bytes=-1=;byteHardLimit=70;countHardLimit=9");
  EXPECT_EQ(limits.count, 5);
  EXPECT_EQ(limits.bytes, -1);
  EXPECT_EQ(limits.hard_bytes, 70);
  EXPECT_EQ(limits.hard_count, 9);
  limits = ParseQuotaLimits("count=-1,bytes=10");
  EXPECT_EQ(limits.count, -1);
  EXPECT_EQ(limits.bytes, 10);
  EXPECT_EQ(limits.hard_count, -1);
  for (const char* text : {"", "count", "count=", "count=x,bytes=1y", ";;,,"}) {
    limits = ParseQuotaLimits(text);
    EXPECT_EQ(limits.count, -1) << text;
    EXPECT_EQ(limits.bytes, -1) << text;
  }
}

TEST(QuotaTest, StatisticsComeBackAsTheyWereWritten) {
  EXPECT_EQ(FormatQuotaUse({3, 40}), "count=3,bytes=40");
  EXPECT_EQ(ParseQuotaUse("count=3,bytes=40"), (QuotaUse{3, 40}));
  EXPECT_EQ(ParseQuotaUse("damaged"), (QuotaUse{0, 0}));
  // What a client writes there must not make a sum overflow.
  QuotaUse use = ParseQuotaUse("count=9223372036854775807,bytes=1");
  use += {1, 1};
  EXPECT_GT(use.count, 0);
}

TEST(QuotaTest, AHardLimitTakesThePlaceOfTheSoftOne) {
  QuotaLimits limits;
  EXPECT_EQ(CheckQuota(limits, {100, 100}, {1, 1}), QuotaVerdict::kWithin);
  limits.count = 5;
  EXPECT_EQ(CheckQuota(limits, {4, 0}, {1, 0}), QuotaVerdict::kWithin);
  EXPECT_EQ(CheckQuota(limits, {5, 0}, {1, 0}), QuotaVerdict::kOverSoftLimit);
  limits.hard_count = 7;
  EXPECT_EQ(CheckQuota(limits, {6, 0}, {1, 0}), QuotaVerdict::kWithin);
  EXPECT_EQ(CheckQuota(limits, {7, 0}, {1, 0}), QuotaVerdict::kOverHardLimit);
  limits.hard_bytes = 0;
  EXPECT_EQ(CheckQuota(limits, {1, 0}, {1, 0}), QuotaVerdict::kWithin);
  EXPECT_EQ(CheckQuota(limits, {1, 0}, {1, 1}), QuotaVerdict::kOverHardLimit);
  // Above the limit, what does not grow passes.
  EXPECT_EQ(CheckQuota(limits, {9, 9}, {0, 0}), QuotaVerdict::kWithin);
  EXPECT_EQ(CheckQuota(limits, {9, 9}, {-1, -3}), QuotaVerdict::kWithin);
}

TEST(QuotaTest, PathsOfQuotaZnodesAreRecognised) {
  EXPECT_EQ(QuotaLimitsPath("/a/b"), "/zookeeper/quota/a/b/zookeeper_limits");
  EXPECT_EQ(PathOfQuotaLimits("/zookeeper/quota/a/b/zookeeper_limits"), "/a/b");
  EXPECT_EQ(PathOfQuotaStats("/zookeeper/quota/a/zookeeper_stats"), "/a");
  for (const char* path :
       {"/zookeeper/quota/zookeeper_limits", "/zookeeper/quota/a",
        "/zookeeper/quotas/a/zookeeper_limits", "/a/zookeeper_limits",
        "/zookeeper/quota/a/my_zookeeper_limits"}) {
    EXPECT_FALSE(PathOfQuotaLimits(path)) << path;
  }
}

class TreeQuotaTest : public testing::Test {
 protected:
  static PrepareOptions Enforced() {
    PrepareOptions options;
    options.enforce_quota = true;
    return options;
  }
  TreeQuotaTest() : leader(Enforced()) { leader.OpenSession(1); }

  void SetQuota(const std::string& path, const std::string& limits) {
    for (size_t slash = 0; slash != std::string::npos;) {
      const size_t next = path.find('/', slash + 1);
      leader.Code(Create("/zookeeper/quota" + path.substr(0, next)));
      slash = next;
    }
    EXPECT_EQ(leader.Code(Create(QuotaLimitsPath(path), limits)), v1::OK);
    EXPECT_EQ(leader.Code(Create(QuotaStatsPath(path), "count=0,bytes=0")),
              v1::OK);
  }
  std::string Use(const std::string& path) {
    std::string data;
    EXPECT_EQ(leader.tree.GetData(QuotaStatsPath(path), &data, nullptr),
              v1::OK);
    return data;
  }

  Leader leader;
};

TEST_F(TreeQuotaTest, StatisticsBeginWithWhatIsThereAndFollow) {
  leader.Code(Create("/a", "12345"));
  leader.Code(Create("/a/b", "123"));
  leader.Code(Create("/ab", "elsewhere"));
  SetQuota("/a", "count=-1,bytes=-1");
  EXPECT_EQ(Use("/a"), "count=2,bytes=8");
  leader.Code(Create("/a/b/c", "1"));
  leader.Code(Create("/ab/x", "1"));
  EXPECT_EQ(Use("/a"), "count=3,bytes=9");
  leader.Code(Set("/a/b", "1234567"));
  EXPECT_EQ(Use("/a"), "count=3,bytes=13");
  leader.Code(Delete("/a/b/c"));
  EXPECT_EQ(Use("/a"), "count=2,bytes=12");
  leader.Code(Create("/a/e", "xx", v1::EPHEMERAL));
  EXPECT_EQ(Use("/a"), "count=3,bytes=14");
  leader.CloseSession(1);
  leader.ApplyOne();
  EXPECT_EQ(Use("/a"), "count=2,bytes=12");
  EXPECT_TRUE(leader.tree.CheckInvariants().ok());
}

TEST_F(TreeQuotaTest, StatisticsChangeWithoutAVersion) {
  leader.Code(Create("/a"));
  SetQuota("/a", "count=10,bytes=-1");
  const v1::Stat before = leader.StatOf(QuotaStatsPath("/a"));
  leader.Code(Create("/a/b"));
  const v1::Stat after = leader.StatOf(QuotaStatsPath("/a"));
  EXPECT_EQ(before.version(), after.version());
  EXPECT_EQ(before.mzxid(), after.mzxid());
}

TEST_F(TreeQuotaTest, TheHardLimitIsExactAlsoForWhatIsPending) {
  leader.Code(Create("/a"));
  SetQuota("/a", "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3");
  EXPECT_TRUE(leader.Prepare(Single(Create("/a/1"))).logged);
  EXPECT_TRUE(leader.Prepare(Single(Create("/a/2"))).logged);
  EXPECT_EQ(leader.Prepare(Single(Create("/a/3"))).rejection.code(),
            v1::QUOTA_EXCEEDED);
  // Room that a pending delete makes counts as well.
  EXPECT_TRUE(leader.Prepare(Single(Delete("/a/1"))).logged);
  EXPECT_TRUE(leader.Prepare(Single(Create("/a/3"))).logged);
  while (!leader.log.empty()) leader.ApplyOne();
  EXPECT_EQ(Use("/a"), "count=3,bytes=0");
  EXPECT_EQ(leader.Code(Create("/a/4")), v1::QUOTA_EXCEEDED);
}

TEST_F(TreeQuotaTest, AMultiCountsItsOwnOperationsAndTakesThemBack) {
  leader.Code(Create("/a"));
  SetQuota("/a", "countHardLimit=3");
  EXPECT_EQ(
      leader.Run(Multi({Create("/a/1"), Create("/a/2"), Create("/a/3")}))
          .response.code(),
      v1::QUOTA_EXCEEDED);
  EXPECT_EQ(
      leader.Run(Multi({Create("/a/1"), Create("/a/2")})).response.code(),
      v1::OK);
}

TEST_F(TreeQuotaTest, BytesAreLimitedToo) {
  leader.Code(Create("/a", "123"));
  SetQuota("/a", "byteHardLimit=5");
  EXPECT_EQ(leader.Code(Set("/a", "123456")), v1::QUOTA_EXCEEDED);
  // Also when the version is wrong: the quota is looked at first.
  EXPECT_EQ(leader.Code(Set("/a", "123456", 77)), v1::QUOTA_EXCEEDED);
  EXPECT_EQ(leader.Code(Set("/a", "12345")), v1::OK);
  EXPECT_EQ(leader.Code(Create("/a/b", "1")), v1::QUOTA_EXCEEDED);
  EXPECT_EQ(leader.Code(Create("/a/b", "")), v1::OK);
}

TEST_F(TreeQuotaTest, TheNearestQuotaHolds) {
  leader.Code(Create("/a"));
  leader.Code(Create("/a/b"));
  SetQuota("/a", "countHardLimit=1");
  SetQuota("/a/b", "countHardLimit=2");
  EXPECT_EQ(leader.Code(Create("/a/x")), v1::QUOTA_EXCEEDED);
  EXPECT_EQ(leader.Code(Create("/a/b/x")), v1::OK);
  EXPECT_EQ(leader.Code(Create("/a/b/y")), v1::QUOTA_EXCEEDED);
}

TEST_F(TreeQuotaTest, WithoutItsZnodesAQuotaIsOver) {
  leader.Code(Create("/a"));
  SetQuota("/a", "countHardLimit=1");
  EXPECT_EQ(leader.Code(Create("/a/x")), v1::QUOTA_EXCEEDED);
  leader.Code(Delete(QuotaLimitsPath("/a")));
  EXPECT_FALSE(leader.tree.has_quotas());
  EXPECT_EQ(leader.Code(Create("/a/x")), v1::OK);
}

TEST_F(TreeQuotaTest, SoftLimitsOnlyCount) {
  leader.Code(Create("/a"));
  SetQuota("/a", "count=1,bytes=-1");
  EXPECT_EQ(leader.Code(Create("/a/x")), v1::OK);
  EXPECT_EQ(leader.preparer.quota_overruns(), 1u);
}

TEST_F(TreeQuotaTest, UnlessEnforcedHardLimitsOnlyCountAsWell) {
  Leader lenient;
  lenient.OpenSession(1);
  lenient.Code(Create("/zookeeper/quota/a"));
  lenient.Code(Create(QuotaLimitsPath("/a"), "countHardLimit=0"));
  lenient.Code(Create(QuotaStatsPath("/a")));
  EXPECT_EQ(lenient.Code(Create("/a")), v1::OK);
  EXPECT_EQ(lenient.preparer.quota_overruns(), 1u);
}

TEST_F(TreeQuotaTest, QuotasSurviveAReload) {
  leader.Code(Create("/a", "12"));
  SetQuota("/a", "countHardLimit=2");
  leader.Code(Create("/a/b"));
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  ZnodeTree copy;
  ASSERT_TRUE(LoadTree(disk, leader.tree.applied(), &copy).ok());
  EXPECT_EQ(copy.FindQuota("/a/b/c"), "/a");
  EXPECT_EQ(copy.FindQuota("/b"), "");
  ASSERT_TRUE(copy.ReadQuota("/a"));
  EXPECT_EQ(copy.ReadQuota("/a")->first.hard_count, 2);
  EXPECT_EQ(copy.ReadQuota("/a")->second, (QuotaUse{2, 2}));
}

}  // namespace
}  // namespace sillok
