#include "coordinator/zab/history.h"

#include <string>
#include <utility>
#include <vector>

#include "coordinator/zab/quorum.h"
#include "gtest/gtest.h"
#include "test/sim/zab_image.h"

namespace sillok::zab {
namespace {

constexpr size_t kMuch = size_t{1} << 20;

// A history on a disk that is written when the test says so.
class HistoryTest : public testing::Test {
 protected:
  // The log as a former life has left it.
  void Stored(const std::vector<Zxid>& zxids, Zxid trimmed = Zxid()) {
    sim::ZabWrite write;
    if (trimmed != Zxid()) write.persist.install_snapshot = trimmed;
    for (Zxid zxid : zxids) {
      write.persist.entries.push_back(MakeEntry(zxid, "stored"));
    }
    write.persist.hard_state = HardState{9, 9};
    disk_.Apply(write);
  }
  History& Open() {
    history_.emplace(disk_.hard_state(), disk_.TrimmedTo(), &disk_, options_);
    return *history_;
  }
  // Writes all that has been asked for so far.
  void WriteAll() {
    uint64_t last = 0;
    for (Persist& persist : history_->TakePersists()) {
      last = persist.token;
      sim::ZabWrite write;
      write.persist = std::move(persist);
      disk_.Apply(write);
    }
    if (last != 0) history_->OnPersisted(last);
  }
  std::vector<Zxid> All(Zxid after) {
    std::vector<Zxid> zxids;
    for (;;) {
      std::vector<Entry> some = history_->Read(after, kMuch);
      if (some.empty()) return zxids;
      for (const Entry& entry : some) zxids.push_back(entry.zxid);
      after = zxids.back();
    }
  }

  Options options_;
  sim::ZabImage disk_;
  std::optional<History> history_;
};

TEST_F(HistoryTest, WhatIsAppendedIsReadAtOnceAndDurableWhenWritten) {
  Stored({Zxid(1, 1)});
  History& history = Open();
  history.Append(MakeEntry(Zxid(1, 2), "b"));
  EXPECT_EQ(history.last(), Zxid(1, 2));
  EXPECT_EQ(history.durable(), Zxid(1, 1));
  EXPECT_EQ(All(Zxid()), (std::vector<Zxid>{Zxid(1, 1), Zxid(1, 2)}));
  WriteAll();
  EXPECT_EQ(history.durable(), Zxid(1, 2));
}

TEST_F(HistoryTest, NothingAboveATruncationUnderWayCountsAsDurable) {
  Stored({Zxid(1, 1), Zxid(1, 2), Zxid(1, 3)});
  History& history = Open();
  history.TruncateAfter(Zxid(1, 1));
  history.Append(MakeEntry(Zxid(2, 1), "new"));
  EXPECT_EQ(history.durable(), Zxid(1, 1));
  EXPECT_EQ(All(Zxid()), (std::vector<Zxid>{Zxid(1, 1), Zxid(2, 1)}));
  EXPECT_EQ(history.LastAtOrBefore(Zxid(1, 9)), Zxid(1, 1));
  EXPECT_FALSE(history.Contains(Zxid(1, 2)));
  WriteAll();
  EXPECT_EQ(history.durable(), Zxid(2, 1));
  EXPECT_EQ(All(Zxid()), (std::vector<Zxid>{Zxid(1, 1), Zxid(2, 1)}));
}

TEST_F(HistoryTest, AnEarlierWriteDoesNotMakeWhatALaterOneCutsDurable) {
  Stored({Zxid(1, 1)});
  History& history = Open();
  history.Append(MakeEntry(Zxid(1, 2), "x"));
  std::vector<Persist> first = history.TakePersists();
  history.TruncateAfter(Zxid(1, 1));
  history.Append(MakeEntry(Zxid(2, 1), "y"));
  std::vector<Persist> second = history.TakePersists();
  ASSERT_EQ(first.size(), 1u);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].truncate_after, Zxid(1, 1));
  history.OnPersisted(first[0].token);
  EXPECT_EQ(history.durable(), Zxid(1, 1));
  history.OnPersisted(second[0].token);
  EXPECT_EQ(history.durable(), Zxid(2, 1));
}

