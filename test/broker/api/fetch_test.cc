// Fetches of several partitions against replicas with real logs.
#include "broker/api/fetch.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "gtest/gtest.h"
#include "test/broker/replication/cluster_fixture.h"

namespace sillok::api {
namespace {

constexpr int kPartitions = 3;
constexpr int kForever = 600'000;

class FetchTest : public testing::Test {
 protected:
  FetchTest() : cluster_(1), metrics_(&registry_) {
    Lead(1);
    context_.partitions = cluster_.Table(0).get();
    context_.cluster = &view_;
    context_.clock = &Clock::Real();
    context_.metrics = &metrics_;
  }

  // Broker 0 leads every partition under `epoch`.
  void Lead(int epoch, int leader = 0) {
    v1::ClusterUpdate update;
    v1::BrokerAddress* broker = update.add_brokers();
    broker->set_broker_id(0);
    broker->set_host("direct");
    broker->set_port(1);
    v1::TopicState* topic = update.add_topics();
    topic->set_name("orders");
    topic->set_topic_id("topic-id-1");
    for (int i = 0; i < kPartitions; ++i) {
      v1::PartitionState* state = topic->add_partitions();
      state->set_partition(i);
      state->set_leader(leader);
      state->set_leader_epoch(epoch);
      state->set_partition_epoch(epoch);
      state->add_isr(0);
      state->add_replicas(0);
      state->set_is_new(epoch == 1);
    }
    cluster_.Tell(0, update);
  }

  void Append(int partition, const std::string& value) {
    std::promise<AppendOutcome> promise;
    AppendRequest request;
    request.batch = OneRecord(value);
    cluster_.Table(0)->Find("orders", partition)->Append(
        std::move(request),
        [&](AppendOutcome outcome) { promise.set_value(std::move(outcome)); });
    ASSERT_EQ(promise.get_future().get().error, ErrorCode::NONE);
  }

  static v1::FetchRequest Request(int max_wait_ms, int min_bytes = 1,
                                  std::vector<int64_t> offsets = {0, 0, 0}) {
    v1::FetchRequest request;
    request.set_max_wait_ms(max_wait_ms);
    request.set_min_bytes(min_bytes);
    for (int i = 0; i < kPartitions; ++i) {
      v1::PartitionFetch* wanted = request.add_partitions();
      wanted->set_topic("orders");
      wanted->set_partition(i);
      wanted->set_fetch_offset(offsets[i]);
    }
    return request;
  }

  std::future<FetchAnswer> Start(v1::FetchRequest request,
                                 FetchForm form = FetchForm::kBytes) {
    auto promise = std::make_shared<std::promise<FetchAnswer>>();
    Fetch(context_, caller_, std::move(request), form,
          [promise](FetchAnswer answer) {
            promise->set_value(std::move(answer));
          });
    return promise->get_future();
  }

  static bool Ready(const std::future<FetchAnswer>& future) {
    return future.wait_for(std::chrono::seconds(0)) ==
           std::future_status::ready;
  }

  static std::vector<std::string> ValuesOf(const Bytes& batches) {
    std::vector<std::string> values;
    record::BatchWalker walker(batches);
    std::string scratch;
    while (walker.Next()) {
      const Bytes batch = walker.batch();
      auto reader = record::BatchReader::Open(batch.Flat(&scratch)).value();
      record::RecordView view;
      while (reader.Next(&view)) values.emplace_back(*view.value);
    }
    return values;
  }

