#include "coordinator/store/snapshot_keeper.h"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/coordinator/store/store_fixture.h"

namespace sillok {
namespace {

namespace fs = std::filesystem;

class SnapshotKeeperTest : public testing::Test {
 protected:
  SnapshotKeeperTest()
      : directory(MakeDirectory()), store(MustOpen(Options(directory))) {
    EXPECT_TRUE(PersistAndWait(store.get(), Epochs(1, 1)).ok());
    leader.Take(leader.preparer.PrepareCreateSession(
        Origin(1), SessionId(1), "password", 1000, 0));
    AddNode();
  }
  void AddNode() {
    leader.Prepare(Single(Create("/n" + std::to_string(made++), "data")));
    CommitAll(&leader, store.get());
    EXPECT_TRUE(store->Flush().ok());
  }
  SnapshotKeeperOptions Every(int64_t interval_ms) {
    SnapshotKeeperOptions options;
    options.folder = directory + "/snapshots";
    options.interval_ms = interval_ms;
    options.retain = 2;
    return options;
  }
  // What the next attempt of a keeper comes to.
  absl::StatusOr<SnapshotFileInfo> OneBy(SnapshotKeeperOptions options) {
    auto result =
        std::make_shared<std::promise<absl::StatusOr<SnapshotFileInfo>>>();
    auto told = std::make_shared<bool>(false);
    options.on_saved = [=](const absl::StatusOr<SnapshotFileInfo>& saved) {
      if (!std::exchange(*told, true)) result->set_value(saved);
    };
    SnapshotKeeper keeper(store.get(), options);
    return result->get_future().get();
  }
  static void MakeOld(const std::string& path) {
    fs::last_write_time(
        path, fs::file_time_type::clock::now() - std::chrono::hours(2));
  }

  const std::string directory;
  Leader leader;
  std::unique_ptr<CoordinatorStore> store;
  int made = 0;
};

TEST_F(SnapshotKeeperTest, SavesAndKeepsTheNewest) {
  for (int i = 0; i < 4; ++i) {
    const auto saved = OneBy(Every(1));
    ASSERT_TRUE(saved.ok()) << saved.status();
    EXPECT_EQ(saved->zxid, leader.last);
    AddNode();
  }
  const std::vector<std::string> kept =
      ListSnapshots(directory + "/snapshots");
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_GT(kept[0], kept[1]);
  EXPECT_TRUE(CheckSnapshotFile(kept[0]).ok());
}

// The next one is due by the age of the last, not by how long this process runs.
TEST_F(SnapshotKeeperTest, AnOldSnapshotMakesTheNextDueAtOnce) {
  ASSERT_TRUE(OneBy(Every(1)).ok());
  AddNode();
  MakeOld(ListSnapshots(directory + "/snapshots")[0]);
  const auto saved = OneBy(Every(3'600'000));
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(saved->zxid, leader.last);
}

TEST_F(SnapshotKeeperTest, NothingIsSavedUnlessAskedFor) {
  { SnapshotKeeper keeper(store.get(), Every(0)); }
  EXPECT_FALSE(fs::exists(directory + "/snapshots"));
}

TEST_F(SnapshotKeeperTest, AFolderThatCannotBeWrittenIsToldAndNoMore) {
  std::ofstream(directory + "/snapshots") << "a file";
  EXPECT_FALSE(OneBy(Every(1)).ok());
  EXPECT_TRUE(store->health().ok());
}

TEST_F(SnapshotKeeperTest, TheWayOutOfDamageIsACommandThatWorks) {
  const auto saved = OneBy(Every(1));
  ASSERT_TRUE(saved.ok());
  AddNode();
  ASSERT_TRUE(OneBy(Every(1)).ok());
  store.reset();
  const std::vector<std::string> kept =
      ListSnapshots(directory + "/snapshots");
  fs::resize_file(kept[0], 100);  // the newest is not sound
  fs::remove_all(directory + "/log");
  const auto damaged = OpenRocksStore(Options(directory));
  const absl::Status told =
      WithWayOut(damaged.status(), Options(directory));
  EXPECT_EQ(told.code(), absl::StatusCode::kDataLoss);
  const std::string text(told.message());
  EXPECT_EQ(text.find(std::string(damaged.status().message())), 0u);
  EXPECT_NE(text.find("sillok coord restore " + kept[1] + " --data " +
                      directory + " --id 1"),
            std::string::npos)
      << text;
  for (const char* name : {"db", "epochs"}) {
    fs::remove_all(directory + "/" + name);
  }
  const auto restored = RestoreSnapshotFile(kept[1], Options(directory));
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->zxid, saved->zxid);
  EXPECT_TRUE(OpenRocksStore(Options(directory)).ok());
}

TEST_F(SnapshotKeeperTest, WithoutASnapshotThatIsSaidAndOtherErrorsStay) {
  const absl::Status lost =
      WithWayOut(absl::DataLossError("lost"), Options(directory));
  EXPECT_NE(std::string(lost.message()).find("There is no sound snapshot"),
            std::string::npos);
  const absl::Status other = absl::FailedPreconditionError("other");
  EXPECT_EQ(WithWayOut(other, Options(directory)), other);
}

}  // namespace
}  // namespace sillok