TEST_F(HistoryTest, ASnapshotLeavesNothingOfTheOldLog) {
  Stored({Zxid(1, 1), Zxid(1, 2), Zxid(7, 1)});
  History& history = Open();
  history.InstallSnapshot(Zxid(5, 4));
  history.Append(MakeEntry(Zxid(5, 5), "after"));
  EXPECT_EQ(history.last(), Zxid(5, 5));
  EXPECT_EQ(history.durable(), Zxid());
  EXPECT_EQ(history.LastAtOrBefore(Zxid(1, 2)), std::nullopt);
  EXPECT_TRUE(history.Contains(Zxid(5, 4)));
  EXPECT_TRUE(history.Read(Zxid(1, 1), kMuch).empty());
  EXPECT_EQ(All(Zxid(5, 4)), (std::vector<Zxid>{Zxid(5, 5)}));
  WriteAll();
  EXPECT_EQ(history.durable(), Zxid(5, 5));
  EXPECT_EQ(disk_.TrimmedTo(), Zxid(5, 4));
  EXPECT_EQ(All(Zxid(5, 4)), (std::vector<Zxid>{Zxid(5, 5)}));
}

TEST_F(HistoryTest, WritesThatCannotShareAPersistComeInOrder) {
  Stored({Zxid(1, 1), Zxid(1, 2)});
  History& history = Open();
  history.SetHardState({10, 9});
  history.TruncateAfter(Zxid(1, 1));
  history.Append(MakeEntry(Zxid(10, 1), "z"));
  history.SetHardState({10, 10});
  std::vector<Persist> persists = history.TakePersists();
  ASSERT_EQ(persists.size(), 2u);
  EXPECT_EQ(persists[0].hard_state, (HardState{10, 9}));
  EXPECT_EQ(persists[1].truncate_after, Zxid(1, 1));
  EXPECT_EQ(persists[1].entries.size(), 1u);
  EXPECT_EQ(persists[1].hard_state, (HardState{10, 10}));
  EXPECT_LT(persists[0].token, persists[1].token);
}

TEST_F(HistoryTest, DurableEntriesLeaveMemoryAndAreReadFromTheLog) {
  options_.cache_bytes = 2;
  Stored({});
  History& history = Open();
  std::vector<Zxid> all;
  for (uint64_t i = 1; i <= 6; ++i) {
    all.push_back(Zxid(1, i));
    history.Append(MakeEntry(all.back(), "x"));
  }
  // Handed out, but not yet written: must stay.
  history.Release(Zxid(1, 6));
  EXPECT_EQ(All(Zxid()), all);
  WriteAll();
  history.Release(Zxid(1, 6));
  EXPECT_EQ(All(Zxid()), all);
  EXPECT_EQ(history.LastAtOrBefore(Zxid(1, 3)), Zxid(1, 3));
  history.TruncateAfter(Zxid(1, 2));
  EXPECT_EQ(All(Zxid()), (std::vector<Zxid>{Zxid(1, 1), Zxid(1, 2)}));
}

TEST_F(HistoryTest, AGapIsAViolation) {
  Stored({Zxid(1, 1)});
  History& history = Open();
  history.Append(MakeEntry(Zxid(1, 3), "x"));
  EXPECT_NE(history.violation(), "");
  EXPECT_EQ(history.last(), Zxid(1, 1));
}

TEST_F(HistoryTest, EpochsOutOfOrderOnDiskAreAViolation) {
  sim::ZabWrite write;
  write.persist.entries.push_back(MakeEntry(Zxid(3, 1), "x"));
  write.persist.hard_state = HardState{2, 2};
  disk_.Apply(write);
  EXPECT_NE(Open().violation(), "");
}

TEST_F(HistoryTest, AnEntryAboveTheCurrentEpochIsWhatACrashInSyncLeaves) {
  sim::ZabWrite write;
  write.persist.entries.push_back(MakeEntry(Zxid(3, 1), "x"));
  write.persist.hard_state = HardState{4, 2};
  disk_.Apply(write);
  EXPECT_EQ(Open().violation(), "");
  EXPECT_EQ(history_->recency(), 3u);
}

TEST(VoterSetTest, AQuorumIsMoreThanHalf) {
  VoterSet three({MemberId(3), MemberId(1), MemberId(2), MemberId(1)});
  EXPECT_EQ(three.size(), 3u);
  EXPECT_FALSE(three.IsQuorum(1));
  EXPECT_TRUE(three.IsQuorum(2));
  EXPECT_EQ(VoterSet({MemberId(1)}).quorum_size(), 1u);
}

TEST(VoterSetTest, WhatAQuorumHasReachedIsTheMedianOrBelow) {
  VoterSet five({MemberId(1), MemberId(2), MemberId(3), MemberId(4),
                 MemberId(5)});
  EXPECT_EQ(five.ReachedByQuorum(std::vector<int>{9, 1, 7, 3, 5}), 5);
  VoterSet four({MemberId(1), MemberId(2), MemberId(3), MemberId(4)});
  EXPECT_EQ(four.ReachedByQuorum(std::vector<int>{9, 1, 7, 3}), 3);
}

}  // namespace
}  // namespace sillok::zab
