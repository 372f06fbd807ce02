#include "coordinator/tree/session_tracker.h"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

constexpr MemberId kMember{1};
constexpr MemberId kOther{2};
using Ids = std::vector<SessionId>;

TEST(SessionTrackerTest, ASessionLivesForItsTimeoutAndAtMostATickMore) {
  for (int64_t start = 0; start < 300; start += 7) {
    SessionTracker tracker(100);
    tracker.Add(SessionId(1), 1000, kMember, start);
    EXPECT_TRUE(tracker.Expire(start + 1000 - 1).empty());
    EXPECT_TRUE(tracker.Expire(start + 1000).empty());
    EXPECT_EQ(tracker.Expire(start + 1100), Ids{SessionId(1)}) << start;
  }
}

TEST(SessionTrackerTest, ATouchGivesTheWholeTimeoutAgain) {
  SessionTracker tracker(100);
  tracker.Add(SessionId(1), 1000, kMember, 0);
  for (int64_t now = 0; now < 10'000; now += 900) {
    EXPECT_TRUE(tracker.Touch(SessionId(1), now));
    EXPECT_TRUE(tracker.Expire(now + 899).empty());
  }
  EXPECT_EQ(tracker.Expire(20'000), Ids{SessionId(1)});
  EXPECT_FALSE(tracker.Touch(SessionId(1), 20'000));
}

TEST(SessionTrackerTest, ABrokenSessionExpiresSoonUnlessItIsTouched) {
  SessionTracker tracker(100);
  for (uint64_t id : {1, 2, 3}) {
    tracker.Add(SessionId(id), 5'000, MemberId(1), 1'000);
    tracker.ExpireSoon(SessionId(id), 50, 1'000);
  }
  tracker.Touch(SessionId(2), 1'010);
  tracker.Remove(SessionId(3));
  EXPECT_EQ(tracker.NextDeadlineMs(), 1'050);
  EXPECT_TRUE(tracker.Expire(1'049).empty());
  EXPECT_EQ(tracker.Expire(1'050), Ids{SessionId(1)});
  EXPECT_FALSE(tracker.Touch(SessionId(1), 1'060));
  EXPECT_TRUE(tracker.Expire(6'000).empty());
  EXPECT_EQ(tracker.Expire(7'000), Ids{SessionId(2)});
}

TEST(SessionTrackerTest, ABrokenSessionNeverOutlivesItsTimeout) {
  SessionTracker tracker(100);
  tracker.Add(SessionId(1), 1'000, MemberId(1), 0);
  tracker.ExpireSoon(SessionId(1), 50'000, 0);
  EXPECT_EQ(tracker.Expire(1'100), Ids{SessionId(1)});
  EXPECT_TRUE(tracker.Expire(60'000).empty());
}

TEST(SessionTrackerTest, AnExpiredSessionIsReportedOnce) {
  SessionTracker tracker(100);
  tracker.Add(SessionId(1), 1000, kMember, 0);
  EXPECT_EQ(tracker.Expire(5000).size(), 1u);
  EXPECT_TRUE(tracker.Expire(50'000).empty());
  EXPECT_TRUE(tracker.IsClosing(SessionId(1)));
  EXPECT_EQ(tracker.Check(SessionId(1), kMember),
            SessionTracker::Verdict::kExpired);
  tracker.Remove(SessionId(1));
  EXPECT_EQ(tracker.size(), 0u);
}

TEST(SessionTrackerTest, AReopenedSessionExpiresAgain) {
  SessionTracker tracker(100);
  tracker.Add(SessionId(1), 1000, kMember, 0);
  EXPECT_EQ(tracker.Expire(5000).size(), 1u);
  tracker.Reopen(SessionId(1), 5000);
  EXPECT_TRUE(tracker.Touch(SessionId(1), 5000));
  EXPECT_TRUE(tracker.Expire(6000).empty());
  EXPECT_EQ(tracker.Expire(6100).size(), 1u);
}

TEST(SessionTrackerTest, ANewTermGivesEverySessionAFreshTimeout) {
  SessionTable table;
  table.Put(SessionId(1), {"", 1000});
  table.Put(SessionId(2), {"", 2000});
  SessionTracker tracker(100);
  tracker.Add(SessionId(9), 1000, kMember, 0);
  tracker.Expire(100'000);
  tracker.Start(table, 200'000);
  EXPECT_EQ(tracker.size(), 2u);
  EXPECT_TRUE(tracker.Expire(201'000).empty());
  EXPECT_EQ(tracker.Expire(201'100), Ids{SessionId(1)});
  EXPECT_EQ(tracker.Expire(202'100), Ids{SessionId(2)});
}

TEST(SessionTrackerTest, OnlyTheOwnersRequestsCount) {
  using Verdict = SessionTracker::Verdict;
  SessionTracker tracker(100);
  EXPECT_EQ(tracker.Check(SessionId(1), kMember), Verdict::kExpired);
  tracker.Add(SessionId(1), 1000, kMember, 0);
  EXPECT_EQ(tracker.Check(SessionId(1), kMember), Verdict::kOk);
  EXPECT_EQ(tracker.Check(SessionId(1), kOther), Verdict::kMoved);
  EXPECT_TRUE(tracker.Claim(SessionId(1), kOther, 10));
  EXPECT_EQ(tracker.Check(SessionId(1), kMember), Verdict::kMoved);
  tracker.MarkClosing(SessionId(1));
  EXPECT_EQ(tracker.Check(SessionId(1), kOther), Verdict::kExpired);
  EXPECT_FALSE(tracker.Claim(SessionId(1), kMember, 10));
}

TEST(SessionTrackerTest, AfterAChangeOfLeaderTheFirstToAskOwnsTheSession) {
  SessionTable table;
  table.Put(SessionId(1), {"", 1000});
  SessionTracker tracker(100);
  tracker.Start(table, 0);
  EXPECT_EQ(tracker.Check(SessionId(1), kOther),
            SessionTracker::Verdict::kOk);
  EXPECT_EQ(tracker.Check(SessionId(1), kMember),
            SessionTracker::Verdict::kMoved);
}

TEST(SessionTrackerTest, NextDeadlineIsNeverLaterThanAnExpiry) {
  SessionTracker tracker(100);
  EXPECT_FALSE(tracker.NextDeadlineMs().has_value());
  tracker.Add(SessionId(1), 1000, kMember, 0);
  EXPECT_EQ(tracker.NextDeadlineMs(), 1100);
  tracker.Add(SessionId(2), 500, kMember, 0);
  EXPECT_EQ(tracker.NextDeadlineMs(), 600);
}

TEST(SessionTrackerTest, AddingAgainWithAShorterTimeoutCounts) {
  SessionTracker tracker(100);
  tracker.Add(SessionId(1), 10'000, kMember, 0);
  tracker.Add(SessionId(1), 500, kMember, 0);
  EXPECT_EQ(tracker.Expire(600), Ids{SessionId(1)});
}

// Against the obvious implementation: a deadline per session, looked at each time.
TEST(SessionTrackerTest, AgreesWithANaiveTracker) {
  constexpr int64_t kTick = 50;
  std::mt19937 random(3);
  SessionTracker tracker(kTick);
  struct Naive {
    int64_t timeout, deadline;
    bool closing;
  };
  std::map<uint64_t, Naive> model;
  const auto deadline = [&](int64_t at) { return (at / kTick + 1) * kTick; };
  int64_t now = 0;
  size_t expiries = 0;
  for (int step = 0; step < 50'000; ++step) {
    const uint64_t id = 1 + random() % 50;
    const auto it = model.find(id);
    switch (random() % 6) {
      case 0:
        if (it == model.end()) {
          const int64_t timeout = 100 + random() % 1000;
          tracker.Add(SessionId(id), timeout, kMember, now);
          model[id] = {timeout, deadline(now + timeout), false};
        }
        break;
      case 1:
      case 2: {
        const bool alive = it != model.end() && !it->second.closing;
        ASSERT_EQ(tracker.Touch(SessionId(id), now), alive);
        if (alive) it->second.deadline = deadline(now + it->second.timeout);
        break;
      }
      case 3:
        if (it != model.end() && it->second.closing) {
          if (random() % 2 == 0) {
            tracker.Remove(SessionId(id));
            model.erase(it);
          } else {
            tracker.Reopen(SessionId(id), now);
            it->second.closing = false;
            it->second.deadline = deadline(now + it->second.timeout);
          }
        }
        break;
      default: {
        now += random() % 60;
        Ids expired = tracker.Expire(now), want;
        for (auto& [session, state] : model) {
          if (state.closing || state.deadline > now) continue;
          state.closing = true;
          want.push_back(SessionId(session));
        }
        std::sort(expired.begin(), expired.end());
        ASSERT_EQ(expired, want) << "at " << now;
        expiries += want.size();
      }
    }
  }
  EXPECT_GT(expiries, 100u);
}

}  // namespace
}  // namespace sillok