  ReplicaCluster cluster_;
  MetricsRegistry registry_;
  ApiMetrics metrics_;
  ClusterViewHolder view_;
  BrokerContext context_;
  RequestContext caller_;
};

TEST_F(FetchTest, WhatIsThereIsAnsweredAtOnceInTheOrderAsked) {
  Append(2, "c");
  Append(0, "a");
  FetchAnswer answer = Start(Request(kForever)).get();
  ASSERT_EQ(answer.response.partitions_size(), kPartitions);
  for (int i = 0; i < kPartitions; ++i) {
    EXPECT_EQ(answer.response.partitions(i).partition(), i);
    EXPECT_EQ(answer.response.partitions(i).error_code(), v1::NONE);
  }
  EXPECT_EQ(ValuesOf(answer.batches[0].bytes), std::vector<std::string>{"a"});
  EXPECT_TRUE(answer.batches[1].bytes.empty());
  EXPECT_EQ(ValuesOf(answer.batches[2].bytes), std::vector<std::string>{"c"});
  EXPECT_EQ(answer.response.partitions(2).high_watermark(), 1);
}

TEST_F(FetchTest, AnAppendToAnyPartitionWakesTheFetchThatWaits) {
  auto waiting = Start(Request(kForever));
  EXPECT_FALSE(Ready(waiting));
  Append(1, "b");
  FetchAnswer answer = waiting.get();
  EXPECT_TRUE(answer.batches[0].bytes.empty());
  EXPECT_EQ(ValuesOf(answer.batches[1].bytes), std::vector<std::string>{"b"});
  EXPECT_EQ(answer.response.partitions(0).high_watermark(), 0);
}

TEST_F(FetchTest, MinBytesAreGatheredOverPartitions) {
  const int64_t one = static_cast<int64_t>(OneRecord("a").size());
  auto waiting = Start(Request(kForever, static_cast<int>(3 * one)));
  Append(0, "a");
  Append(1, "b");
  EXPECT_FALSE(Ready(waiting));
  Append(0, "A");
  FetchAnswer answer = waiting.get();
  EXPECT_EQ(ValuesOf(answer.batches[0].bytes),
            (std::vector<std::string>{"a", "A"}));
  EXPECT_EQ(ValuesOf(answer.batches[1].bytes), std::vector<std::string>{"b"});
  EXPECT_EQ(answer.batches[0].size, 2 * one);
}

TEST_F(FetchTest, WhenTheTimeIsOverItAnswersWithWhatThereIs) {
  auto waiting = Start(Request(50, 1 << 20));
  Append(2, "c");
  FetchAnswer answer = waiting.get();
  EXPECT_EQ(ValuesOf(answer.batches[2].bytes), std::vector<std::string>{"c"});
  EXPECT_EQ(answer.response.partitions(2).high_watermark(), 1);
  EXPECT_TRUE(Start(Request(1)).get().response.partitions(0).error_code() ==
              v1::NONE);
}

TEST_F(FetchTest, MoreMinBytesThanTheAnswerMayHoldDoNotHoldItUp) {
  v1::FetchRequest request = Request(kForever, 1 << 30);
  request.set_max_bytes(10);
  auto waiting = Start(std::move(request));
  Append(0, "longer than ten bytes");
  EXPECT_EQ(ValuesOf(waiting.get().batches[0].bytes).size(), 1u);
}

TEST_F(FetchTest, ALostLeadershipEndsTheWait) {
  auto waiting = Start(Request(kForever));
  Lead(2, /*leader=*/-1);
  FetchAnswer answer = waiting.get();
  bool told = false;
  for (const auto& partition : answer.response.partitions()) {
    told |= partition.error_code() == v1::NOT_LEADER_OR_FOLLOWER;
  }
  EXPECT_TRUE(told);
}

TEST_F(FetchTest, ACallerThatLeavesEndsTheWait) {
  caller_.departure = std::make_shared<Departure>();
  auto first = Start(Request(kForever));
  auto second = Start(Request(kForever, /*min_bytes=*/1'000'000));
  EXPECT_FALSE(Ready(first));
  EXPECT_FALSE(Ready(second));
  caller_.departure->Leave();
  // Answered, so that nothing is held any longer; nobody reads it.
  ASSERT_TRUE(Ready(first));
  ASSERT_TRUE(Ready(second));
  EXPECT_TRUE(first.get().batches[0].bytes.empty());
  // What comes behind its back is not waited for at all.
  EXPECT_TRUE(Ready(Start(Request(kForever))));
}

TEST_F(FetchTest, AnAnsweredFetchIsForgottenByItsCaller) {
  caller_.departure = std::make_shared<Departure>();
  auto waiting = Start(Request(kForever));
  Append(1, "b");
  EXPECT_EQ(ValuesOf(waiting.get().batches[1].bytes),
            std::vector<std::string>{"b"});
  caller_.departure->Leave();
}

TEST_F(FetchTest, CallersThatLeaveBesideAWriterAreAnsweredOnce) {
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    caller_.departure = std::make_shared<Departure>();
    auto waiting = Start(Request(kForever, 1, {round, 0, 0}));
    std::thread writer([&] { Append(0, "a"); });
    caller_.departure->Leave();
    waiting.get();  // a second answer would be an error of the promise
    writer.join();
  }
}

TEST_F(FetchTest, AnUnknownPartitionIsToldAtOnceBesideTheOthers) {
  Append(0, "a");
  v1::FetchRequest request = Request(kForever);
  request.mutable_partitions(1)->set_partition(77);
  FetchAnswer answer = Start(std::move(request)).get();
  EXPECT_EQ(answer.response.partitions(1).error_code(),
            v1::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(ValuesOf(answer.batches[0].bytes), std::vector<std::string>{"a"});
}

TEST_F(FetchTest, RangesNameTheSameBytes) {
  for (int i = 0; i < 5; ++i) Append(1, std::to_string(i));
  FetchAnswer bytes = Start(Request(0)).get();
  FetchAnswer ranges = Start(Request(0), FetchForm::kRanges).get();
  EXPECT_TRUE(ranges.batches[1].bytes.empty());
  EXPECT_EQ(ranges.batches[1].size, bytes.batches[1].size);
  std::string read;
  for (const FileRange& range : ranges.batches[1].ranges) {
    std::string part(range.length, 0);
    ASSERT_EQ(pread(range.file->fd(), part.data(), part.size(),
                    range.position),
              range.length);
    read += part;
  }
  EXPECT_EQ(read, bytes.batches[1].bytes.ToString());
}

// Waiters fire on the partitions' strands while others are still being set up.
TEST_F(FetchTest, WritersBesideAReaderLoseNothing) {
  constexpr int kRecords = 300;
  std::vector<std::thread> writers;
  for (int p = 0; p < kPartitions; ++p) {
    writers.emplace_back([this, p] {
      for (int i = 0; i < kRecords; ++i) Append(p, std::to_string(i));
    });
  }
  std::vector<int64_t> next(kPartitions, 0);
  while (next != std::vector<int64_t>(kPartitions, kRecords)) {
    FetchAnswer answer = Start(Request(kForever, 1, next)).get();
    for (int p = 0; p < kPartitions; ++p) {
      for (const std::string& value : ValuesOf(answer.batches[p].bytes)) {
        ASSERT_EQ(value, std::to_string(next[p]++));
      }
    }
  }
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace sillok::api
