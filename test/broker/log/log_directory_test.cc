#include "broker/log/log_directory.h"

#include <gtest/gtest.h>

#include "test/broker/log/log_fixture.h"

namespace sillok {
namespace {

class LogDirectoryTest : public testing::Test {
 protected:
  LogDirectory::Options Options() {
    LogDirectory::Options options;
    options.file_system = &disk_;
    options.path = "/data";
    options.broker_id = BrokerId(3);
    options.cluster_id = "cluster";
    options.now_ms = kNowMs;
    return options;
  }
  void Open() {
    directory_.reset();
    auto opened = LogDirectory::Open(Options());
    ASSERT_TRUE(opened.ok()) << opened.status();
    directory_ = *std::move(opened);
  }
  PartitionLog* Create(const std::string& topic, int partition = 0,
                       const std::string& id = {}) {
    auto log = directory_->CreateLog({topic, partition}, {}, id);
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *log : nullptr;
  }
  static void Append(PartitionLog* log, int count) {
    const AppendResult result = log->Append(
        Bytes::FromString(MakeBatch(count)), LeaderEpoch(1), kNowMs);
    ASSERT_TRUE(result.ok()) << result.message;
  }

  FakeFileSystem disk_;
  std::unique_ptr<LogDirectory> directory_;
};

TEST_F(LogDirectoryTest, CleanEndNeedsNoScanAndKeepsTheBrokerEpoch) {
  Open();
  EXPECT_FALSE(directory_->previous_broker_epoch().has_value());
  Append(Create("orders"), 5);
  Append(Create("orders", 1), 7);
  ASSERT_TRUE(directory_->CloseCleanly({{{"orders", 1}, Offset(6)}}, 42).ok());
  Open();
  EXPECT_EQ(directory_->previous_broker_epoch(), 42);
  EXPECT_EQ(directory_->logs().size(), 2u);
  PartitionLog* const log = directory_->FindLog({"orders", 1});
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(log->end_offset(), Offset(7));
  EXPECT_EQ(log->recovery_report().scanned_bytes, 0);
  EXPECT_EQ(directory_->initial_high_watermarks().at({"orders", 1}), Offset(6));
  // The marker is gone while we run.
  directory_.reset();
  disk_.KillProcess();
  Open();
  EXPECT_FALSE(directory_->previous_broker_epoch().has_value());
  EXPECT_GT(directory_->FindLog({"orders", 1})->recovery_report().scanned_bytes,
            0);
}

TEST_F(LogDirectoryTest, TwoProcessesCannotShareIt) {
  Open();
  EXPECT_EQ(LogDirectory::Open(Options()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(LogDirectoryTest, AnotherBrokerOrClusterIsRefusedByName) {
  Open();
  directory_.reset();
  LogDirectory::Options options = Options();
  options.broker_id = BrokerId(4);
  absl::Status status = LogDirectory::Open(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("broker.id=3"), std::string::npos);
  options = Options();
  options.cluster_id = "other";
  status = LogDirectory::Open(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("cluster.id=cluster"), std::string::npos);
}

TEST_F(LogDirectoryTest, OneDamagedLogDoesNotStopTheOthers) {
  Open();
  Append(Create("good"), 5);
  PartitionLog* const bad = Create("bad");
  Append(bad, 5);
  ASSERT_TRUE(bad->Flush().ok());
  ASSERT_TRUE(directory_->WriteCheckpoints({}).ok());
  directory_.reset();
  disk_.KillProcess();
  disk_.FlipByte("/data/bad-0/00000000000000000000.log", 80);
  Open();
  EXPECT_NE(directory_->FindLog({"good", 0}), nullptr);
  EXPECT_EQ(directory_->FindLog({"bad", 0}), nullptr);
  ASSERT_EQ(directory_->failed_logs().size(), 1u);
  EXPECT_EQ(directory_->failed_logs()[0].status.code(),
            absl::StatusCode::kDataLoss);
  EXPECT_FALSE(directory_->CreateLog({"bad", 0}, {}).ok());
  // A clean end does not whitewash it.
  ASSERT_TRUE(directory_->CloseCleanly({}, 1).ok());
  directory_.reset();
  Open();
  ASSERT_EQ(directory_->failed_logs().size(), 1u);
  // Deleted, it can be fetched anew.
  ASSERT_TRUE(directory_->DeleteLog({"bad", 0}).ok());
  PartitionLog* const again = Create("bad");
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->end_offset(), Offset(0));
}

TEST_F(LogDirectoryTest, DeletedLogIsGoneAndItsNameStartsAnew) {
  Open();
  Append(Create("t", 0, "id-one"), 5);
  ASSERT_TRUE(directory_->FindLog({"t", 0})->Flush().ok());
  ASSERT_TRUE(directory_->WriteCheckpoints({{{"t", 0}, Offset(5)}}).ok());
  const auto view = directory_->FindLog({"t", 0})->view();
  EXPECT_EQ(ErrorCodeOf(directory_->CreateLog({"t", 0}, {}, "id-two").status()),
            ErrorCode::INCONSISTENT_TOPIC_ID);
  ASSERT_TRUE(directory_->DeleteLog({"t", 0}).ok());
  EXPECT_EQ(directory_->FindLog({"t", 0}), nullptr);
  EXPECT_TRUE(absl::IsNotFound(directory_->DeleteLog({"t", 0})));
  EXPECT_FALSE(view->ReadBytes(Offset(0), {})->batches.empty());
  Append(Create("t", 0, "id-two"), 1);
  EXPECT_EQ(directory_->TopicId({"t", 0}), "id-two");
  // The old one's recovery point must not be taken for this one's.
  directory_.reset();
  disk_.KillProcess();
  Open();
  EXPECT_TRUE(directory_->failed_logs().empty());
  EXPECT_EQ(directory_->FindLog({"t", 0})->end_offset(), Offset(1));
}

TEST_F(LogDirectoryTest, DeletionThatACrashInterruptedIsFinished) {
  Open();
  Create("t");
  directory_.reset();
  ASSERT_TRUE(disk_.Rename("/data/t-0", "/data/t-0.00000000-delete").ok());
  Open();
  EXPECT_TRUE(directory_->logs().empty());
  EXPECT_FALSE(*disk_.Exists("/data/t-0.00000000-delete"));
}

TEST_F(LogDirectoryTest, NewLogsReachTheDiskWithTheirFirstFlush) {
  Open();
  const int64_t before = disk_.sync_count();
  std::vector<PartitionLog*> logs;
  for (int i = 0; i < 20; ++i) logs.push_back(Create("orders", i, "id"));
  EXPECT_EQ(disk_.sync_count(), before);
  Append(logs[0], 5);
  ASSERT_TRUE(logs[0]->Flush().ok());
  // A checkpoint takes the others, which have nothing to flush.
  Append(logs[1], 3);
  ASSERT_TRUE(directory_->WriteCheckpoints({}).ok());
  Create("late", 0, "id");
  directory_.reset();
  std::mt19937_64 random(1);
  disk_.Crash(FakeFileSystem::Loss::kAll, &random);
  Open();
  ASSERT_NE(directory_->FindLog({"orders", 0}), nullptr);
  EXPECT_EQ(directory_->FindLog({"orders", 0})->end_offset(), Offset(5));
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(directory_->FindLog({"orders", i}), nullptr) << i;
    EXPECT_EQ(directory_->TopicId({"orders", i}), "id") << i;
  }
  // What was lost can be made again, under whatever id.
  EXPECT_EQ(directory_->TopicId({"late", 0}), "");
  PartitionLog* const late = Create("late", 0, "other");
  ASSERT_NE(late, nullptr);
  EXPECT_EQ(late->end_offset(), Offset(0));
}

TEST_F(LogDirectoryTest, FoldersThatAreNotOursArePutAside) {
  Open();
  Create("mine");
  Create("theirs");
  directory_.reset();
  LogDirectory::Options options = Options();
  options.is_ours = [](const TopicPartition& partition, const std::string&) {
    return partition.topic == "mine";
  };
  auto opened = LogDirectory::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ((*opened)->logs().size(), 1u);
  EXPECT_TRUE(*disk_.Exists("/data/theirs-0.0-stray"));
}

TEST_F(LogDirectoryTest, NamesThatWouldLeaveTheFolderAreRefused) {
  Open();
  const std::vector<std::string> bad = {
      "",    ".",   "..", "../x", "a/b", "a b", std::string("a\0b", 3),
      std::string(250, 'a')};
  for (const std::string& topic : bad) {
    EXPECT_FALSE(directory_->CreateLog({topic, 0}, {}).ok()) << topic;
  }
  EXPECT_FALSE(directory_->CreateLog({"t", -1}, {}).ok());
  EXPECT_NE(Create("a.b_c-d"), nullptr);
}

TEST_F(LogDirectoryTest, CheckpointsKeepLogStartAndHighWatermarksOverACrash) {
  Open();
  PartitionLog* const log = Create("t");
  Append(log, 10);
  ASSERT_TRUE(log->Flush().ok());
  ASSERT_TRUE(log->AdvanceLogStart(Offset(4)).ok());
  ASSERT_TRUE(directory_->WriteCheckpoints({{{"t", 0}, Offset(9)}}).ok());
  ASSERT_TRUE(directory_->WriteHighWatermarks({{{"t", 0}, Offset(10)}}).ok());
  directory_.reset();
  std::mt19937_64 random(1);
  disk_.Crash(FakeFileSystem::Loss::kAll, &random);
  Open();
  PartitionLog* const again = directory_->FindLog({"t", 0});
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->start_offset(), Offset(4));
  EXPECT_EQ(again->end_offset(), Offset(10));
  EXPECT_EQ(directory_->initial_high_watermarks().at({"t", 0}), Offset(10));
}

TEST_F(LogDirectoryTest, ADamagedCheckpointStopsTheStartAndNamesTheFile) {
  Open();
  directory_.reset();
  disk_.Put("/data/recovery-point-offset-checkpoint", "0\n2\nt 0 5\n");
  const absl::Status status = LogDirectory::Open(Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("recovery-point-offset-checkpoint"),
            std::string::npos);
}

}  // namespace
}  // namespace sillok
