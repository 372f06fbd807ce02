// The sequences of an idempotent producer, case by case; their life under faults
// is in idempotence_simulation_test.cc.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/internal/record_accumulator.h"
#include "proto/record/record_batch.h"

namespace sillok::client {
namespace {

class IdempotenceTest : public testing::Test {
 protected:
  static AccumulatorOptions Options() {
    AccumulatorOptions options;
    options.batch_size = 1000;
    options.linger_ms = 0;
    options.retry_backoff_ms = 0;
    options.retry_backoff_max_ms = 0;
    options.delivery_timeout_ms = 1000;
    options.idempotent = true;
    return options;
  }
  void SetUp() override {
    acc->SetLeaders("t", {1, 1});
    acc->SetProducerId(7);
  }
  // A batch of its own.
  void Send(int32_t partition, const std::string& text = "x") {
    SendCallback none;
    acc->Append({.topic = "t", .partition = partition,
                .value = text + std::string(600, '.')},
               1, now, &none);
  }
  RecordAccumulator::Work Take() {
    return acc->TakeWork(now, [](int32_t) { return true; });
  }
  std::vector<BatchPtr> Batches() {
    std::vector<BatchPtr> all;
    while (true) {
      auto work = Take();
      if (work.sends.empty()) return all;
      for (auto& batch : work.sends[1]) all.push_back(batch);
    }
  }
  BatchPtr One() {
    auto all = Batches();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? nullptr : all[0];
  }
  // The first batch of partition 0 is in: more may be on their way now.
  void Establish() {
    Send(0);
    acc->Complete(One());
  }
  bool Fail(const BatchPtr& batch, ErrorCode code) {
    return acc->Failed(batch, code, ErrorStatus(code), now);
  }
  static std::string Stamp(const BatchPtr& batch) {
    const BatchStamp& s = batch->stamp;
    return std::to_string(s.producer_id) + "/" +
           std::to_string(s.producer_epoch) + ":" +
           std::to_string(s.base_sequence);
  }

