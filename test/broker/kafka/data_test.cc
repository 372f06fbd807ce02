// Produce, Fetch, ListOffsets, OffsetForLeaderEpoch and InitProducerId through
// the door, against logs on disk.
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "proto/kafka/fetch.h"
#include "proto/kafka/offsets.h"
#include "proto/kafka/produce.h"
#include "proto/record/record_batch.h"
#include "test/broker/kafka/door_fixture.h"

namespace sillok::kafka_door {
namespace {

using kafka::FetchRequest;
using kafka::FetchResponse;
using kafka::ListOffsetsRequest;
using kafka::ListOffsetsResponse;
using kafka::OffsetForLeaderEpochRequest;
using kafka::OffsetForLeaderEpochResponse;
using kafka::ProduceRequest;
using kafka::ProduceResponse;
using PartitionData = FetchResponse::FetchableTopicResponse::PartitionData;

ProduceRequest Produce(const std::string& topic, int32_t partition,
                       std::optional<Bytes> records, int16_t acks = -1) {
  ProduceRequest request;
  request.acks = acks;
  request.timeout_ms = 5'000;
  request.topic_data.push_back({topic, {{partition, std::move(records)}}});
  return request;
}

FetchRequest Fetch(const std::string& topic, std::vector<int32_t> partitions,
                   int64_t offset = 0) {
  FetchRequest request;
  request.min_bytes = 1;
  auto& wanted = request.topics.emplace_back();
  wanted.topic = topic;
  for (int32_t partition : partitions) {
    auto& p = wanted.partitions.emplace_back();
    p.partition = partition;
    p.fetch_offset = offset;
    p.partition_max_bytes = 1 << 20;
  }
  return request;
}

Bytes BatchOf(const std::string& value, record::Codec codec) {
  record::BatchOptions options;
  options.codec = codec;
  record::BatchBuilder builder(options);
  builder.Append(1'700'000'000'000, std::nullopt, value);
  return Bytes::FromString(builder.Build().value());
}

std::vector<std::string> Values(const PartitionData& data) {
  std::vector<std::string> values;
  record::BatchWalker walker(*data.records);
  std::string scratch;
  while (walker.Next()) {
    const Bytes batch = walker.batch();
    auto reader = record::BatchReader::Open(batch.Flat(&scratch)).value();
    record::RecordView view;
    while (reader.Next(&view)) values.emplace_back(*view.value);
  }
  return values;
}

class DataTest : public DoorTest {
 protected:
  ProduceResponse::TopicProduceResponse::PartitionProduceResponse ProduceOne(
      const ProduceRequest& request, int16_t version) {
    auto response = Ask<ProduceResponse>(request, version);
    EXPECT_EQ(response.responses.size(), 1u);
    EXPECT_EQ(response.responses[0].partition_responses.size(), 1u);
    return response.responses.at(0).partition_responses.at(0);
  }
  void Append(int32_t partition, const std::string& value) {
    ASSERT_EQ(ProduceOne(Produce("orders", partition, OneRecord(value)), 9)
                  .error_code,
              0);
  }
  PartitionData FetchOne(const FetchRequest& request, int16_t version) {
    auto response = Ask<FetchResponse>(request, version);
    EXPECT_EQ(response.responses.size(), 1u);
    return response.responses.at(0).partitions.at(0);
  }
};

TEST_F(DataTest, WhatIsProducedInAnyVersionIsFetchedInAnyVersion) {
  int64_t offset = 0;
  for (int16_t version = 3; version <= 11; ++version) {
    auto result = ProduceOne(
        Produce("orders", 0, OneRecord("v" + std::to_string(version))),
        version);
    EXPECT_EQ(result.error_code, 0);
    EXPECT_EQ(result.base_offset, offset++);
    EXPECT_EQ(result.log_append_time_ms, -1);
    EXPECT_EQ(result.log_start_offset, version >= 5 ? 0 : -1);
    EXPECT_FALSE(version >= 8 && result.error_message.has_value());
  }
  for (int16_t version = 4; version <= 16; ++version) {
    FetchRequest request = Fetch("orders", {0}, 3);
    if (version >= 13) {
      request.topics[0].topic_id = {0, 0, 0, 0, 0, 0, 0, 0,
                                    0, 0, 0, 0, 0, 0, 0, 1};
    }
    auto response = Ask<FetchResponse>(request, version);
    ASSERT_EQ(response.responses.size(), 1u) << version;
    EXPECT_EQ(response.responses[0].topic, version < 13 ? "orders" : "");
    EXPECT_EQ(response.responses[0].topic_id, request.topics[0].topic_id);
    const PartitionData& data = response.responses[0].partitions.at(0);
    EXPECT_EQ(data.error_code, 0);
    EXPECT_EQ(data.high_watermark, 9);
    EXPECT_EQ(data.last_stable_offset, 9);
    EXPECT_EQ(data.preferred_read_replica, -1);
    EXPECT_FALSE(data.aborted_transactions.has_value());
    EXPECT_EQ(Values(data).front(), "v6");
    EXPECT_EQ(Values(data).size(), 6u);
  }
}

TEST_F(DataTest, OldProduceVersionsAreAnsweredUnsupported) {
  for (int16_t version : {0, 1, 2}) {
    auto result = ProduceOne(Produce("orders", 0, OneRecord("x")), version);
    EXPECT_EQ(result.error_code, 35);
    EXPECT_EQ(result.base_offset, -1);
  }
  EXPECT_EQ(Send(Produce("orders", 0, OneRecord("x"), 0), 2).get().kind,
            Ended::kClosed);
  EXPECT_TRUE(Values(FetchOne(Fetch("orders", {0}), 11)).empty());
}

TEST_F(DataTest, AcksZeroIsNotAnsweredAndItsErrorEndsTheConnection) {
  EXPECT_EQ(Send(Produce("orders", 1, OneRecord("x"), 0), 9).get().kind,
            Ended::kNothing);
  EXPECT_EQ(Values(FetchOne(Fetch("orders", {1}), 11)),
            std::vector<std::string>{"x"});
  EXPECT_EQ(Send(Produce("nowhere", 0, OneRecord("x"), 0), 9).get().kind,
            Ended::kClosed);
  EXPECT_EQ(Send(Produce("orders", 0, Bytes::FromString("rubbish"), 0), 9)
                .get()
                .kind,
            Ended::kClosed);
}

TEST_F(DataTest, WrongAcksAndTransactionsAreRefused) {
  EXPECT_EQ(ProduceOne(Produce("orders", 0, OneRecord("x"), 2), 9).error_code,
            21);
  ProduceRequest request = Produce("orders", 0, OneRecord("x"));
  request.transactional_id = "tx";
  auto result = ProduceOne(request, 9);
  EXPECT_EQ(result.error_code, 35);
  EXPECT_TRUE(result.error_message.has_value());
  EXPECT_TRUE(Values(FetchOne(Fetch("orders", {0}), 11)).empty());
}

TEST_F(DataTest, ZstdNeedsProduceVersionSeven) {
  const Bytes batch = BatchOf("x", record::Codec::kZstd);
  EXPECT_EQ(ProduceOne(Produce("orders", 0, batch), 6).error_code, 76);
  EXPECT_EQ(ProduceOne(Produce("orders", 0, batch), 7).error_code, 0);
}

TEST_F(DataTest, EachPartitionHasItsOwnResultInTheOrderAsked) {
  ProduceRequest request = Produce("orders", 2, OneRecord("a"));
  request.topic_data.push_back({"nowhere", {{0, OneRecord("b")}}});
  request.topic_data.push_back(
      {"orders", {{0, OneRecord("c")}, {9, OneRecord("d")}, {1, {}}}});
  auto response = Ask<ProduceResponse>(request, 9);
  ASSERT_EQ(response.responses.size(), 3u);
  EXPECT_EQ(response.responses[0].partition_responses[0].error_code, 0);
  EXPECT_EQ(response.responses[1].name, "nowhere");
  EXPECT_EQ(response.responses[1].partition_responses[0].error_code, 3);
  const auto& last = response.responses[2].partition_responses;
  ASSERT_EQ(last.size(), 3u);
  EXPECT_EQ(last[0].error_code, 0);
  EXPECT_EQ(last[1].index, 9);
  EXPECT_EQ(last[1].error_code, 3);
  EXPECT_NE(last[2].error_code, 0);
}

TEST_F(DataTest, ClientAtTheWrongBrokerIsToldTheRightOne) {
  auto produced =
      Ask<ProduceResponse>(Produce("elsewhere", 0, OneRecord("x")), 10);
  const auto& result = produced.responses[0].partition_responses[0];
  EXPECT_EQ(result.error_code, 6);
  EXPECT_EQ(result.current_leader.leader_id, 1);
  EXPECT_EQ(result.current_leader.leader_epoch, 5);
  ASSERT_EQ(produced.node_endpoints.size(), 1u);
  EXPECT_EQ(produced.node_endpoints[0].host, "host-1");
  EXPECT_EQ(produced.node_endpoints[0].port, 9092);

  FetchRequest request = Fetch("", {0});
  request.topics[0].topic_id[15] = 2;
  auto fetched = Ask<FetchResponse>(request, 16);
  const PartitionData& data = fetched.responses[0].partitions[0];
  EXPECT_EQ(data.error_code, 6);
  EXPECT_EQ(data.current_leader.leader_id, 1);
  EXPECT_EQ(fetched.node_endpoints.size(), 1u);

  // Broker 1 has no such listener: no address, no hint.
  Connect("INTERNAL");
  EXPECT_TRUE(Ask<ProduceResponse>(Produce("elsewhere", 0, OneRecord("x")), 10)
                  .node_endpoints.empty());
}

TEST_F(DataTest, LargeBatchesLeaveAsPartsOfTheFile) {
  Append(0, std::string(100'000, 'x'));
  Append(1, "small");
  auto response = Ask<FetchResponse>(Fetch("orders", {0, 1}), 12);
  EXPECT_EQ(last_.file_pieces, 1);
  ASSERT_EQ(response.responses[0].partitions.size(), 2u);
  EXPECT_EQ(Values(response.responses[0].partitions[0])[0].size(), 100'000u);
  EXPECT_EQ(Values(response.responses[0].partitions[1])[0], "small");
}

TEST_F(DataTest, FullFetchAnswersEveryPartitionOnceInTheOrderAsked) {
  Append(1, "b");
  FetchRequest request = Fetch("orders", {2, 0, 1, 7, 0});
  auto response = Ask<FetchResponse>(request, 11);
  ASSERT_EQ(response.responses.size(), 1u);
  std::vector<int32_t> partitions;
  for (const auto& p : response.responses[0].partitions) {
    partitions.push_back(p.partition_index);
  }
  EXPECT_EQ(partitions, (std::vector<int32_t>{2, 0, 1, 7}));
  EXPECT_EQ(response.responses[0].partitions[3].error_code, 3);
  EXPECT_EQ(response.responses[0].partitions[3].high_watermark, -1);
  EXPECT_EQ(response.session_id, 0);
}

TEST_F(DataTest, FetchSessionIsKeptOverRequests) {
  FetchRequest request = Fetch("orders", {0, 1, 2});
  request.session_epoch = 0;
  auto response = Ask<FetchResponse>(request, 11);
  const int32_t session = response.session_id;
  EXPECT_GT(session, 0);
  EXPECT_EQ(response.responses[0].partitions.size(), 3u);
  EXPECT_EQ(Metric("sillok_kafka_fetch_sessions "), 1);

  Append(1, "b");
  request.topics.clear();
  request.session_id = session;
  request.session_epoch = 1;
  response = Ask<FetchResponse>(request, 11);
  EXPECT_EQ(response.session_id, session);
  ASSERT_EQ(response.responses.size(), 1u);
  ASSERT_EQ(response.responses[0].partitions.size(), 1u);
  EXPECT_EQ(Values(response.responses[0].partitions[0]),
            std::vector<std::string>{"b"});

  response = Ask<FetchResponse>(request, 11);  // the epoch is used up
  EXPECT_EQ(response.error_code, 71);
  EXPECT_EQ(response.session_id, 0);
  request.session_id = session + 1;
  EXPECT_EQ(Ask<FetchResponse>(request, 11).error_code, 70);
  request.session_id = session;
  request.session_epoch = 2;
  EXPECT_EQ(Ask<FetchResponse>(request, 13).error_code, 106);
}

TEST_F(DataTest, UnknownTopicIdIsAnErrorOfItsPartitions) {
  FetchRequest request = Fetch("", {0, 3});
  request.topics[0].topic_id[0] = 9;
  auto response = Ask<FetchResponse>(request, 13);
  ASSERT_EQ(response.responses.size(), 1u);
  EXPECT_EQ(response.responses[0].topic_id, request.topics[0].topic_id);
  ASSERT_EQ(response.responses[0].partitions.size(), 2u);
  for (const auto& partition : response.responses[0].partitions) {
    EXPECT_EQ(partition.error_code, 100);
  }
}

TEST_F(DataTest, FollowersAndUnknownIsolationLevelsAreRefused) {
  FetchRequest request = Fetch("orders", {0});
  request.replica_id = 2;
  EXPECT_EQ(Ask<FetchResponse>(request, 11).error_code, 31);
  EXPECT_EQ(FetchOne(request, 4).error_code, 31);
  request.replica_id = -1;
  request.replica_state.replica_id = 2;
  request.topics[0].topic_id[15] = 1;
  EXPECT_EQ(Ask<FetchResponse>(request, 15).error_code, 31);
  request = Fetch("orders", {0});
  request.isolation_level = 2;
  EXPECT_EQ(Ask<FetchResponse>(request, 11).error_code, 42);
}

TEST_F(DataTest, ReadCommittedTellsAbortedTransactionsEvenIfNone) {
  FetchRequest request = Fetch("orders", {0});
  request.isolation_level = 1;
  const PartitionData data = FetchOne(request, 11);
  ASSERT_TRUE(data.aborted_transactions.has_value());
  EXPECT_TRUE(data.aborted_transactions->empty());
}

TEST_F(DataTest, OffsetsAndEpochsOutOfRangeAreErrors) {
  Append(0, "a");
  for (int64_t offset : {int64_t{2}, int64_t{-5}, int64_t{1} << 62}) {
    EXPECT_EQ(FetchOne(Fetch("orders", {0}, offset), 11).error_code, 1);
  }
  FetchRequest request = Fetch("orders", {0});
  request.topics[0].partitions[0].current_leader_epoch = 4;
  EXPECT_EQ(FetchOne(request, 11).error_code, 74);
  for (int32_t epoch : {6, INT32_MAX}) {
    request.topics[0].partitions[0].current_leader_epoch = epoch;
    EXPECT_EQ(FetchOne(request, 11).error_code, 75);
  }
  request.topics[0].partitions[0].current_leader_epoch = 5;
  EXPECT_EQ(FetchOne(request, 11).error_code, 0);
}

TEST_F(DataTest, SizesOfAFetchMayBeAnything) {
  Append(0, std::string(5'000, 'x'));
  for (int32_t size : {0, -1, 1, INT32_MIN, INT32_MAX}) {
    FetchRequest request = Fetch("orders", {0});
    request.max_bytes = size;
    request.min_bytes = size;
    request.topics[0].partitions[0].partition_max_bytes = size;
    // The first batch is given whole, whatever the limits (KIP-74).
    if (size == INT32_MAX) request.min_bytes = 1;
    EXPECT_EQ(Values(FetchOne(request, 11)).size(), 1u) << size;
  }
}

TEST_F(DataTest, AFetchThatWaitsEndsWithItsConnection) {
  FetchRequest request = Fetch("orders", {0});
  request.max_wait_ms = 60'000;
  std::future<Ended> waiting = Send(request, 11);
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(0)),
            std::future_status::timeout);
  connection_->OnClose(net::CloseReason::kPeerClosed);
  EXPECT_EQ(waiting.wait_for(std::chrono::seconds(0)),
            std::future_status::ready);
}

TEST_F(DataTest, ListOffsetsFindsEndsAndTimes) {
  Append(0, "a");
  Append(0, "b");
  for (int16_t version = 1; version <= 7; ++version) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    auto& topic = request.topics.emplace_back();
    topic.name = "orders";
    for (int64_t timestamp :
         {int64_t{-1}, int64_t{-2}, int64_t{1'700'000'000'000},
          int64_t{1'800'000'000'000}}) {
      topic.partitions.push_back({0, -1, timestamp});
    }
    topic.partitions.push_back({77, -1, -1});
    auto response = Ask<ListOffsetsResponse>(request, version);
    const auto& results = response.topics.at(0).partitions;
    ASSERT_EQ(results.size(), 5u);
    EXPECT_EQ(results[0].offset, 2);
    EXPECT_EQ(results[0].leader_epoch, version >= 4 ? 5 : -1);
    EXPECT_EQ(results[1].offset, 0);
    EXPECT_EQ(results[2].offset, 0);
    EXPECT_EQ(results[2].timestamp, 1'700'000'000'000);
    EXPECT_EQ(results[3].offset, -1);
    EXPECT_EQ(results[3].timestamp, -1);
    EXPECT_EQ(results[4].error_code, 3);
    EXPECT_EQ(results[4].offset, -1);
  }
}

TEST_F(DataTest, OffsetForLeaderEpochTellsWhereAnEpochEnds) {
  Append(0, "a");
  for (int16_t version = 2; version <= 4; ++version) {
    OffsetForLeaderEpochRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic = "orders";
    topic.partitions.push_back({0, 5, 5});
    topic.partitions.push_back({0, 4, 5});
    topic.partitions.push_back({8, -1, 5});
    auto response = Ask<OffsetForLeaderEpochResponse>(request, version);
    const auto& ends = response.topics.at(0).partitions;
    ASSERT_EQ(ends.size(), 3u);
    EXPECT_EQ(ends[0].error_code, 0);
    EXPECT_EQ(ends[0].leader_epoch, 5);
    EXPECT_EQ(ends[0].end_offset, 1);
    EXPECT_EQ(ends[1].error_code, 74);
    EXPECT_EQ(ends[1].end_offset, -1);
    EXPECT_EQ(ends[2].error_code, 3);
  }
}

}  // namespace
}  // namespace sillok::kafka_door
