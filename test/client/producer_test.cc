#include "client/producer.h"

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "base/error.h"
#include "gtest/gtest.h"
#include "test/support/fake_broker.h"

namespace sillok::client {
namespace {

using test::FakeCluster;

ProducerConfig Config(const FakeCluster& cluster) {
  ProducerConfig config;
  config.bootstrap_servers = cluster.addresses();
  config.retry_backoff_ms = 5;
  config.retry_backoff_max_ms = 20;
  config.linger_ms = 1;
  return config;
}

const absl::Duration kLong = absl::Seconds(30);

TEST(ProducerTest, RecordsArriveOnceAndInOrder) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  auto producer = Producer::Create(Config(cluster)).value();
  std::vector<int64_t> offsets;
  std::vector<std::string> sent;
  for (int i = 0; i < 5000; ++i) {
    sent.push_back("value " + std::to_string(i));
    ASSERT_TRUE(producer
                    ->Send({.topic = "t", .value = sent.back()},
                           [&](const absl::Status& status,
                               const RecordMetadata& metadata) {
                             EXPECT_TRUE(status.ok()) << status;
                             offsets.push_back(metadata.offset);
                           })
                    .ok());
  }
  ASSERT_TRUE(producer->Flush(kLong).ok());
  EXPECT_EQ(cluster.Values({"t", 0}), sent);
  ASSERT_EQ(offsets.size(), 5000u);
  for (size_t i = 0; i < offsets.size(); ++i) {
    EXPECT_EQ(offsets[i], static_cast<int64_t>(i));
  }
  EXPECT_EQ(producer->Stats().records_sent, 5000u);
}

TEST(ProducerTest, KeyedRecordsKeepTheirPartitionAcrossBrokers) {
  FakeCluster cluster(3);
  cluster.AddTopic("t", 6);
  auto producer = Producer::Create(Config(cluster)).value();
  auto a = producer->Send({.topic = "t", .key = "alpha", .value = "1"}).get();
  auto b = producer->Send({.topic = "t", .key = "alpha", .value = "2"}).get();
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(a->partition, b->partition);
  EXPECT_EQ(b->offset, 1);
}

TEST(ProducerTest, EveryCodecIsReadable) {
  for (auto codec : {CompressionType::kGzip, CompressionType::kSnappy,
                     CompressionType::kLz4, CompressionType::kZstd}) {
    FakeCluster cluster(1);
    cluster.AddTopic("t", 1);
    ProducerConfig config = Config(cluster);
    config.compression = codec;
    auto producer = Producer::Create(config).value();
    std::string value(3000, 'x');
    ASSERT_TRUE(producer->Send({.topic = "t", .value = value}).get().ok());
    EXPECT_EQ(cluster.Values({"t", 0}), std::vector<std::string>{value});
    EXPECT_LT(producer->Stats().bytes_sent, 1000u);
  }
}

TEST(ProducerTest, PassingErrorsAreRetriedInOrder) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.FailProduce({"t", 0}, ErrorCode::NOT_ENOUGH_REPLICAS, 3);
  ProducerConfig config = Config(cluster);
  config.max_in_flight = 1;
  config.batch_size = 200;
  auto producer = Producer::Create(config).value();
  std::vector<std::string> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back("value " + std::to_string(i));
    ASSERT_TRUE(producer->Send({.topic = "t", .value = sent.back()}, nullptr).ok());
  }
  ASSERT_TRUE(producer->Flush(kLong).ok());
  EXPECT_EQ(cluster.Values({"t", 0}), sent);
  EXPECT_EQ(producer->Stats().retries, 3u);
}

TEST(ProducerTest, FinalErrorsNamePartitionBrokerAndCode) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.FailProduce({"t", 0}, ErrorCode::MESSAGE_TOO_LARGE);
  auto producer = Producer::Create(Config(cluster)).value();
  auto sent = producer->Send({.topic = "t", .value = "x"}).get();
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(ErrorCodeOf(sent.status()), ErrorCode::MESSAGE_TOO_LARGE);
  std::string text(sent.status().message());
  EXPECT_NE(text.find("t-0 on broker 1"), std::string::npos) << text;
  EXPECT_EQ(producer->Stats().retries, 0u);
}

TEST(ProducerTest, FollowsALeaderThatMoves) {
  FakeCluster cluster(2);
  cluster.AddTopic("t", 1);
  auto producer = Producer::Create(Config(cluster)).value();
  ASSERT_TRUE(producer->Send({.topic = "t", .value = "a"}).get().ok());
  cluster.SetLeader({"t", 0}, 2);
  ASSERT_TRUE(producer->Send({.topic = "t", .value = "b"}).get().ok());
  EXPECT_EQ(cluster.Values({"t", 0}), (std::vector<std::string>{"a", "b"}));
}