  int64_t now = 0;
  std::unique_ptr<RecordAccumulator> acc =
      std::make_unique<RecordAccumulator>(Options());
};

TEST_F(IdempotenceTest, EachPartitionCountsItsRecords) {
  Establish();
  for (int i = 0; i < 3; ++i) Send(0);
  Send(1);
  std::vector<std::string> stamps;
  for (const BatchPtr& batch : Batches()) {
    stamps.push_back(batch->partition.ToString() + " " + Stamp(batch));
  }
  EXPECT_EQ(stamps, (std::vector<std::string>{"t-0 7/0:1", "t-1 7/0:0",
                                              "t-0 7/0:2", "t-0 7/0:3"}));
}

TEST_F(IdempotenceTest, TheHeaderCarriesTheNumbersAndARetryTheSame) {
  Send(0);
  BatchPtr batch = One();
  ASSERT_TRUE(batch->writer
                  .Finish(record::Codec::kZstd, record::kDefaultLevel,
                          batch->stamp)
                  .ok());
  const auto header = record::ParseBatchHeader(batch->writer.data());
  EXPECT_EQ(header.producer_id, 7);
  EXPECT_EQ(header.producer_epoch, 0);
  EXPECT_EQ(header.base_sequence, 0);
  EXPECT_TRUE(record::BatchReader::Open(
                  std::string_view(batch->writer.data(),
                                   batch->writer.out_size()))
                  .ok());
  ASSERT_TRUE(Fail(batch, ErrorCode::NETWORK_EXCEPTION));
  EXPECT_EQ(One(), batch);
  EXPECT_EQ(Stamp(batch), "7/0:0");
}

TEST_F(IdempotenceTest, NothingGoesWithoutAProducerId) {
  acc = std::make_unique<RecordAccumulator>(Options());
  acc->SetLeaders("t", {1});
  Send(0);
  auto work = Take();
  EXPECT_TRUE(work.sends.empty());
  EXPECT_TRUE(work.needs_producer_id);
  now = 1000;
  work = Take();
  ASSERT_EQ(work.failed.size(), 1u) << "nor does it wait for ever";
  acc->Complete(work.failed[0], false);
  Send(0);
  acc->SetProducerId(9);
  EXPECT_EQ(Stamp(One()), "9/0:0");
}

TEST_F(IdempotenceTest, TheFirstBatchGoesAloneThenFiveAtATime) {
  for (int i = 0; i < 9; ++i) Send(0);
  BatchPtr first = One();
  acc->Complete(first);
  EXPECT_EQ(Batches().size(), 5u);
}

TEST_F(IdempotenceTest, ARefusalOfTheLastBatchGivesItsNumbersToTheNext) {
  Establish();
  Send(0);
  BatchPtr refused = One();
  ASSERT_FALSE(Fail(refused, ErrorCode::INVALID_RECORD));
  acc->Complete(refused, false);
  Send(0);
  EXPECT_EQ(Stamp(One()), "7/0:1");
}

TEST_F(IdempotenceTest, ARefusalInTheMiddleBeginsAnEpochForThoseBehind) {
  Establish();
  for (const char* text : {"a", "b", "c"}) Send(0, text);
  auto sent = Batches();
  ASSERT_EQ(sent.size(), 3u);
  ASSERT_FALSE(Fail(sent[0], ErrorCode::INVALID_RECORD));
  acc->Complete(sent[0], false);
  EXPECT_TRUE(Batches().empty());
  ASSERT_TRUE(Fail(sent[1], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
  EXPECT_TRUE(Batches().empty()) << "the last is still on its way";
  ASSERT_TRUE(Fail(sent[2], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
  BatchPtr again = One();
  EXPECT_EQ(Stamp(again), "7/1:0");
  acc->Complete(again);
  EXPECT_EQ(Stamp(One()), "7/1:1");
  Send(1);
  EXPECT_EQ(Stamp(One()), "7/0:0") << "other partitions do not care";
}

TEST_F(IdempotenceTest, WhatMayBeWrittenBehindAGivenUpBatchIsNotSentAnew) {
  Establish();
  Send(0, "a");
  now = 500;
  Send(0, "b");
  Send(0, "c");
  auto sent = Batches();
  ASSERT_EQ(sent.size(), 3u);
  for (int i : {0, 1}) {
    ASSERT_TRUE(Fail(sent[i], ErrorCode::NETWORK_EXCEPTION));
  }
  ASSERT_TRUE(Fail(sent[2], ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
  now = 1000;
  auto work = Take();
  ASSERT_EQ(work.failed.size(), 1u) << "a has run out of time";
  acc->Complete(work.failed[0], false);
  BatchPtr second = One();
  EXPECT_EQ(second, sent[1]) << "with its own numbers: a may be there";
  // It is not. b's first attempt may still come, to be taken behind a's.
  ASSERT_TRUE(Fail(second, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
  work = Take();
  ASSERT_EQ(work.failed.size(), 1u);
  EXPECT_EQ(work.failed[0], second);
  EXPECT_EQ(ErrorCodeOf(second->final_error),
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
  acc->Complete(second, false);
  EXPECT_EQ(Stamp(One()), "7/1:0") << "c was refused, and goes on";
  EXPECT_EQ(acc->unanswered(), 1u);
}

TEST_F(IdempotenceTest, ABatchThatWasWrittenAfterAllEndsTheDoubt) {
  Establish();
  Send(0);
  BatchPtr lost = One();
  ASSERT_TRUE(Fail(lost, ErrorCode::REQUEST_TIMED_OUT));
  now = 1000;
  auto work = Take();
  ASSERT_EQ(work.failed.size(), 1u);
  acc->Complete(work.failed[0], false);
  Send(0);
  BatchPtr next = One();
  EXPECT_EQ(Stamp(next), "7/0:2");
  acc->Complete(next, true);
  Send(0);
  EXPECT_EQ(Stamp(One()), "7/0:3");
}

TEST_F(IdempotenceTest, AForeignWriterUnderOurIdMeansAnotherId) {
  Establish();
  Send(1);
  acc->Complete(One());
  Send(0);
  BatchPtr fenced = One();
  ASSERT_FALSE(Fail(fenced, ErrorCode::INVALID_PRODUCER_EPOCH));
  acc->Complete(fenced, false);
  Send(0);
  EXPECT_TRUE(Take().needs_producer_id);
  acc->SetProducerId(8);
  EXPECT_EQ(Stamp(One()), "8/0:0");
  Send(1);
  EXPECT_EQ(Stamp(One()), "8/0:0");
}

TEST_F(IdempotenceTest, WhenTheEpochsOfAnIdAreUsedUpAnotherIsAsked) {
  Establish();
  for (int i = 0; i < 32767; ++i) {
    Send(0);
    BatchPtr batch = One();
    ASSERT_EQ(batch->stamp.producer_epoch, i);
    ASSERT_TRUE(Fail(batch, ErrorCode::UNKNOWN_PRODUCER_ID));
    batch = One();
    ASSERT_NE(batch, nullptr);
    acc->Complete(batch);
  }
  Send(0);
  ASSERT_TRUE(Fail(One(), ErrorCode::UNKNOWN_PRODUCER_ID));
  EXPECT_TRUE(Take().needs_producer_id);
  acc->SetProducerId(8);
  EXPECT_EQ(Stamp(One()), "8/0:0");
}

TEST_F(IdempotenceTest, TooLargeIsHalvedUntilItFitsAndRemembered) {
  AccumulatorOptions options = Options();
  options.batch_size = 64'000;
  options.linger_ms = 5;
  acc = std::make_unique<RecordAccumulator>(options);
  acc->SetLeaders("t", {1});
  acc->SetProducerId(7);
  std::vector<int64_t> answered;
  for (int i = 0; i < 20; ++i) {
    SendCallback callback = [&answered](const absl::Status& status,
                                        const RecordMetadata& metadata) {
      answered.push_back(status.ok() ? metadata.offset : -1);
    };
    acc->Append({.topic = "t", .partition = 0, .value = std::string(2500, 'v')},
               1, now, &callback);
  }
  now = 5;
  int32_t next_sequence = 0;
  int attempts = 0;
  while (acc->unanswered() > 0) {
    BatchPtr batch = One();
    ASSERT_NE(batch, nullptr);
    ASSERT_LT(++attempts, 50);
    if (batch->writer.size() > 10'000) {
      ASSERT_TRUE(Fail(batch, ErrorCode::MESSAGE_TOO_LARGE));
      continue;
    }
    EXPECT_EQ(batch->stamp.base_sequence, next_sequence);
    for (auto& waiter : batch->waiters) {
      waiter.callback(absl::OkStatus(),
                      {.offset = next_sequence + waiter.index});
    }
    next_sequence += batch->writer.count();
    acc->Complete(batch);
  }
  EXPECT_EQ(next_sequence, 20);
  ASSERT_EQ(answered.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(answered[i], i);
  EXPECT_EQ(acc->buffered_bytes(), 0u);
  // The next batches are begun that small.
  SendCallback none;
  for (int i = 0; i < 8; ++i) {
    acc->Append({.topic = "t", .partition = 0, .value = std::string(2500, 'v')},
               1, now, &none);
  }
  acc->Flush();
  for (const BatchPtr& batch : Batches()) {
    EXPECT_LE(batch->writer.size(), 10'000u);
  }
}

TEST_F(IdempotenceTest, ASingleRecordThatIsTooLargeIsTold) {
  Establish();
  Send(0);
  BatchPtr batch = One();
  EXPECT_FALSE(Fail(batch, ErrorCode::MESSAGE_TOO_LARGE));
  acc->Complete(batch, false);
  EXPECT_EQ(acc->unanswered(), 0u);
}

}  // namespace
}  // namespace sillok::client
