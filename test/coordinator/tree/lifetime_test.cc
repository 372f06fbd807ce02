// Containers, TTL znodes, the reaper, and data that is not there.
#include <algorithm>
#include <string>
#include <vector>

#include "coordinator/tree/reaper.h"
#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {
namespace {

constexpr int64_t kMaxTtlMs = (int64_t{1} << 40) - 1;

class LifetimeTest : public testing::Test {
 protected:
  LifetimeTest() { leader.OpenSession(1); }

  v1::CoordCode CreateContainer(const std::string& path) {
    return leader.Code(Create(path, "", v1::CONTAINER));
  }

  Leader leader;
};

TEST_F(LifetimeTest, ALifetimeDoesNotShowInTheStat) {
  EXPECT_EQ(CreateContainer("/c"), v1::OK);
  EXPECT_EQ(leader.Code(CreateTtl("/t", 100)), v1::OK);
  EXPECT_EQ(leader.StatOf("/c").ephemeral_owner(), 0u);
  EXPECT_EQ(leader.StatOf("/t").ephemeral_owner(), 0u);
  EXPECT_EQ(leader.Code(Create("/c/x")), v1::OK);
  EXPECT_EQ(leader.Code(Create("/t/x")), v1::OK);
  EXPECT_EQ(leader.tree.timed_znodes(), 2u);
}

TEST_F(LifetimeTest, TtlsHaveTheirBounds) {
  for (const int64_t ttl_ms : {int64_t{-1}, int64_t{0}, kMaxTtlMs + 1}) {
    EXPECT_EQ(leader.Code(CreateTtl("/t", ttl_ms)), v1::BAD_ARGUMENTS);
  }
  EXPECT_EQ(leader.Code(CreateTtl("/t", kMaxTtlMs)), v1::OK);
  // Of the other modes a TTL is a mistake.
  EXPECT_EQ(leader.Code(CreateTtl("/x", 5, v1::PERSISTENT)),
            v1::BAD_ARGUMENTS);
  PrepareOptions options;
  options.ttl_enabled = false;
  Leader strict(options);
  strict.OpenSession(1);
  EXPECT_EQ(strict.Code(CreateTtl("/t", 5)), v1::UNIMPLEMENTED);
}

TEST_F(LifetimeTest, SequentialTtlZnodesAreNumbered) {
  const ApplyResult result = leader.Run(Single(
      CreateTtl("/t", 5, v1::PERSISTENT_SEQUENTIAL_WITH_TTL)));
  EXPECT_EQ(result.response.write().path(), "/t0000000000");
}

TEST_F(LifetimeTest, AContainerGoesAfterItsLastChild) {
  CreateContainer("/c");
  EXPECT_FALSE(leader.Reap("/c").logged);
  leader.Code(Create("/c/x"));
  EXPECT_FALSE(leader.Reap("/c").logged);
  leader.Code(Delete("/c/x"));
  EXPECT_TRUE(leader.Reap("/c").logged);
  const ApplyResult result = leader.ApplyOne();
  EXPECT_FALSE(leader.Has("/c"));
  ASSERT_EQ(result.changes.size(), 2u);
  EXPECT_EQ(result.changes[0].type, v1::NODE_DELETED);
  EXPECT_EQ(leader.tree.timed_znodes(), 0u);
  EXPECT_TRUE(leader.tree.CheckInvariants().ok());
}

TEST_F(LifetimeTest, AContainerThatIsNeverUsedGoesAfterAWhile) {
  CreateContainer("/c");
  leader.now_ms += 1000;
  EXPECT_FALSE(leader.Reap("/c", 1000).logged);
  EXPECT_FALSE(leader.Reap("/c", 0).logged);
  leader.now_ms += 1;
  EXPECT_FALSE(leader.Reap("/c", 0).logged);
  EXPECT_TRUE(leader.Reap("/c", 1000).logged);
}

TEST_F(LifetimeTest, ATtlCountsFromTheLastDataWithoutChildren) {
  leader.Code(CreateTtl("/t", 100));
  leader.now_ms += 100;
  EXPECT_FALSE(leader.Reap("/t").logged);
  leader.Code(Set("/t", "renewed"));
  leader.now_ms += 100;
  EXPECT_FALSE(leader.Reap("/t").logged);
  leader.Code(Create("/t/x"));
  leader.now_ms += 100;
  EXPECT_FALSE(leader.Reap("/t").logged);
  leader.Code(Delete("/t/x"));
  EXPECT_TRUE(leader.Reap("/t").logged);
}

TEST_F(LifetimeTest, WhatIsInUseJustNowStays) {
  CreateContainer("/c");
  leader.Code(Create("/c/x"));
  leader.Code(Delete("/c/x"));
  ASSERT_TRUE(leader.Prepare(Single(Create("/c/y"))).logged);
  EXPECT_FALSE(leader.Reap("/c").logged);
  leader.ApplyOne();
  EXPECT_TRUE(leader.Has("/c/y"));

  leader.Code(CreateTtl("/t", 100));
  leader.now_ms += 200;
  ASSERT_TRUE(leader.Prepare(Single(Set("/t", "renewed"))).logged);
  EXPECT_FALSE(leader.Reap("/t").logged);
}

TEST_F(LifetimeTest, ACreateAfterTheReapFindsNoParent) {
  CreateContainer("/c");
  leader.Code(Create("/c/x"));
  leader.Code(Delete("/c/x"));
  ASSERT_TRUE(leader.Reap("/c").logged);
  EXPECT_FALSE(leader.Reap("/c").logged);
  EXPECT_EQ(leader.Prepare(Single(Create("/c/y"))).rejection.code(),
            v1::NO_NODE);
}

TEST_F(LifetimeTest, OrdinaryZnodesAreNotReaped) {
  leader.Code(Create("/p"));
  leader.Code(Create("/e", "", v1::EPHEMERAL));
  leader.now_ms += 1'000'000;
  for (const char* path : {"/p", "/e", "/", "/missing"}) {
    EXPECT_FALSE(leader.Reap(path, 1).logged) << path;
  }
}

TEST_F(LifetimeTest, LifetimesSurviveAReload) {
  CreateContainer("/c");
  leader.Code(Create("/c/x"));
  leader.Code(Delete("/c/x"));
  leader.Code(CreateTtl("/t", 100));
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  ZnodeTree copy;
  ASSERT_TRUE(LoadTree(disk, leader.tree.applied(), &copy).ok());
  EXPECT_EQ(copy.digest(), leader.tree.digest());
  EXPECT_TRUE(copy.CheckInvariants().ok());
  EXPECT_TRUE(copy.IsOverdue("/c", leader.now_ms, 0));
  EXPECT_FALSE(copy.IsOverdue("/t", leader.now_ms + 100, 0));
  EXPECT_TRUE(copy.IsOverdue("/t", leader.now_ms + 101, 0));
}

TEST_F(LifetimeTest, NoDataIsNotEmptyData) {
  v1::WriteOp op = Create("/n");
  op.mutable_create()->set_null_data(true);
  leader.Code(op);
  const auto is_null = [&](const ZnodeTree& tree) {
    v1::CoordRequest request;
    request.mutable_get_data()->set_path("/n");
    return tree.Read(request).null_data();
  };
  EXPECT_TRUE(is_null(leader.tree));
  EXPECT_EQ(leader.StatOf("/n").data_length(), 0);
  Disk disk;
  WriteRows(leader.tree.TakeRows(), &disk);
  ZnodeTree copy;
  ASSERT_TRUE(LoadTree(disk, leader.tree.applied(), &copy).ok());
  EXPECT_TRUE(is_null(copy));
  leader.Code(Set("/n", ""));
  EXPECT_FALSE(is_null(leader.tree));
  op = Set("/n", "");
  op.mutable_set_data()->set_null_data(true);
  leader.Code(op);
  EXPECT_TRUE(is_null(leader.tree));
  // Who sends data means them.
  op = Set("/n", "data");
  op.mutable_set_data()->set_null_data(true);
  leader.Code(op);
  EXPECT_FALSE(is_null(leader.tree));
}

// --- the reaper's pace ---

class ReaperTest : public LifetimeTest {
 protected:
  // Containers that are due at once.
  void MakeDue(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string path = "/c" + std::to_string(i);
      CreateContainer(path);
      leader.Code(Create(path + "/x"));
      leader.Code(Delete(path + "/x"));
    }
  }
  std::vector<std::string> Due(Reaper& reaper, int64_t monotonic_ms) {
    return reaper.Due(leader.tree, monotonic_ms, leader.now_ms);
  }
};