TEST(ProducerTest, ABrokerThatDiesAndComesBackLosesNothing) {
  FakeCluster cluster(2);
  cluster.AddTopic("t", 2);
  auto producer = Producer::Create(Config(cluster)).value();
  ASSERT_TRUE(
      producer->Send({.topic = "t", .partition = 1, .value = "a"}).get().ok());
  cluster.StopBroker(2);
  auto pending = producer->Send({.topic = "t", .partition = 1, .value = "b"});
  auto other = producer->Send({.topic = "t", .partition = 0, .value = "c"});
  EXPECT_TRUE(other.get().ok());
  cluster.StartBroker(2);
  auto sent = pending.get();
  ASSERT_TRUE(sent.ok()) << sent.status();
  EXPECT_EQ(cluster.Values({"t", 1}), (std::vector<std::string>{"a", "b"}));
}

TEST(ProducerTest, AnAnswerThatIsLostMeansSentAgain) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.LoseProduceAnswers(1);
  auto producer = Producer::Create(Config(cluster)).value();
  ASSERT_TRUE(producer->Send({.topic = "t", .value = "a"}).get().ok());
  EXPECT_EQ(cluster.Values({"t", 0}), (std::vector<std::string>{"a", "a"}));
}

TEST(ProducerTest, AnUnreachableClusterIsOneClearLine) {
  ProducerConfig config;
  config.bootstrap_servers = {"127.0.0.1:1"};
  config.max_block_ms = 300;
  config.retry_backoff_ms = 5;
  auto producer = Producer::Create(config).value();
  auto sent = producer->Send({.topic = "t", .value = "x"}).get();
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(ErrorCodeOf(sent.status()), ErrorCode::NETWORK_EXCEPTION);
  EXPECT_EQ(std::string(sent.status().message()),
            "NETWORK_EXCEPTION: cannot reach the cluster at 127.0.0.1:1 "
            "(NETWORK_EXCEPTION: 127.0.0.1:1: connection refused)");
}

TEST(ProducerTest, DeliveryTimeoutEndsTheAttempts) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.FailProduce({"t", 0}, ErrorCode::NOT_ENOUGH_REPLICAS, 100'000);
  ProducerConfig config = Config(cluster);
  config.delivery_timeout_ms = 200;
  auto producer = Producer::Create(config).value();
  auto sent = producer->Send({.topic = "t", .value = "x"}).get();
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(ErrorCodeOf(sent.status()), ErrorCode::REQUEST_TIMED_OUT);
  EXPECT_NE(std::string(sent.status().message()).find("NOT_ENOUGH_REPLICAS"),
            std::string::npos);
}

TEST(ProducerTest, AFullBufferBlocksUntilAnswersCome) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.HoldProduce(true);
  ProducerConfig config = Config(cluster);
  config.buffer_memory = 20'000;
  config.batch_size = 5'000;
  config.max_block_ms = 100;
  auto producer = Producer::Create(config).value();
  std::string value(1000, 'v');
  absl::Status status;
  int accepted = 0;
  while (status.ok() && accepted < 1000) {
    status = producer->Send({.topic = "t", .value = value}, nullptr);
    if (status.ok()) ++accepted;
  }
  EXPECT_EQ(ErrorCodeOf(status), ErrorCode::REQUEST_TIMED_OUT);
  EXPECT_GT(accepted, 5);
  EXPECT_LT(accepted, 40);
  cluster.HoldProduce(false);
  ASSERT_TRUE(producer->Flush(kLong).ok());
  EXPECT_TRUE(producer->Send({.topic = "t", .value = value}).get().ok());
  EXPECT_EQ(cluster.Values({"t", 0}).size(), static_cast<size_t>(accepted) + 1);
}

TEST(ProducerTest, CloseFailsWhatIsNotAnswered) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.HoldProduce(true);
  auto producer = Producer::Create(Config(cluster)).value();
  auto sent = producer->Send({.topic = "t", .value = "x"});
  EXPECT_FALSE(producer->Close(absl::Milliseconds(50)).ok());
  EXPECT_FALSE(sent.get().ok());
  EXPECT_FALSE(producer->Send({.topic = "t", .value = "y"}).get().ok());
}

TEST(ProducerTest, AcksZeroNeedsNoAnswer) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  ProducerConfig config = Config(cluster);
  config.acks = 0;
  auto producer = Producer::Create(config).value();
  auto sent = producer->Send({.topic = "t", .value = "x"}).get();
  ASSERT_TRUE(sent.ok()) << sent.status();
  EXPECT_EQ(sent->offset, -1);
}

TEST(ProducerTest, AMissingTopicSaysSo) {
  FakeCluster cluster(1);
  ProducerConfig config = Config(cluster);
  config.max_block_ms = 100;
  auto producer = Producer::Create(config).value();
  auto sent = producer->Send({.topic = "nope", .value = "x"}).get();
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(ErrorCodeOf(sent.status()), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
  cluster.SetAutoCreate(true);
  EXPECT_TRUE(producer->Send({.topic = "made", .value = "x"}).get().ok());
  EXPECT_TRUE(cluster.HasTopic("made"));
}

}  // namespace
}  // namespace sillok::client
