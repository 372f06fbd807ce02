#include "client/internal/record_accumulator.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/record/record_batch.h"

namespace sillok::client {
namespace {

using Result = RecordAccumulator::Result;

AccumulatorOptions Options() {
  AccumulatorOptions options;
  options.batch_size = 1000;
  options.linger_ms = 10;
  options.retry_backoff_ms = 100;
  options.retry_backoff_max_ms = 100;
  return options;
}

// An accumulator on a clock that the test turns, with one broker that always has
// room.
class Bench {
 public:
  explicit Bench(AccumulatorOptions options = Options()) : acc(options) {
    acc.SetLeaders("t", {1, 1});
  }
  RecordAccumulator::Appended Append(int32_t partition,
                                     const std::string& value) {
    SendCallback callback;
    return acc.Append({.topic = "t", .partition = partition, .value = value},
                      1'000'000, now, &callback);
  }
  RecordAccumulator::Work Take() {
    return acc.TakeWork(now, [](int32_t) { return true; });
  }
  // All batches that go out now, in the order taken.
  std::vector<BatchPtr> TakeBatches() {
    std::vector<BatchPtr> all;
    while (true) {
      auto work = Take();
      if (work.sends.empty()) return all;
      for (auto& batch : work.sends[1]) all.push_back(batch);
    }
  }

