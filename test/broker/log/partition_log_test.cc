#include "broker/log/partition_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "broker/log/producer_states.h"
#include "test/broker/log/log_fixture.h"

namespace sillok {
namespace {

TEST_F(LogTest, AppendsGetTheNextOffsetsAndAreRead) {
  Open();
  for (int i = 0; i < 10; ++i) {
    const AppendResult result = Append(MakeBatch(3, i * 3), LeaderEpoch(2));
    ASSERT_TRUE(result.ok()) << result.message;
    EXPECT_EQ(result.base_offset, Offset(i * 3));
    EXPECT_EQ(result.last_offset, Offset(i * 3 + 2));
    EXPECT_EQ(result.log_append_time_ms, -1);
  }
  EXPECT_EQ(log_->end_offset(), Offset(30));
  const std::vector<std::string> values = Values();
  ASSERT_EQ(values.size(), 30u);
  EXPECT_EQ(values[17], "v17");
}

TEST_F(LogTest, ReadsStopAtTheBoundAndGiveOneBatchWhateverItsSize) {
  options_.segment_bytes = 1000;
  Open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(Append(MakeBatch(2, 2 * i)).ok());
  const auto view = log_->view();
  EXPECT_GT(view->segment_count(), 2u);
  for (int bound = 0; bound <= 80; ++bound) {
    for (int from = 0; from <= 80; from += 7) {
      ReadOptions options;
      options.upper_bound = Offset(bound);
      options.max_bytes = 1;
      auto bytes = view->ReadBytes(Offset(from), options);
      auto ranges = view->Read(Offset(from), options);
      ASSERT_TRUE(bytes.ok() && ranges.ok());
      // The batch [from & ~1, from | 1] is given when it is wholly below.
      const bool readable = (from | 1) < bound;
      EXPECT_EQ(!bytes->batches.empty(), readable) << from << " " << bound;
      EXPECT_EQ(ranges->bytes > 0, readable) << from << " " << bound;
      EXPECT_EQ(static_cast<size_t>(ranges->bytes), bytes->batches.size());
      options.at_least_one_batch = false;
      EXPECT_TRUE(view->ReadBytes(Offset(from), options)->batches.empty());
      EXPECT_EQ(view->Read(Offset(from), options)->bytes, 0);
    }
  }
  EXPECT_EQ(view->ReadBytes(Offset(81), {})->error,
            ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(view->Read(Offset(-1), {})->error, ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(view->ReadBytes(Offset(80), {})->error, ErrorCode::NONE);
}

TEST_F(LogTest, AFullDiskRefusesTheBatchAndLosesNothing) {
  Open();
  ASSERT_TRUE(Append(MakeBatch(3)).ok());
  const std::string before = disk_.Get(std::string(kPath) +
                                       "/00000000000000000000.log");
  disk_.set_capacity(static_cast<int64_t>(before.size()) + 100);
  const AppendResult full = Append(MakeBatch(10, 3));
  EXPECT_EQ(full.error, ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_NE(full.message.find("No space left"), std::string::npos);
  EXPECT_EQ(log_->end_offset(), Offset(3));
  EXPECT_EQ(disk_.Get(std::string(kPath) + "/00000000000000000000.log"),
            before);
  EXPECT_TRUE(log_->failed().ok());
  disk_.set_capacity(1 << 20);
  const AppendResult result = Append(MakeBatch(2, 3));
  ASSERT_TRUE(result.ok()) << result.message;
  EXPECT_EQ(result.base_offset, Offset(3));
  EXPECT_EQ(Values().size(), 5u);
}

TEST_F(LogTest, AWriteThatCannotBeUndoneTakesTheLogOffline) {
  Open();
  ASSERT_TRUE(Append(MakeBatch(3)).ok());
  disk_.FailWrites(1);
  disk_.FailTruncates(1);
  EXPECT_EQ(Append(MakeBatch(3, 3)).error, ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_FALSE(log_->failed().ok());
  EXPECT_EQ(Append(MakeBatch(3, 3)).error, ErrorCode::KAFKA_STORAGE_ERROR);
  EXPECT_EQ(Values().size(), 3u);
  Open();  // cuts off what the half write left
  EXPECT_EQ(log_->end_offset(), Offset(3));
  EXPECT_GT(log_->recovery_report().truncated_bytes, 0);
  EXPECT_TRUE(Append(MakeBatch(3, 3)).ok());
}

TEST_F(LogTest, AFailedFlushTakesTheLogOfflineAndIsNotTriedAgain) {
  Open();
  ASSERT_TRUE(Append(MakeBatch(3)).ok());
  ASSERT_TRUE(log_->Flush().ok());
  EXPECT_EQ(log_->recovery_point(), Offset(3));
  ASSERT_TRUE(Append(MakeBatch(3, 3)).ok());
  disk_.FailSyncs(1);
  EXPECT_FALSE(log_->Flush().ok());
  EXPECT_EQ(log_->recovery_point(), Offset(3));
  EXPECT_FALSE(log_->Flush().ok());  // the disk would say yes now
  EXPECT_EQ(log_->recovery_point(), Offset(3));
  EXPECT_EQ(Append(MakeBatch(3, 6)).error, ErrorCode::KAFKA_STORAGE_ERROR);
}

TEST_F(LogTest, AFullDiskFailsAFlushOfIndexesButNotTheLog) {
  options_.segment_bytes = 400;
  options_.index_interval_bytes = 10;
  Open();
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Append(MakeBatch(1, i)).ok());
  ASSERT_GT(log_->view()->segment_count(), 1u);
  disk_.set_capacity(0);
  EXPECT_TRUE(absl::IsResourceExhausted(log_->Flush()));
  EXPECT_EQ(log_->recovery_point(), Offset(0));
  EXPECT_TRUE(log_->failed().ok());
  disk_.set_capacity(1 << 20);
  EXPECT_TRUE(log_->Flush().ok());
  EXPECT_EQ(log_->recovery_point(), Offset(8));
}

TEST_F(LogTest, ARollThatFailsLeavesNoFileThatWouldBeTakenForASegment) {
  Open();
  ASSERT_TRUE(Append(MakeBatch(2)).ok());
  disk_.FailTruncates(1);
  EXPECT_FALSE(log_->Roll(kNowMs).ok());
  ASSERT_TRUE(Append(MakeBatch(2, 2)).ok());
  ASSERT_TRUE(log_->Flush().ok());
  ASSERT_NO_FATAL_FAILURE(Open(false, Offset(4)));
  EXPECT_EQ(log_->end_offset(), Offset(4));
  EXPECT_EQ(log_->view()->segment_count(), 1u);
}

TEST_F(LogTest, DamageInAFlushedPartIsRefusedWithFileAndPosition) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Append(MakeBatch(2, i * 2)).ok());
  ASSERT_TRUE(log_->Flush().ok());
  const Offset flushed = log_->recovery_point();
  for (int i = 5; i < 8; ++i) ASSERT_TRUE(Append(MakeBatch(2, i * 2)).ok());
  log_.reset();
  const std::string file = std::string(kPath) + "/00000000000000000000.log";
  const auto size = static_cast<int64_t>(disk_.Get(file).size());

  // Beyond the flushed part: a torn write, cut off.
  disk_.FlipByte(file, size - 3);
  ASSERT_NO_FATAL_FAILURE(Open(false, flushed));
  EXPECT_EQ(log_->end_offset(), Offset(14));
  log_.reset();
  // Inside it: damage, nothing is touched.
  disk_.FlipByte(file, 100);
  const std::string before = disk_.Get(file);
  const absl::Status status = TryOpen(false, flushed).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(status.message().find(file), std::string::npos);
  EXPECT_NE(status.message().find("position"), std::string::npos);
  EXPECT_EQ(disk_.Get(file), before);
}

TEST_F(LogTest, AFileCutShortBelowTheRecoveryPointIsRefused) {
  Open();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Append(MakeBatch(2, i * 2)).ok());
  ASSERT_TRUE(log_->Flush().ok());
  const Offset flushed = log_->recovery_point();
  log_.reset();
  const std::string file = std::string(kPath) + "/00000000000000000000.log";
  const std::string content = disk_.Get(file);
  disk_.Put(file, content.substr(0, content.size() / 5 * 4));
  EXPECT_EQ(TryOpen(false, flushed).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(LogTest, AFollowerTakesWhatTheLeaderSentAndKeepsTheGoodPart) {
  Open();
  const std::string good = StoredBatch(Offset(0), LeaderEpoch(1), 2) +
                           StoredBatch(Offset(2), LeaderEpoch(1), 3);
  // Cut short at the end, as a fetch may be.
  AppendResult result =
      Replicate(good + StoredBatch(Offset(5), LeaderEpoch(1), 1).substr(0, 40),
                LeaderEpoch(1));
  ASSERT_TRUE(result.ok()) << result.message;
  EXPECT_EQ(result.base_offset, Offset(0));
  EXPECT_EQ(result.last_offset, Offset(4));

  std::string damaged = StoredBatch(Offset(6), LeaderEpoch(2), 1);
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  result = Replicate(StoredBatch(Offset(5), LeaderEpoch(2), 1) + damaged,
                     LeaderEpoch(2));
  EXPECT_EQ(result.error, ErrorCode::CORRUPT_MESSAGE);
  EXPECT_EQ(result.last_offset, Offset(5));
  EXPECT_EQ(log_->end_offset(), Offset(6));

  // Offsets that go back, epochs above the leader's or below the log's.
  EXPECT_FALSE(
      Replicate(StoredBatch(Offset(5), LeaderEpoch(2), 1), LeaderEpoch(2))
          .ok());
  EXPECT_FALSE(
      Replicate(StoredBatch(Offset(6), LeaderEpoch(3), 1), LeaderEpoch(2))
          .ok());
  EXPECT_FALSE(
      Replicate(StoredBatch(Offset(6), LeaderEpoch(1), 1), LeaderEpoch(2))
          .ok());
  EXPECT_EQ(log_->end_offset(), Offset(6));
  // A hole that compaction made is fine.
  EXPECT_TRUE(
      Replicate(StoredBatch(Offset(9), LeaderEpoch(2), 1), LeaderEpoch(2))
          .ok());
  EXPECT_EQ(log_->end_offset(), Offset(10));
  EXPECT_EQ(log_->view()->EndOffsetForEpoch(LeaderEpoch(1)),
            (EpochEndOffset{LeaderEpoch(1), Offset(5)}));
}

TEST_F(LogTest, AFollowersFetchMayFillSeveralSegmentsInOneCall) {
  options_.segment_bytes = 1000;
  Open();
  std::string fetch;
  for (int i = 0; i < 20; ++i) {
    fetch += StoredBatch(Offset(i), LeaderEpoch(0), 1, 150);
  }
  const AppendResult result = Replicate(fetch, LeaderEpoch(0));
  ASSERT_TRUE(result.ok()) << result.message;
  EXPECT_EQ(result.last_offset, Offset(19));
  EXPECT_GE(log_->view()->segment_count(), 4u);
  EXPECT_EQ(Values().size(), 20u);
}

TEST_F(LogTest, TruncationRemovesTheBatchThatHoldsTheOffsetAndItsEpochs) {
  options_.segment_bytes = 1000;
  Open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Append(MakeBatch(2, 2 * i, {}, 40), LeaderEpoch(i / 10)).ok());
  }
  ASSERT_TRUE(log_->Flush().ok());
  const auto old_view = log_->view();
  ASSERT_TRUE(log_->TruncateTo(Offset(15)).ok());
  EXPECT_EQ(log_->end_offset(), Offset(14));
  EXPECT_EQ(lowered_to_, std::vector<Offset>{Offset(14)});
  EXPECT_EQ(log_->recovery_point(), Offset(14));
  EXPECT_EQ(log_->view()->latest_epoch(), LeaderEpoch(0));
  EXPECT_EQ(Values().size(), 14u);
  EXPECT_EQ(old_view->ReadBytes(Offset(0), {}).status().code(),
            absl::StatusCode::kUnavailable);
  ASSERT_TRUE(Append(MakeBatch(1, 14), LeaderEpoch(5)).ok());
  EXPECT_EQ(Values().size(), 15u);
  EXPECT_EQ(log_->TruncateTo(Offset(100)), absl::OkStatus());
  EXPECT_EQ(log_->end_offset(), Offset(15));
}

TEST_F(LogTest, EmptiedLogContinuesWhereItIsTold) {
  Open();
  ASSERT_TRUE(Append(MakeBatch(5)).ok());
  ASSERT_TRUE(log_->TruncateFullyAndStartAt(Offset(100)).ok());
  EXPECT_EQ(log_->start_offset(), Offset(100));
  EXPECT_EQ(log_->end_offset(), Offset(100));
  EXPECT_EQ(log_->view()->ReadBytes(Offset(4), {})->error,
            ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(Append(MakeBatch(1)).base_offset, Offset(100));
  Open();
  EXPECT_EQ(log_->start_offset(), Offset(100));
  EXPECT_EQ(log_->end_offset(), Offset(101));
}

TEST_F(LogTest, RetentionDeletesOldSegmentsOnlyBelowTheHighWatermark) {
  options_.segment_bytes = 1000;
  options_.retention_ms = 10'000;
  Open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Append(MakeBatch(1, i, {}, 300, kNowMs + i * 1000)).ok());
  }
  const auto before = log_->view();
  const size_t segments = before->segment_count();
  ASSERT_GT(segments, 5u);
  const int64_t later = kNowMs + 16'000;
  EXPECT_EQ(*log_->ApplyRetention(later, Offset(0)), 0);
  EXPECT_EQ(*log_->ApplyRetention(later, Offset(4)), 2);
  EXPECT_EQ(log_->start_offset(), Offset(4));
  // A view taken before still reads what is gone.
  EXPECT_FALSE(before->ReadBytes(Offset(0), {})->batches.empty());
  EXPECT_EQ(log_->view()->ReadBytes(Offset(3), {})->error,
            ErrorCode::OFFSET_OUT_OF_RANGE);
  // All of it is old: the active segment is rolled and goes too.
  EXPECT_GT(*log_->ApplyRetention(kNowMs + 100'000, Offset(20)), 3);
  EXPECT_EQ(log_->start_offset(), Offset(20));
  EXPECT_EQ(log_->end_offset(), Offset(20));
  Open();
  EXPECT_EQ(log_->start_offset(), Offset(20));
}

TEST_F(LogTest, ARecordFromTheFutureDoesNotKeepItsSegmentForEver) {
  options_.retention_ms = 10'000;
  Open();
  constexpr int64_t kYear2099 = 4'070'908'800'000;
  ASSERT_TRUE(Append(MakeBatch(1, 0, {}, 0, kYear2099)).ok());
  EXPECT_EQ(*log_->ApplyRetention(kNowMs + 5'000, Offset(1)), 0);
  EXPECT_EQ(*log_->ApplyRetention(kNowMs + 20'000, Offset(1)), 1);
}

TEST_F(LogTest, StartMovesForwardOnlyAndNotBeyondTheEnd) {
  Open();
  ASSERT_TRUE(Append(MakeBatch(10)).ok());
  ASSERT_TRUE(log_->AdvanceLogStart(Offset(4)).ok());
  ASSERT_TRUE(log_->AdvanceLogStart(Offset(2)).ok());
  EXPECT_EQ(log_->start_offset(), Offset(4));
  EXPECT_EQ(ErrorCodeOf(log_->AdvanceLogStart(Offset(11))),
            ErrorCode::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(Values(Offset(4)).size(), 6u);
  const auto found = log_->view()->OffsetForTimestamp(kNowMs);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->offset, Offset(4));
}

TEST_F(LogTest, SegmentsRollByTime) {
  options_.segment_ms = 1000;
  Open();
  ASSERT_TRUE(Append(MakeBatch(1, 0, {}, 0, kNowMs), {}, kNowMs).ok());
  ASSERT_TRUE(log_->MaybeRoll(kNowMs + 900).ok());
  EXPECT_EQ(log_->view()->segment_count(), 1u);
  ASSERT_TRUE(log_->MaybeRoll(kNowMs + 1100).ok());
  EXPECT_EQ(log_->view()->segment_count(), 2u);
  ASSERT_TRUE(log_->MaybeRoll(kNowMs + 9000).ok());  // empty: stays
  EXPECT_EQ(log_->view()->segment_count(), 2u);
}

TEST_F(LogTest, TransactionsHoldBackTheLastStableOffsetUntilReplicated) {
  Open();
  record::BatchOptions transactional;
  transactional.producer_id = ProducerId(7);
  transactional.producer_epoch = ProducerEpoch(0);
  transactional.base_sequence = 0;
  transactional.transactional = true;
  ASSERT_TRUE(Append(MakeBatch(2)).ok());
  ASSERT_TRUE(Append(MakeBatch(3, 2, transactional)).ok());
  EXPECT_EQ(log_->view()->LastStableOffset(Offset(5)), Offset(2));
  AppendOptions coordinator;
  coordinator.origin = AppendOptions::Origin::kCoordinator;
  const std::string abort = record::BuildControlBatch(
      {record::ControlType::kAbort, 1}, ProducerId(7), ProducerEpoch(0),
      kNowMs);
  const AppendResult marker = log_->Append(Bytes::FromString(abort), {}, kNowMs,
                                           coordinator);
  ASSERT_TRUE(marker.ok()) << marker.message;
  EXPECT_EQ(marker.base_offset, Offset(5));
  const auto view = log_->view();
  EXPECT_EQ(view->LastStableOffset(Offset(5)), Offset(2));
  EXPECT_EQ(view->LastStableOffset(Offset(6)), Offset(6));
  EXPECT_EQ(view->AbortedTransactions(Offset(0), Offset(6)),
            (std::vector<AbortedTransaction>{
                {ProducerId(7), Offset(2), Offset(5), Offset(6)}}));
  // An older coordinator is fenced; a client may not write markers.
  const std::string old = record::BuildControlBatch(
      {record::ControlType::kCommit, 0}, ProducerId(7), ProducerEpoch(0),
      kNowMs);
  EXPECT_EQ(
      log_->Append(Bytes::FromString(old), {}, kNowMs, coordinator).error,
      ErrorCode::TRANSACTION_COORDINATOR_FENCED);
  EXPECT_EQ(Append(abort).error, ErrorCode::INVALID_RECORD);
  // Cutting the marker off opens the transaction again.
  ASSERT_TRUE(log_->TruncateTo(Offset(5)).ok());
  EXPECT_EQ(log_->view()->LastStableOffset(Offset(5)), Offset(2));
  EXPECT_TRUE(log_->view()->AbortedTransactions(Offset(0), Offset(9)).empty());
}

TEST_F(LogTest, AbortedTransactionsOfOldSegmentsSurviveACrash) {
  options_.segment_bytes = 600;
  Open();
  AppendOptions coordinator;
  coordinator.origin = AppendOptions::Origin::kCoordinator;
  for (int i = 0; i < 6; ++i) {
    record::BatchOptions transactional;
    transactional.producer_id = ProducerId(7);
    transactional.producer_epoch = ProducerEpoch(0);
    transactional.base_sequence = i;
    transactional.transactional = true;
    ASSERT_TRUE(Append(MakeBatch(1, i, transactional, 100)).ok());
    ASSERT_TRUE(log_->Append(Bytes::FromString(record::BuildControlBatch(
                                 {record::ControlType::kAbort, 1},
                                 ProducerId(7), ProducerEpoch(0), kNowMs)),
                             {}, kNowMs, coordinator)
                    .ok());
    // Synced to its end while active, then rolled: the order that needs care.
    ASSERT_TRUE(log_->Flush().ok());
  }
  const auto want = log_->view()->AbortedTransactions(Offset(0), Offset(12));
  ASSERT_EQ(want.size(), 6u);
  ASSERT_GT(log_->view()->segment_count(), 2u);
  const Offset flushed = log_->recovery_point();
  std::mt19937_64 random(1);
  log_.reset();
  disk_.Crash(FakeFileSystem::Loss::kAll, &random);
  ASSERT_NO_FATAL_FAILURE(Open(false, flushed));
  EXPECT_EQ(log_->view()->AbortedTransactions(Offset(0), Offset(12)), want);
}

// Offset and length are outside the CRC: damage there shows only in what is
// around the batch.
TEST_F(LogTest, ABatchWithAnOffsetOrLengthThatCannotBeIsAnErrorNotAnEnd) {
  const std::string file = std::string(kPath) + "/00000000000000000000.log";
  Open();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Append(MakeBatch(3, i * 3, {}, 50)).ok());
  }
  const size_t size = static_cast<size_t>(log_->size_bytes()) / 3;
  // Where the log's last append is, is known without a look at the file.
  ASSERT_TRUE(log_->Roll(0).ok());
  auto opened = disk_.Open(file, FileSystem::Mode::kReadWrite);
  ASSERT_TRUE(opened.ok());
  const auto flip = [&](int byte) {
    const auto at = static_cast<int64_t>(2 * size) + byte;
    char bits = 0;
    ASSERT_TRUE((*opened)->ReadAt(at, &bits, 1).ok());
    bits ^= 0x10;
    iovec piece{&bits, 1};
    ASSERT_TRUE((*opened)->WriteAt(at, &piece, 1).ok());
  };
  for (const int byte : {0, 5, 6, 7, 9}) {
    flip(byte);
    const auto view = log_->view();
    // What is before it is served, also when the read would go on into it.
    auto good = view->ReadBytes(Offset(0), {.max_bytes = 100'000});
    ASSERT_TRUE(good.ok()) << "byte " << byte << ": " << good.status();
    EXPECT_EQ(good->batches.size(), 2 * size) << "byte " << byte;
    auto bad_read = view->ReadBytes(Offset(6), {.max_bytes = 100'000});
    EXPECT_TRUE(absl::IsDataLoss(bad_read.status()))
        << "byte " << byte << ": " << bad_read.status();
    auto ranges = view->Read(Offset(6), {.max_bytes = 100'000});
    EXPECT_TRUE(absl::IsDataLoss(ranges.status()))
        << "byte " << byte << ": " << ranges.status();
    flip(byte);
    EXPECT_EQ(Values().size(), 9u);
  }
}

TEST_F(LogTest, AnUncleanStartBelievesNoSnapshotOfWhatItReadsAnew) {
  Open();
  ASSERT_TRUE(Append(MakeBatch(6)).ok());
  const std::string snapshot =
      std::string(kPath) + "/00000000000000000004.snapshot";
  disk_.Put(snapshot, "of records that are not these");
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_FALSE(disk_.Exists(snapshot).value());
}

TEST_F(LogTest, SnapshotsBeyondACutDoNotComeBackAfterAPowerCut) {
  Open();
  ASSERT_TRUE(Append(MakeBatch(3)).ok());
  ASSERT_TRUE(Append(MakeBatch(3, 3)).ok());
  ASSERT_TRUE(log_->Roll(kNowMs).ok());
  ASSERT_TRUE(log_->Flush().ok());
  const std::string snapshot =
      std::string(kPath) + "/00000000000000000006.snapshot";
  ASSERT_TRUE(disk_.Exists(snapshot).value());
  ASSERT_TRUE(log_->TruncateTo(Offset(3)).ok());
  log_.reset();
  std::mt19937_64 random(1);
  disk_.Crash(FakeFileSystem::Loss::kAll, &random);
  EXPECT_FALSE(disk_.Exists(snapshot).value());
}

TEST_F(LogTest, EpochsOfRecordsThatWereCutOffAreNotKnownAfterAPowerCut) {
  Open();
  ASSERT_TRUE(log_->AssignEpoch(LeaderEpoch(1)).ok());
  ASSERT_TRUE(Append(MakeBatch(3), LeaderEpoch(1)).ok());
  ASSERT_TRUE(Append(MakeBatch(3, 3), LeaderEpoch(1)).ok());
  ASSERT_TRUE(log_->AssignEpoch(LeaderEpoch(2)).ok());
  ASSERT_TRUE(Append(MakeBatch(3, 6), LeaderEpoch(2)).ok());
  ASSERT_TRUE(log_->Flush().ok());
  ASSERT_TRUE(log_->TruncateTo(Offset(3)).ok());
  ASSERT_FALSE(lowered_to_.empty());
  log_.reset();
  std::mt19937_64 random(1);
  disk_.Crash(FakeFileSystem::Loss::kAll, &random);
  ASSERT_NO_FATAL_FAILURE(Open(false, lowered_to_.back()));
  EXPECT_EQ(log_->end_offset(), Offset(3));
  EXPECT_EQ(log_->view()->latest_epoch(), LeaderEpoch(1));
}

TEST_F(LogTest, AReaderThatFollowsTheEndIsGivenTheLastAppendAndNotMore) {
  Open();
  int64_t older = 0;  // bytes in earlier segments
  for (int i = 0; i < 4; ++i) {
    const int64_t before = log_->size_bytes();
    ASSERT_TRUE(Append(MakeBatch(2, i * 2, {}, 50)).ok());
    const auto view = log_->view();
    const auto read = view->Read(Offset(i * 2), {.max_bytes = 100'000});
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->ranges.size(), 1u);
    EXPECT_EQ(read->ranges[0].position, before - older);
    EXPECT_EQ(read->ranges[0].length, log_->size_bytes() - before);
    // Neither beyond what may be read, nor more than is wanted.
    const auto bound =
        view->Read(Offset(i * 2), {.max_bytes = 100'000,
                                   .upper_bound = Offset(i * 2 + 1)});
    ASSERT_TRUE(bound.ok()) << bound.status();
    EXPECT_EQ(bound->bytes, 0);
    const auto little = view->Read(Offset(i * 2), {.max_bytes = 10,
                                                   .at_least_one_batch = false});
    ASSERT_TRUE(little.ok()) << little.status();
    EXPECT_EQ(little->bytes, 0);
    // In the middle of the batch, it is found by a look at the file.
    const auto middle = view->Read(Offset(i * 2 + 1), {.max_bytes = 100'000});
    ASSERT_TRUE(middle.ok()) << middle.status();
    EXPECT_EQ(middle->bytes, read->bytes);
    if (i == 1) {
      ASSERT_TRUE(log_->Roll(0).ok());
      older = log_->size_bytes();
    }
  }
  // After a cut the last append is not there any more.
  ASSERT_TRUE(log_->TruncateTo(Offset(6)).ok());
  const auto gone = log_->view()->Read(Offset(6), {.max_bytes = 100'000});
  ASSERT_TRUE(gone.ok()) << gone.status();
  EXPECT_EQ(gone->bytes, 0);
  const auto last = log_->view()->Read(Offset(4), {.max_bytes = 100'000});
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->bytes, log_->size_bytes() / 3);
}

TEST_F(LogTest, RecoveryCutsAtABatchWhoseOffsetWasDamaged) {
  Open();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Append(MakeBatch(3, i * 3, {}, 50)).ok());
  }
  const int64_t size = log_->size_bytes() / 3;
  auto opened = disk_.Open(std::string(kPath) + "/00000000000000000000.log",
                           FileSystem::Mode::kReadWrite);
  ASSERT_TRUE(opened.ok());
  char bits = 0x10;  // of the second batch's base offset
  iovec piece{&bits, 1};
  ASSERT_TRUE((*opened)->WriteAt(size + 6, &piece, 1).ok());
  Open();
  EXPECT_EQ(log_->end_offset(), Offset(3));
  EXPECT_EQ(Values().size(), 3u);
  // The last batch's, where no batch after it could tell.
  ASSERT_TRUE(Append(MakeBatch(3, 3, {}, 50)).ok());
  ASSERT_TRUE((*opened)->WriteAt(size, &piece, 1).ok());
  Open();
  EXPECT_EQ(log_->end_offset(), Offset(3));
}

TEST_F(LogTest, ReadersRunBesideTheAppenderAndSeeOnlyWholeBatches) {
  options_.segment_bytes = 20'000;
  Open();
  std::atomic<bool> done{false};
  std::atomic<int64_t> batches{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      Offset next(0);
      while (!done || next < log_->end_offset()) {
        const auto view = log_->view();
        auto read = view->ReadBytes(next, {.max_bytes = 4000});
        ASSERT_TRUE(read.ok()) << read.status();
        record::BatchWalker walker(read->batches);
        while (walker.Next()) {
          ASSERT_EQ(walker.header().first_offset(), next);
          ASSERT_EQ(record::BatchCrc(walker.batch()), walker.header().crc);
          next = walker.header().next_offset();
          ++batches;
        }
        ASSERT_EQ(walker.walked(), read->batches.size());
      }
    });
  }
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(Append(MakeBatch(1 + i % 5, i, {}, 20)).ok());
    if (i % 500 == 0) {
      ASSERT_TRUE(log_->Flush().ok());
    }
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(batches, 6000);
}

}  // namespace
}  // namespace sillok
