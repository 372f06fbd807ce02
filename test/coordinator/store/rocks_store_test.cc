#include "coordinator/store/rocks_store.h"

#include <sys/resource.h>

#include <csignal>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/store/store_fixture.h"

namespace sillok {
namespace {

class RocksStoreTest : public testing::Test {
 protected:
  RocksStoreTest() : options(Options(MakeDirectory())) {}

  void Open() {
    store.reset();
    store = MustOpen(options);
    ASSERT_NE(store, nullptr);
  }
  absl::Status Persist(zab::Persist persist) {
    return PersistAndWait(store.get(), std::move(persist));
  }

  RocksStoreOptions options;
  std::unique_ptr<CoordinatorStore> store;
};

TEST_F(RocksStoreTest, ANewStoreIsEmpty) {
  Open();
  EXPECT_TRUE(store->recovered().fresh);
  EXPECT_EQ(store->recovered().hard_state, zab::HardState());
  EXPECT_EQ(store->LastZxid(), Zxid());
  EXPECT_EQ(store->TrimmedTo(), Zxid());
  EXPECT_TRUE(store->Read(Zxid(), 1000).empty());
  ZnodeTree tree;
  EXPECT_TRUE(RecoverTree(store.get(), &tree).ok());
  Open();
  EXPECT_FALSE(store->recovered().fresh);
}

TEST_F(RocksStoreTest, WhatWasReportedIsThereAgain) {
  Open();
  ASSERT_TRUE(Persist(Epochs(2, 1)).ok());
  zab::Persist both = Entries(Zxid(1, 1), 3);
  both.hard_state = zab::HardState{2, 2};
  ASSERT_TRUE(Persist(std::move(both)).ok());
  Open();
  EXPECT_EQ(store->recovered().hard_state, (zab::HardState{2, 2}));
  EXPECT_EQ(store->recovered().last_logged, Zxid(1, 3));
  EXPECT_EQ(Show(store->Read(Zxid(), 1 << 20)), "1.1=txn1 1.2=txn2 1.3=txn3");
  ASSERT_TRUE(Persist(Entries(Zxid(2, 1), 1, "new")).ok());
  EXPECT_EQ(Show(store->Read(Zxid(1, 3), 1)), "2.1=new1");
}

TEST_F(RocksStoreTest, CallbacksComeInTheOrderOfTheCalls) {
  Open();
  Persist(Epochs(1, 1)).IgnoreError();
  std::vector<int> order;
  for (int i = 0; i < 500; ++i) {
    store->Persist(Entries(Zxid(1, i + 1), 1), [&order, i](absl::Status s) {
      EXPECT_TRUE(s.ok()) << s;
      order.push_back(i);
    });
    // Readable at once, durable or not.
    EXPECT_EQ(store->LastZxid(), Zxid(1, i + 1));
    EXPECT_EQ(store->Read(Zxid(1, i), 1).size(), 1u);
  }
  ASSERT_TRUE(store->Flush().ok());
  ASSERT_EQ(order.size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(order[i], i);
}

// The same questions with all of the log in memory, and with next to none.
TEST_F(RocksStoreTest, TheLogReadsAlikeFromMemoryAndDisk) {
  for (const size_t cache : {0, 300, 1 << 20}) {
    options = Options(MakeDirectory());
    options.cache_bytes = cache;
    Open();
    ASSERT_TRUE(Persist(Epochs(9, 9)).ok());
    ASSERT_TRUE(Persist(Entries(Zxid(1, 1), 20)).ok());
    ASSERT_TRUE(Persist(Entries(Zxid(3, 1), 5)).ok());
    ASSERT_TRUE(store->Flush().ok());
    EXPECT_EQ(store->Read(Zxid(), 1 << 20).size(), 25u);
    EXPECT_EQ(Show(store->Read(Zxid(1, 19), 1 << 20)),
              "1.20=txn20 3.1=txn1 3.2=txn2 3.3=txn3 3.4=txn4 3.5=txn5");
    EXPECT_EQ(Show(store->Read(Zxid(1, 1), 8)), "1.2=txn2 1.3=txn3");
    EXPECT_EQ(Show(store->Read(Zxid(1, 1), 0)), "1.2=txn2");
    EXPECT_TRUE(store->Read(Zxid(3, 5), 100).empty());
    EXPECT_EQ(store->LastAtOrBefore(Zxid()), Zxid());
    EXPECT_EQ(store->LastAtOrBefore(Zxid(1, 7)), Zxid(1, 7));
    EXPECT_EQ(store->LastAtOrBefore(Zxid(1, 99)), Zxid(1, 20));
    EXPECT_EQ(store->LastAtOrBefore(Zxid(3, 0)), Zxid(1, 20));
    EXPECT_EQ(store->LastAtOrBefore(Zxid(9, 9)), Zxid(3, 5));
  }
}

TEST_F(RocksStoreTest, TruncationIsPartOfTheWrite) {
  for (const size_t cache : {0, 1 << 20}) {
    options = Options(MakeDirectory());
    options.cache_bytes = cache;
    Open();
    ASSERT_TRUE(Persist(Epochs(5, 5)).ok());
    ASSERT_TRUE(Persist(Entries(Zxid(1, 1), 10)).ok());
    zab::Persist persist = Entries(Zxid(2, 1), 2, "new");
    persist.truncate_after = Zxid(1, 4);
    store->Persist(std::move(persist), nullptr);
    EXPECT_EQ(Show(store->Read(Zxid(1, 3), 1 << 20)),
              "1.4=txn4 2.1=new1 2.2=new2");
    EXPECT_EQ(store->LastAtOrBefore(Zxid(1, 9)), Zxid(1, 4));
    // The same zxids again.
    zab::Persist again = Entries(Zxid(1, 4), 3, "other");
    again.truncate_after = Zxid(1, 3);
    ASSERT_TRUE(Persist(std::move(again)).ok());
    const std::string want = "1.3=txn3 1.4=other4 1.5=other5 1.6=other6";
    EXPECT_EQ(Show(store->Read(Zxid(1, 2), 1 << 20)), want);
    Open();
    EXPECT_EQ(Show(store->Read(Zxid(1, 2), 1 << 20)), want);
    EXPECT_EQ(store->recovered().last_logged, Zxid(1, 6));
  }
}

TEST_F(RocksStoreTest, WhatDoesNotContinueTheLogIsRefusedForGood) {
  const auto refused = [&](zab::Persist persist) {
    options = Options(MakeDirectory());
    Open();
    EXPECT_TRUE(Persist(Epochs(5, 5)).ok());
    Leader leader;
    leader.Take(leader.preparer.PrepareCreateSession(
        Origin(1), SessionId(1), "p", 1000, 0));
    CommitAll(&leader, store.get());
    EXPECT_TRUE(Persist(Entries(Zxid(1, 2), 2)).ok());
    EXPECT_EQ(Persist(std::move(persist)).code(),
              absl::StatusCode::kFailedPrecondition);
    // Nothing is taken after that.
    EXPECT_FALSE(Persist(Entries(Zxid(1, 4), 1)).ok());
    EXPECT_FALSE(store->health().ok());
    EXPECT_FALSE(store->BeginInstall().ok());
    Open();
    EXPECT_EQ(store->LastZxid(), Zxid(1, 3));
  };
  refused(Entries(Zxid(1, 5), 1));   // a gap
  refused(Entries(Zxid(1, 3), 1));   // there already
  refused(Entries(Zxid(2, 2), 1));   // not the first of its epoch
  zab::Persist persist;
  persist.truncate_after = Zxid(1, 0);  // below what is applied
  refused(persist);
  persist = {};
  persist.install_snapshot = Zxid(4, 4);  // never staged
  refused(persist);
}

TEST_F(RocksStoreTest, WritesBeforeARefusedOneOfTheSameBatchAreKept) {
  Open();
  ASSERT_TRUE(Persist(Epochs(1, 1)).ok());
  std::vector<bool> ok;
  const auto note = [&ok](absl::Status s) { ok.push_back(s.ok()); };
  store->Persist(Entries(Zxid(1, 1), 1), note);
  store->Persist(Entries(Zxid(1, 2), 1), note);
  store->Persist(Entries(Zxid(1, 9), 1), note);
  store->Persist(Entries(Zxid(1, 3), 1), note);
  EXPECT_FALSE(store->Flush().ok());
  EXPECT_EQ(ok, (std::vector<bool>{true, true, false, false}));
  Open();
  EXPECT_EQ(store->LastZxid(), Zxid(1, 2));
}

TEST_F(RocksStoreTest, AFailedWriteIsReportedAndFinal) {
  Open();
  ASSERT_TRUE(Persist(Epochs(1, 1)).ok());
  ASSERT_TRUE(Persist(Entries(Zxid(1, 1), 1)).ok());
  std::mt19937 random(1);
  std::string large(100'000, '\0');
  for (char& c : large) c = static_cast<char>(random());
  // Like a full disk: no file may grow beyond what one entry needs.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  rlimit tight = old;
  tight.rlim_cur = 16 * 1024;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  EXPECT_FALSE(Persist(Entries(Zxid(1, 2), 1, large)).ok());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_FALSE(Persist(Entries(Zxid(1, 3), 1)).ok());
  EXPECT_FALSE(store->health().ok());
  store.reset();
  // As the process that had it would not, this one still holds the lock.
  const std::string copy = MakeDirectory();
  std::filesystem::copy(options.directory, copy,
                        std::filesystem::copy_options::recursive);
  options.directory = copy;
  Open();
  EXPECT_EQ(store->LastZxid(), Zxid(1, 1));
  EXPECT_TRUE(Persist(Entries(Zxid(1, 2), 1)).ok());
}

// --- Rows and trimming ---

TEST_F(RocksStoreTest, RowsAndAppliedZxidComeBackTogether) {
  Open();
  ASSERT_TRUE(Persist(Epochs(1, 1)).ok());
  Leader leader;
  leader.Take(leader.preparer.PrepareCreateSession(
      Origin(1), SessionId(1), "password", 1000, 0));
  for (int i = 0; i < 100; ++i) {
    leader.Prepare(Single(Create("/n" + std::to_string(i), "data",
                                 i % 3 ? v1::PERSISTENT : v1::EPHEMERAL)));
    if (i % 7 == 0) CommitAll(&leader, store.get());
  }
  CommitAll(&leader, store.get());
  ASSERT_TRUE(store->Flush().ok());
  EXPECT_EQ(store->durable_applied(), leader.last);
  Open();
  EXPECT_EQ(store->recovered().applied, leader.last);
  ZnodeTree tree;
  const absl::Status status = RecoverTree(store.get(), &tree);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Dump(tree), Dump(leader.tree));
}

TEST_F(RocksStoreTest, AnOrderlyEndWritesTheRowsThatWait) {
  Open();
  ASSERT_TRUE(Persist(Epochs(1, 1)).ok());
  Leader leader;
  leader.Take(leader.preparer.PrepareCreateSession(
      Origin(1), SessionId(1), "password", 1000, 0));
  CommitAll(&leader, store.get());
  store.reset();
  Open();
  EXPECT_EQ(store->recovered().applied, leader.last);
}

TEST_F(RocksStoreTest, TrimmingKeepsWhatIsAskedForAndWhatIsNotApplied) {
  options.cache_bytes = 1000;
  options.segment_bytes = 8 * 1024;
  Open();
  ASSERT_TRUE(Persist(Epochs(1, 1)).ok());
  Leader leader;
  leader.Take(leader.preparer.PrepareCreateSession(
      Origin(1), SessionId(1), "password", 1000, 0));
  for (int i = 0; i < 999; ++i) {
    leader.Prepare(Single(Create("/n" + std::to_string(i))));
    if (i % 5 == 0) {
      CommitAll(&leader, store.get());
      ASSERT_TRUE(store->Flush().ok());
    }
  }
  CommitAll(&leader, store.get());
  const Zxid applied = leader.last;  // 1.1000
  for (uint64_t i = 1; i <= 1000; i += 10) {
    ASSERT_TRUE(Persist(Entries(Zxid(1, 1000 + i), 10)).ok());
  }
  store->TrimLog(Zxid(1, 2000), 1'000'000);
  ASSERT_TRUE(store->Flush().ok());
  EXPECT_EQ(store->TrimmedTo(), Zxid());
  store->TrimLog(Zxid(1, 300), 10);
  ASSERT_TRUE(store->Flush().ok());
  const Zxid first = store->TrimmedTo();
  EXPECT_GT(first, Zxid(1, 100));
  EXPECT_LE(first, Zxid(1, 300));
  store->TrimLog(Zxid(1, 2000), 10);
  ASSERT_TRUE(store->Flush().ok());
  EXPECT_GT(store->TrimmedTo(), first);
  EXPECT_LE(store->TrimmedTo(), applied);
  const Zxid trimmed = store->TrimmedTo();
  EXPECT_TRUE(store->Read(Zxid(1, 10), 100).empty());
  EXPECT_EQ(store->LastAtOrBefore(Zxid(1, 10)), std::nullopt);
  EXPECT_EQ(store->LastAtOrBefore(trimmed), trimmed);
  EXPECT_EQ(store->Read(trimmed, 0).at(0).zxid, trimmed.Next());
  Open();
  EXPECT_EQ(store->TrimmedTo(), trimmed);
  EXPECT_EQ(store->Read(trimmed, 0).at(0).zxid, trimmed.Next());
  EXPECT_EQ(store->LastZxid(), Zxid(1, 2000));
}

// A process that is killed loses what the database has in memory; the log must
// still have it.
bool ACopyHasIt(const RocksStoreOptions& options, const Leader& leader) {
  RocksStoreOptions copy = options;
  copy.log_faults = LogFaults();
  copy.directory = MakeDirectory();
  std::filesystem::copy(options.directory, copy.directory,
                        std::filesystem::copy_options::recursive);
  auto store = OpenRocksStore(copy);
  ZnodeTree tree;
  return store.ok() && RecoverTree(store->get(), &tree).ok() &&
         Dump(tree) == Dump(leader.tree);
}

TEST_F(RocksStoreTest, OnlyWhatTheTreeHasOnDiskIsTrimmed) {
  for (const bool planted : {false, true}) {
    options = Options(MakeDirectory());
    options.segment_bytes = 8 * 1024;
    options.log_faults.trims_ahead_of_tree = planted;
    Open();
    ASSERT_TRUE(Persist(Epochs(1, 1)).ok());
    Leader leader;
    leader.Take(leader.preparer.PrepareCreateSession(
        Origin(1), SessionId(1), "password", 1000, 0));
    bool there = true;
    std::mt19937 random(1);
    for (int i = 0; i < 300; ++i) {
      // Of what cannot be packed, so that segments fill.
      std::string data(100, '\0');
      for (char& c : data) c = static_cast<char>(random());
      leader.Prepare(Single(Create("/n" + std::to_string(i), data)));
      CommitAll(&leader, store.get());
      if (i % 50 != 49) continue;
      store->TrimLog(leader.last, 0);
      ASSERT_TRUE(store->Flush().ok());
      there = there && ACopyHasIt(options, leader);
    }
    EXPECT_GT(store->TrimmedTo(), Zxid());
    EXPECT_EQ(there, !planted);
  }
}

TEST_F(RocksStoreTest, WithoutSyncAnOrderlyEndLosesNothingEither) {
  options.sync = false;
  options.segment_bytes = 8 * 1024;
  Open();
  ASSERT_TRUE(Persist(Epochs(1, 1)).ok());
  for (uint64_t i = 1; i <= 200; ++i) {
    store->Persist(Entries(Zxid(1, i), 1), nullptr);
  }
  Open();
  EXPECT_EQ(store->LastZxid(), Zxid(1, 200));
}

// --- Snapshots ---

class SnapshotTest : public RocksStoreTest {
 protected:
  SnapshotTest() {
    Open();
    EXPECT_TRUE(Persist(Epochs(1, 1)).ok());
    leader.Take(leader.preparer.PrepareCreateSession(
        Origin(1), SessionId(1), "password", 1000, 0));
    for (int i = 0; i < 500; ++i) {
      leader.Prepare(Single(Create("/n" + std::to_string(i), "data",
                                   i % 9 ? v1::PERSISTENT : v1::EPHEMERAL)));
    }
    CommitAll(&leader, store.get());
    EXPECT_TRUE(store->Flush().ok());
    target_options = Options(MakeDirectory());
    target_options.member = MemberId(2);
    target = MustOpen(target_options);
    EXPECT_TRUE(PersistAndWait(target.get(), Epochs(1, 0)).ok());
    EXPECT_TRUE(
        PersistAndWait(target.get(), Entries(Zxid(1, 1), 5, "junk")).ok());
  }

  std::vector<std::string> Chunks() {
    auto reader = store->OpenSnapshot(1000);
    EXPECT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ((*reader)->zxid(), leader.last);
    std::vector<std::string> chunks;
    while (true) {
      auto chunk = (*reader)->Next();
      EXPECT_TRUE(chunk.ok()) << chunk.status();
      if (!chunk.ok() || !chunk->has_value()) return chunks;
      chunks.push_back(**std::move(chunk));
    }
  }
  void ReopenTarget() {
    target.reset();
    target = MustOpen(target_options);
    ASSERT_NE(target, nullptr);
  }
  absl::Status Install(Zxid zxid) {
    zab::Persist persist;
    persist.install_snapshot = zxid;
    return PersistAndWait(target.get(), std::move(persist));
  }
  void ExpectTargetHasTheTree() {
    ZnodeTree tree;
    const absl::Status status = RecoverTree(target.get(), &tree);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Dump(tree), Dump(leader.tree));
  }
  void ExpectTargetUntouched() {
    EXPECT_EQ(target->LastZxid(), Zxid(1, 5));
    EXPECT_EQ(target->durable_applied(), Zxid());
    EXPECT_EQ(Show(target->Read(Zxid(1, 4), 1)), "1.5=junk5");
  }

  Leader leader;
  RocksStoreOptions target_options;
  std::unique_ptr<CoordinatorStore> target;
};

TEST_F(SnapshotTest, AnInstalledSnapshotReplacesEverything) {
  const std::vector<std::string> chunks = Chunks();
  EXPECT_GT(chunks.size(), 5u);
  auto writer = target->BeginInstall();
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (const std::string& chunk : chunks) {
    EXPECT_FALSE((*writer)->complete());
    EXPECT_FALSE((*writer)->Stage().ok());
    ASSERT_TRUE((*writer)->Add(chunk).ok());
  }
  EXPECT_TRUE((*writer)->complete());
  EXPECT_EQ((*writer)->zxid(), leader.last);
  ExpectTargetUntouched();
  ASSERT_TRUE((*writer)->Stage().ok());
  writer->reset();
  ExpectTargetUntouched();
  zab::Persist persist = Entries(leader.last.Next(), 2, "after");
  persist.install_snapshot = leader.last;
  persist.hard_state = zab::HardState{1, 1};
  ASSERT_TRUE(PersistAndWait(target.get(), std::move(persist)).ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(target->TrimmedTo(), leader.last);
    EXPECT_EQ(target->durable_applied(), leader.last);
    EXPECT_EQ(target->Read(leader.last, 1 << 20).size(), 2u);
    EXPECT_TRUE(target->Read(Zxid(1, 1), 100).empty());
    ReopenTarget();
  }
  EXPECT_EQ(target->recovered().hard_state, (zab::HardState{1, 1}));
  zab::Persist cut;
  cut.truncate_after = leader.last;
  ASSERT_TRUE(PersistAndWait(target.get(), std::move(cut)).ok());
  ExpectTargetHasTheTree();
}

TEST_F(SnapshotTest, LifeGoesOnAfterAnInstallAndAnother) {
  for (int round = 0; round < 3; ++round) {
    auto writer = target->BeginInstall();
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (const std::string& chunk : Chunks()) {
      ASSERT_TRUE((*writer)->Add(chunk).ok());
    }
    ASSERT_TRUE((*writer)->Stage().ok());
    writer->reset();
    ASSERT_TRUE(Install(leader.last).ok());
    ExpectTargetHasTheTree();
    // The source moves on, the target follows by log.
    leader.Prepare(Single(Create("/after" + std::to_string(round))));
    zab::Persist persist;
    persist.entries.push_back(zab::MakeEntry(
        leader.last, leader.log.back().second.SerializeAsString()));
    ASSERT_TRUE(PersistAndWait(target.get(), std::move(persist)).ok());
    CommitAll(&leader, store.get());
    ASSERT_TRUE(store->Flush().ok());
    ExpectTargetHasTheTree();
    ReopenTarget();
    ExpectTargetHasTheTree();
  }
}

TEST_F(SnapshotTest, APartialSnapshotIsDiscarded) {
  const std::vector<std::string> chunks = Chunks();
  for (const bool crash : {false, true}) {
    auto writer = target->BeginInstall();
    ASSERT_TRUE(writer.ok());
    for (size_t i = 0; i + 1 < chunks.size(); ++i) {
      ASSERT_TRUE((*writer)->Add(chunks[i]).ok());
    }
    EXPECT_FALSE((*writer)->complete());
    writer->reset();
    if (crash) ReopenTarget();
    ExpectTargetUntouched();
  }
  // Its leavings are not in the next one.
  auto writer = target->BeginInstall();
  ASSERT_TRUE(writer.ok());
  for (const std::string& chunk : chunks) {
    ASSERT_TRUE((*writer)->Add(chunk).ok());
  }
  ASSERT_TRUE((*writer)->Stage().ok());
  writer->reset();
  ASSERT_TRUE(Install(leader.last).ok());
  ExpectTargetHasTheTree();
}

TEST_F(SnapshotTest, AStagedSnapshotThatWasNotInstalledCountsForNothing) {
  const auto stage = [&] {
    auto writer = target->BeginInstall();
    ASSERT_TRUE(writer.ok());
    for (const std::string& chunk : Chunks()) {
      ASSERT_TRUE((*writer)->Add(chunk).ok());
    }
    ASSERT_TRUE((*writer)->Stage().ok());
  };
  stage();
  ReopenTarget();
  ExpectTargetUntouched();
  stage();
  target->DiscardStaged();
  EXPECT_FALSE(Install(leader.last).ok());
  ReopenTarget();
  ExpectTargetUntouched();
}

TEST_F(SnapshotTest, ADamagedChunkEndsTheInstall) {
  std::vector<std::string> chunks = Chunks();
  chunks[2][chunks[2].size() / 2] ^= 4;
  auto writer = target->BeginInstall();
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE((*writer)->Add(chunks[0]).ok());
  EXPECT_TRUE((*writer)->Add(chunks[1]).ok());
  EXPECT_EQ((*writer)->Add(chunks[2]).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE((*writer)->Add(chunks[3]).ok());
  EXPECT_FALSE((*writer)->Stage().ok());
  writer->reset();
  ExpectTargetUntouched();
}

TEST_F(SnapshotTest, AReaderSeesTheStateOfWhenItWasOpened) {
  auto reader = store->OpenSnapshot(1000);
  ASSERT_TRUE(reader.ok());
  const Zxid zxid = leader.last;
  for (int i = 0; i < 100; ++i) {
    leader.Prepare(Single(Delete("/n" + std::to_string(i))));
    leader.Prepare(Single(Create("/new" + std::to_string(i))));
  }
  CommitAll(&leader, store.get());
  ASSERT_TRUE(store->Flush().ok());
  auto writer = target->BeginInstall();
  ASSERT_TRUE(writer.ok());
  while (true) {
    auto chunk = (*reader)->Next();
    ASSERT_TRUE(chunk.ok());
    if (!chunk->has_value()) break;
    ASSERT_TRUE((*writer)->Add(**chunk).ok());
  }
  EXPECT_EQ((*writer)->zxid(), zxid);
  ASSERT_TRUE((*writer)->Stage().ok());
  writer->reset();
  ASSERT_TRUE(Install(zxid).ok());
  ZnodeTree tree;
  ASSERT_TRUE(RecoverTree(target.get(), &tree).ok());
  EXPECT_EQ(tree.Exists("/n0", nullptr), v1::OK);
  EXPECT_EQ(tree.Exists("/new0", nullptr), v1::NO_NODE);
}

}  // namespace
}  // namespace sillok
