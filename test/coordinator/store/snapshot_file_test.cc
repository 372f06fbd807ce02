// Snapshots in files: whole and checked, or not there.
#include "coordinator/store/snapshot_file.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "coordinator/tree/ensemble_text.h"
#include "coordinator/tree/membership.h"
#include "gtest/gtest.h"
#include "test/coordinator/store/store_fixture.h"

namespace sillok {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}
void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

class SnapshotFileTest : public testing::Test {
 protected:
  SnapshotFileTest()
      : folder(MakeDirectory()), store(MustOpen(Options(folder + "/data"))) {
    EXPECT_TRUE(PersistAndWait(store.get(), Epochs(3, 2)).ok());
    leader.Take(leader.preparer.PrepareCreateSession(
        Origin(1), SessionId(1), "password", 1000, 0));
    AddNodes(40);
  }
  void AddNodes(int count) {
    for (int i = 0; i < count; ++i) {
      leader.Prepare(Single(Create("/n" + std::to_string(made++), "data")));
      CommitAll(&leader, store.get());
    }
    EXPECT_TRUE(store->Flush().ok());
  }
  std::string Save(size_t keep = 3) {
    auto info = SaveSnapshot(store.get(), folder + "/snapshots", keep, nullptr);
    EXPECT_TRUE(info.ok()) << info.status();
    for (const std::string& file : Snapshots()) {
      auto checked = CheckSnapshotFile(file);
      if (checked.ok() && checked->zxid == info->zxid) return file;
    }
    ADD_FAILURE() << "no file of " << info->zxid;
    return "";
  }
  std::vector<std::string> Snapshots() const {
    std::vector<std::string> files;
    for (const auto& file : fs::directory_iterator(folder + "/snapshots")) {
      files.push_back(file.path().string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  RocksStoreOptions Restored() const { return Options(folder + "/restored"); }

  const std::string folder;
  Leader leader;
  std::unique_ptr<CoordinatorStore> store;
  int made = 0;
};

TEST_F(SnapshotFileTest, ARestoredDirectoryHoldsTheSameState) {
  const std::string file = Save();
  AddNodes(5);  // after the snapshot: not in it
  auto info = RestoreSnapshotFile(file, Restored());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->rows, 4u + 40u + 1u + 1u);  // built in, made, session, meta
  auto restored = MustOpen(Restored());
  ZnodeTree tree;
  ASSERT_TRUE(RecoverTree(restored.get(), &tree).ok());
  EXPECT_EQ(tree.applied(), info->zxid);
  EXPECT_EQ(tree.znodes(), 44u);
  EXPECT_TRUE(tree.sessions().Contains(SessionId(1)));
  EXPECT_EQ(restored->TrimmedTo(), info->zxid);
  EXPECT_EQ(restored->recovered().hard_state.accepted_epoch,
            info->zxid.epoch());
}

// What is made of it may be another ensemble, which must not talk to the members
// of this one.
TEST_F(SnapshotFileTest, TheMembersAreThoseOfTheFilesAgain) {
  leader.tree.SetFileEnsemble({*ParseServerLine("1=h1:2888;2180")});
  leader.who = Who({{"super", ""}});
  v1::ReconfigOp change;
  change.add_joining("2=h2:2888;2180");
  change.set_from_version(-1);
  leader.Take(leader.preparer.PrepareReconfig(
      Origin(1), change, 0, &leader.who, [](const auto&) { return v1::OK; }));
  CommitAll(&leader, store.get());
  ASSERT_TRUE(store->Flush().ok());
  ZnodeTree original;
  ASSERT_TRUE(RecoverTree(store.get(), &original).ok());
  ASSERT_EQ(original.ensemble().members.size(), 2u);

  auto info = RestoreSnapshotFile(Save(), Restored());
  ASSERT_TRUE(info.ok()) << info.status();
  auto restored = MustOpen(Restored());
  ZnodeTree tree;
  ASSERT_TRUE(RecoverTree(restored.get(), &tree).ok());
  EXPECT_EQ(tree.applied(), original.applied());
  EXPECT_EQ(tree.digest(), original.digest());
  EXPECT_EQ(tree.ensemble().version, Zxid());
  EXPECT_TRUE(tree.ensemble().members.empty());
}

// A member that takes it in knows the members from it.
TEST_F(SnapshotFileTest, AnImageTellsTheMembers) {
  auto take_in = [&] {
    std::filesystem::remove_all(folder + "/other");
    auto other = MustOpen(Options(folder + "/other"));
    auto writer = *other->BeginInstall();
    auto reader = *store->OpenSnapshot(1'000);
    while (true) {
      auto chunk = reader->Next();
      EXPECT_TRUE(chunk.ok());
      if (!chunk.ok() || !chunk->has_value()) break;
      EXPECT_TRUE(writer->Add(**chunk).ok());
    }
    EXPECT_TRUE(writer->complete());
    return coord::ReadEnsembleRow(writer->ensemble_row());
  };
  EXPECT_TRUE(take_in()->members.empty());
  leader.tree.SetFileEnsemble({*ParseServerLine("1=h1:2888;2180")});
  leader.who = Who({{"super", ""}});
  v1::ReconfigOp change;
  change.add_joining("2=h2:2888:observer;2180");
  change.set_from_version(-1);
  leader.Take(leader.preparer.PrepareReconfig(
      Origin(1), change, 0, &leader.who, [](const auto&) { return v1::OK; }));
  CommitAll(&leader, store.get());
  ASSERT_TRUE(store->Flush().ok());
  const auto ensemble = take_in();
  ASSERT_TRUE(ensemble.ok()) << ensemble.status();
  EXPECT_EQ(ensemble->version, leader.last);
  ASSERT_EQ(ensemble->members.size(), 2u);
  EXPECT_TRUE(ensemble->members[1].observer());
}

TEST_F(SnapshotFileTest, ADirectoryInUseIsRefusedAndLeftAlone) {
  const std::string file = Save();
  auto in_use = RestoreSnapshotFile(file, Options(folder + "/data"));
  EXPECT_TRUE(absl::IsFailedPrecondition(in_use.status()))
      << in_use.status();
  fs::create_directories(folder + "/restored");
  WriteFile(folder + "/restored/notes", "mine");
  auto notes = RestoreSnapshotFile(file, Restored());
  EXPECT_TRUE(absl::IsFailedPrecondition(notes.status()));
  EXPECT_NE(std::string(notes.status().message()).find("notes"),
            std::string::npos);
  EXPECT_EQ(ReadFile(folder + "/restored/notes"), "mine");
}

TEST_F(SnapshotFileTest, TheFileThatNamesTheMemberMayBeThere) {
  const std::string file = Save();
  fs::create_directories(folder + "/restored");
  WriteFile(folder + "/restored/myid", "1\n");
  fs::copy(folder + "/snapshots", folder + "/restored/snapshots");
  EXPECT_TRUE(RestoreSnapshotFile(file, Restored()).ok());
  EXPECT_TRUE(fs::exists(folder + "/restored/snapshots/" +
                         fs::path(file).filename().string()));
  EXPECT_EQ(ReadFile(folder + "/restored/myid"), "1\n");
}

TEST_F(SnapshotFileTest, EveryDamageIsNoticedBeforeAnythingIsMade) {
  const std::string file = Save();
  const std::string whole = ReadFile(file);
  const std::string bad = folder + "/bad";
  auto expect_refused = [&](const std::string& what) {
    absl::Status status = RestoreSnapshotFile(bad, Restored()).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << what << ": " << status;
    EXPECT_NE(std::string(status.message()).find(bad), std::string::npos);
    EXPECT_FALSE(fs::exists(folder + "/restored")) << what;
  };
  for (size_t at = 0; at < whole.size(); at += 7) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    WriteFile(bad, damaged);
    expect_refused("flipped at " + std::to_string(at));
  }
  for (size_t size = 0; size < whole.size(); size += 11) {
    WriteFile(bad, whole.substr(0, size));
    expect_refused("cut at " + std::to_string(size));
  }
  WriteFile(bad, whole + "x");
  expect_refused("a byte more");
  WriteFile(bad, whole + whole.substr(whole.find('\n') + 1));
  expect_refused("twice");
}

TEST_F(SnapshotFileTest, AMissingFileIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(
      RestoreSnapshotFile(folder + "/none", Restored()).status()));
}

TEST_F(SnapshotFileTest, TheNewestAreKept) {
  std::string first = Save(2);
  AddNodes(1);
  std::string second = Save(2);
  AddNodes(1);
  std::string third = Save(2);
  EXPECT_EQ(Snapshots(), (std::vector<std::string>{second, third}));
  EXPECT_EQ(Save(2), third);  // nothing new: nothing is written
}

TEST_F(SnapshotFileTest, WhatAKilledProcessHasLeftIsRemoved) {
  const std::string first = Save();
  WriteFile(folder + "/snapshots/snapshot.0000000000000007.tmp", "half");
  WriteFile(folder + "/snapshots/mine", "not ours");
  AddNodes(1);
  const std::string second = Save();
  EXPECT_EQ(Snapshots(),
            (std::vector<std::string>{folder + "/snapshots/mine", first,
                                      second}));
}

TEST_F(SnapshotFileTest, OneThatIsStoppedLeavesNothing) {
  const std::atomic<bool> stop = true;
  EXPECT_TRUE(absl::IsCancelled(
      SaveSnapshot(store.get(), folder + "/snapshots", 3, &stop).status()));
  EXPECT_TRUE(Snapshots().empty());
}

TEST_F(SnapshotFileTest, ItIsSmallerThanWhatIsInIt) {
  AddNodes(2000);
  auto info = CheckSnapshotFile(Save());
  ASSERT_TRUE(info.ok());
  EXPECT_LT(info->bytes / info->rows, 80u);
}

TEST_F(SnapshotFileTest, AnUnfinishedFileIsNoFile) {
  auto reader = store->OpenSnapshot(200);
  ASSERT_TRUE(reader.ok());
  const std::string path = folder + "/unfinished";
  {
    auto writer = SnapshotFileWriter::Create(path);
    ASSERT_TRUE(writer.ok());
    auto piece = (*reader)->Next();
    ASSERT_TRUE(piece.ok() && piece->has_value());
    ASSERT_TRUE((*writer)->Add(**piece).ok());
    EXPECT_TRUE(absl::IsDataLoss((*writer)->Finish().status()));
    // The same piece again is not the next one.
    EXPECT_FALSE((*writer)->Add(**piece).ok());
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(path + ".tmp"));
  WriteFile(path, "something");
  EXPECT_TRUE(
      absl::IsAlreadyExists(SnapshotFileWriter::Create(path).status()));
}

}  // namespace
}  // namespace sillok