TEST_F(ReaperTest, EachZnodeIsLookedAtOnceInAnInterval) {
  MakeDue(100);
  ReaperOptions options;
  options.check_interval_ms = 1000;
  options.max_per_minute = 1'000'000;
  Reaper reaper(options);
  reaper.Start(0);
  std::vector<std::string> due;
  for (int64_t ms = 100; ms <= 1000; ms += 100) {
    const std::vector<std::string> now = Due(reaper, ms);
    EXPECT_LE(now.size(), 11u);
    due.insert(due.end(), now.begin(), now.end());
  }
  EXPECT_EQ(due.size(), 100u);
  std::sort(due.begin(), due.end());
  EXPECT_EQ(std::unique(due.begin(), due.end()), due.end());
}

TEST_F(ReaperTest, NoMoreGoInAMinuteThanMay) {
  MakeDue(500);
  ReaperOptions options;
  options.check_interval_ms = 100;
  options.max_per_minute = 120;
  Reaper reaper(options);
  reaper.Start(0);
  size_t count = 0;
  for (int64_t ms = 50; ms <= 60'000; ms += 50) {
    count += Due(reaper, ms).size();
  }
  EXPECT_LE(count, 122u);
  EXPECT_GE(count, 115u);
}

TEST_F(ReaperTest, AfterALongPauseItDoesNotCatchUpAtOnce) {
  MakeDue(500);
  ReaperOptions options;
  options.check_interval_ms = 100;
  options.max_per_minute = 6000;
  Reaper reaper(options);
  reaper.Start(0);
  EXPECT_LE(Due(reaper, 3'600'000).size(), 100u);
}

TEST_F(ReaperTest, NothingToLookAtIsNoWork) {
  Reaper reaper(ReaperOptions{});
  reaper.Start(0);
  EXPECT_TRUE(Due(reaper, 600'000).empty());
}

}  // namespace
}  // namespace sillok