  RecordAccumulator acc;
  int64_t now = 0;
};

std::vector<std::string> Values(const BatchPtr& batch) {
  if (!batch->finished) {
    EXPECT_TRUE(batch->writer.Finish(record::Codec::kNone).ok());
    batch->finished = true;
  }
  std::string_view bytes(batch->writer.data(), batch->writer.out_size());
  auto reader = record::BatchReader::Open(bytes);
  EXPECT_TRUE(reader.ok()) << reader.status();
  std::vector<std::string> values;
  record::RecordView view;
  while (reader->Next(&view)) values.emplace_back(view.value.value_or(""));
  return values;
}

TEST(RecordAccumulatorTest, ABatchWaitsForLingerUnlessItIsFull) {
  Bench b;
  auto appended = b.Append(0, "a");
  EXPECT_EQ(appended.result, Result::kAppended);
  EXPECT_TRUE(appended.tell_sender);
  EXPECT_EQ(appended.due_ms, 10);
  EXPECT_FALSE(b.Append(0, "b").tell_sender);
  auto work = b.Take();
  EXPECT_TRUE(work.sends.empty());
  EXPECT_EQ(work.next_ms, 10);
  b.now = 10;
  auto batches = b.TakeBatches();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(Values(batches[0]), (std::vector<std::string>{"a", "b"}));

  b.Append(0, std::string(600, 'x'));
  auto filled = b.Append(0, std::string(600, 'y'));
  EXPECT_TRUE(filled.tell_sender);
  EXPECT_EQ(filled.due_ms, 10) << "the first of the two can go at once";
  EXPECT_EQ(b.TakeBatches().size(), 1u);
}

TEST(RecordAccumulatorTest, TheWholeBatchIsWhatKafkaReads) {
  Bench b;
  SendCallback none;
  std::vector<RecordHeaderView> headers = {{"h", "1"}, {"n", std::nullopt}};
  b.acc.Append({.topic = "t", .partition = 0, .key = "k",
                .value = std::nullopt, .headers = headers, .timestamp_ms = 77},
               5, 0, &none);
  b.acc.Append({.topic = "t", .partition = 0, .value = "v",
                .timestamp_ms = 70}, 5, 0, &none);
  b.now = 10;
  BatchPtr batch = b.TakeBatches().at(0);
  ASSERT_TRUE(batch->writer.Finish(record::Codec::kNone).ok());
  record::BatchBuilder builder;
  builder.Append(77, "k", std::nullopt, {{"h", "1"}, {"n", std::nullopt}});
  builder.Append(70, std::nullopt, "v");
  EXPECT_EQ(std::string(batch->writer.data(), batch->writer.out_size()),
            builder.Build().value());
}

TEST(RecordAccumulatorTest, RetriesKeepTheOrderOfAPartition) {
  AccumulatorOptions options = Options();
  options.max_in_flight = 3;
  Bench b(options);
  for (const char* value : {"1", "2", "3", "4"}) {
    b.Append(0, value + std::string(700, '.'));
  }
  b.acc.Flush();
  auto sent = b.TakeBatches();
  ASSERT_EQ(sent.size(), 3u) << "the window is 3";
  auto why = absl::UnavailableError("gone");
  // The answers come in any order; the queue is in order again.
  EXPECT_TRUE(b.acc.Retry(sent[1], why, b.now));
  EXPECT_TRUE(b.acc.Retry(sent[0], why, b.now));
  EXPECT_TRUE(b.TakeBatches().empty()) << "the third is still on its way";
  EXPECT_TRUE(b.acc.Retry(sent[2], why, b.now));
  EXPECT_TRUE(b.TakeBatches().empty()) << "backoff";
  b.now = 1000;
  std::vector<char> order;
  while (true) {
    auto batches = b.TakeBatches();
    if (batches.empty()) break;
    if (order.size() < 3) {
      EXPECT_EQ(batches.size(), 1u) << "one at a time while retrying";
    }
    for (auto& batch : batches) {
      order.push_back(Values(batch)[0][0]);
      b.acc.Complete(batch);
    }
  }
  EXPECT_EQ(order, (std::vector<char>{'1', '2', '3', '4'}));
  EXPECT_EQ(b.acc.unanswered(), 0u);
  EXPECT_EQ(b.acc.buffered_bytes(), 0u);
}

TEST(RecordAccumulatorTest, ANewLeaderEndsTheBackoff) {
  Bench b;
  b.Append(0, "a");
  b.now = 10;
  auto batch = b.TakeBatches().at(0);
  ASSERT_TRUE(b.acc.Retry(batch, absl::UnavailableError("moved"), b.now));
  EXPECT_TRUE(b.TakeBatches().empty());
  b.acc.SetLeaders("t", {2, 1});
  auto work = b.Take();
  EXPECT_EQ(work.sends.count(2), 1u);
}

TEST(RecordAccumulatorTest, NoLeaderMeansAskForMetadata) {
  Bench b;
  b.acc.SetLeaders("t", {-1, 1});
  b.Append(0, "a");
  b.now = 10;
  auto work = b.Take();
  EXPECT_TRUE(work.sends.empty());
  EXPECT_TRUE(work.needs_metadata);
}

TEST(RecordAccumulatorTest, OneRequestTakesABatchOfEachPartitionUpToItsSize) {
  AccumulatorOptions options = Options();
  options.max_request_size = 1500;
  Bench b(options);
  b.acc.SetLeaders("t", {1, 1, 1});
  for (int p = 0; p < 3; ++p) b.Append(p, std::string(600, 'x'));
  b.acc.Flush();
  auto first = b.Take();
  EXPECT_EQ(first.sends[1].size(), 2u);
  auto second = b.Take();
  EXPECT_EQ(second.sends[1].size(), 1u);
}

TEST(RecordAccumulatorTest, DeliveryTimeoutTakesWhatWasNeverAnswered) {
  AccumulatorOptions options = Options();
  options.delivery_timeout_ms = 500;
  Bench b(options);
  b.acc.SetLeaders("t", {-1});
  b.Append(0, "a");
  b.now = 499;
  EXPECT_EQ(b.Take().next_ms, 500);
  b.now = 500;
  auto work = b.Take();
  ASSERT_EQ(work.failed.size(), 1u);
  b.acc.Complete(work.failed[0]);
  EXPECT_EQ(b.acc.unanswered(), 0u);
  // A batch on its way at that time is out of attempts when it comes back.
  b.acc.SetLeaders("t", {1});
  b.Append(0, "b");
  b.acc.Flush();
  auto batch = b.TakeBatches().at(0);
  EXPECT_FALSE(b.acc.Retry(batch, absl::UnavailableError("x"), 1000));
  b.acc.Complete(batch);
  EXPECT_EQ(b.acc.buffered_bytes(), 0u);
}

TEST(RecordAccumulatorTest, MemoryIsBoundedAndComesBack) {
  AccumulatorOptions options = Options();
  options.buffer_memory = 3000;
  Bench b(options);
  int appended = 0;
  while (b.Append(0, std::string(500, 'x')).result == Result::kAppended) {
    ++appended;
    ASSERT_LT(appended, 20);
  }
  EXPECT_LE(b.acc.buffered_bytes(), 3000u);
  auto batches = b.TakeBatches();
  ASSERT_FALSE(batches.empty()) << "a full buffer does not wait for linger";
  for (auto& batch : batches) b.acc.Complete(batch);
  EXPECT_EQ(b.Append(0, "x").result, Result::kAppended);
}

TEST(RecordAccumulatorTest, RefusalsNameTheReason) {
  Bench b;
  EXPECT_EQ(b.Append(7, "x").result, Result::kUnknownPartition);
  EXPECT_EQ(b.Append(0, std::string(2 << 20, 'x')).result, Result::kTooLarge);
  SendCallback none;
  EXPECT_EQ(b.acc.Append({.topic = "other"}, 0, 0, &none).result,
            Result::kUnknownTopic);
}

TEST(RecordAccumulatorTest, ARecordLargerThanABatchHasOneOfItsOwn) {
  Bench b;
  b.Append(0, "small");
  b.Append(0, std::string(5000, 'L'));
  b.Append(0, "small");
  b.acc.Flush();
  auto batches = b.TakeBatches();
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(Values(batches[1])[0].size(), 5000u);
}

TEST(RecordAccumulatorTest, FlushCountsWhatIsOnItsWay) {
  Bench b;
  b.Append(0, "a");
  b.acc.Flush();
  uint64_t fence = b.acc.next_order();
  auto batch = b.TakeBatches().at(0);
  EXPECT_FALSE(b.acc.AllAnsweredBefore(fence));
  b.Append(0, "later");
  b.acc.Complete(batch);
  EXPECT_TRUE(b.acc.AllAnsweredBefore(fence));
}

TEST(RecordAccumulatorTest, KeylessRecordsStayTogetherUntilTheirBatchCloses) {
  Bench b;
  SendCallback none;
  auto send = [&](const std::string& value) {
    return b.acc.Append({.topic = "t", .value = value}, 0, b.now, &none)
        .partition;
  };
  int32_t first = send("a");
  EXPECT_EQ(send("b"), first);
  EXPECT_EQ(send("c"), first);
  b.now = 10;
  EXPECT_EQ(b.TakeBatches().size(), 1u);
  EXPECT_NE(send("d"), first) << "two partitions take turns";
}

}  // namespace
}  // namespace sillok::client
