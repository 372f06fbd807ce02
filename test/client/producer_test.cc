#include "client/producer.h"

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "base/error.h"
#include "client/interceptor.h"
#include "client/partitioner.h"
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

TEST(ProducerTest, ABatchWhoseAnswerIsLostIsThereOnce) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.LoseProduceAnswers(1);
  auto producer = Producer::Create(Config(cluster)).value();
  auto sent = producer->Send({.topic = "t", .value = "a"}).get();
  ASSERT_TRUE(sent.ok()) << sent.status();
  EXPECT_EQ(sent->offset, 0);
  EXPECT_EQ(producer->Stats().retries, 1u);
  EXPECT_EQ(cluster.Values({"t", 0}), (std::vector<std::string>{"a"}));
}

TEST(ProducerTest, WithoutIdempotenceALostAnswerMeansTwice) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.LoseProduceAnswers(1);
  ProducerConfig config = Config(cluster);
  config.enable_idempotence = false;
  auto producer = Producer::Create(config).value();
  ASSERT_TRUE(producer->Send({.topic = "t", .value = "a"}).get().ok());
  EXPECT_EQ(cluster.Values({"t", 0}), (std::vector<std::string>{"a", "a"}));
}

TEST(ProducerTest, ManyOnTheWayStayInOrderWhateverFails) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  ProducerConfig config = Config(cluster);
  config.batch_size = 200;
  auto producer = Producer::Create(config).value();
  std::vector<std::string> sent;
  for (int i = 0; i < 1000; ++i) {
    if (i % 100 == 10) {
      cluster.FailProduce({"t", 0}, ErrorCode::NOT_ENOUGH_REPLICAS, 2);
    }
    if (i % 250 == 50) cluster.LoseProduceAnswers(1);
    sent.push_back("value " + std::to_string(i));
    ASSERT_TRUE(
        producer->Send({.topic = "t", .value = sent.back()}, nullptr).ok());
    if (i % 50 == 49) {
      ASSERT_TRUE(producer->Flush(kLong).ok());
    }
  }
  ASSERT_TRUE(producer->Flush(kLong).ok());
  EXPECT_EQ(cluster.Values({"t", 0}), sent);
  EXPECT_GT(producer->Stats().retries, 5u);
}

TEST(ProducerTest, IdempotenceThatOtherSettingsRuleOutIsOneClearLine) {
  FakeCluster cluster(1);
  ProducerConfig config = Config(cluster);
  config.enable_idempotence = true;
  const auto refusal = [&config] {
    return std::string(Producer::Create(config).status().message());
  };
  config.acks = 1;
  EXPECT_EQ(refusal(),
            "INVALID_CONFIG: enable.idempotence=true needs acks=all, not "
            "acks=1");
  config.acks = -1;
  config.max_in_flight = 6;
  EXPECT_EQ(refusal(),
            "INVALID_CONFIG: enable.idempotence=true needs "
            "max.in.flight.requests.per.connection of at most 5, not 6");
  config.max_in_flight = 5;
  config.retries = 0;
  EXPECT_EQ(refusal(),
            "INVALID_CONFIG: enable.idempotence=true needs retries above 0");
  // Not asked for, it gives way.
  config.enable_idempotence.reset();
  EXPECT_FALSE(*config.Idempotent());
  config.retries = 1;
  EXPECT_TRUE(*config.Idempotent());
}

TEST(ProducerTest, AProducerIdIsAskedForUntilThereIsOne) {
  FakeCluster cluster(2);
  cluster.AddTopic("t", 1);
  cluster.FailProducerIds(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, 3);
  auto producer = Producer::Create(Config(cluster)).value();
  EXPECT_TRUE(producer->Send({.topic = "t", .value = "a"}).get().ok());
}

TEST(ProducerTest, BrokersWithoutProducerIdsAreToldApart) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.FailProducerIds(ErrorCode::NONE);
  auto producer = Producer::Create(Config(cluster)).value();
  for (int i = 0; i < 2; ++i) {
    auto sent = producer->Send({.topic = "t", .value = "a"}).get();
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(std::string(sent.status().message()),
              "UNSUPPORTED_VERSION: the brokers give no producer ids; set "
              "enable.idempotence=false");
  }
  EXPECT_EQ(cluster.EndOffset({"t", 0}), 0);
}

TEST(ProducerTest, RecordsThatWaitForAProducerIdRunOutOfTimeAndSayWhy) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.FailProducerIds(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, 100'000);
  ProducerConfig config = Config(cluster);
  config.delivery_timeout_ms = 200;
  auto producer = Producer::Create(config).value();
  auto sent = producer->Send({.topic = "t", .value = "a"}).get();
  ASSERT_FALSE(sent.ok());
  EXPECT_NE(std::string(sent.status().message()).find("no producer id"),
            std::string::npos)
      << sent.status();
}

TEST(ProducerTest, BatchesLargerThanTheTopicTakesAreSplit) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.SetMaxMessageBytes(3000);
  ProducerConfig config = Config(cluster);
  config.linger_ms = 50;
  auto producer = Producer::Create(config).value();
  std::vector<std::string> sent;
  std::vector<int64_t> offsets;
  for (int i = 0; i < 200; ++i) {
    sent.push_back(std::to_string(i) + std::string(500, '.'));
    ASSERT_TRUE(producer
                    ->Send({.topic = "t", .value = sent.back()},
                           [&](const absl::Status& status,
                               const RecordMetadata& metadata) {
                             EXPECT_TRUE(status.ok()) << status;
                             offsets.push_back(metadata.offset);
                           })
                    .ok());
  }
  auto large = producer->Send({.topic = "t", .value = std::string(4000, 'x')});
  sent.push_back("after");
  auto after = producer->Send({.topic = "t", .value = sent.back()});
  ASSERT_TRUE(producer->Flush(kLong).ok());
  EXPECT_EQ(cluster.Values({"t", 0}), sent);
  for (size_t i = 0; i < offsets.size(); ++i) {
    EXPECT_EQ(offsets[i], static_cast<int64_t>(i));
  }
  EXPECT_EQ(ErrorCodeOf(large.get().status()), ErrorCode::MESSAGE_TOO_LARGE);
  EXPECT_EQ(after.get()->offset, 200);
}

TEST(ProducerTest, TheApplicationsOwnPartitionerChooses) {
  struct LastDigit final : Partitioner {
    int32_t Choose(const ProducerRecord& record, int32_t partitions,
                   const std::vector<int32_t>&) override {
      return (record.value->back() - '0') % 100;
    }
  };
  FakeCluster cluster(1);
  cluster.AddTopic("t", 4);
  ProducerConfig config = Config(cluster);
  config.make_partitioner = [](const std::string& topic) {
    EXPECT_EQ(topic, "t");
    return std::make_unique<LastDigit>();
  };
  auto producer = Producer::Create(config).value();
  EXPECT_EQ(producer->Send({.topic = "t", .value = "a2"}).get()->partition, 2);
  EXPECT_EQ(producer->Send({.topic = "t", .value = "a0"}).get()->partition, 0);
  EXPECT_EQ(
      ErrorCodeOf(producer->Send({.topic = "t", .value = "a9"}).get().status()),
      ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

TEST(ProducerTest, InterceptorsSeeRecordsAndAnswersInTheirOrder) {
  struct Adds final : ProducerInterceptor {
    explicit Adds(std::string t, std::vector<std::string>* l)
        : text(std::move(t)), log(l) {}
    std::shared_ptr<const void> OnSend(ProducerRecord* record) override {
      auto value = std::make_shared<std::string>(*record->value);
      *value += text;
      record->value = *value;
      return value;
    }
    void OnAnswer(const std::string& topic, const absl::Status& status,
                  const RecordMetadata& metadata) override {
      log->push_back(text + " " + topic + " " +
                     std::to_string(metadata.offset) + " " +
                     (status.ok() ? "ok" : "failed"));
    }
    std::string text;
    std::vector<std::string>* log;
  };
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  std::vector<std::string> log;
  ProducerConfig config = Config(cluster);
  config.interceptors = {std::make_shared<Adds>("+1", &log),
                         std::make_shared<Adds>("+2", &log)};
  auto producer = Producer::Create(config).value();
  ASSERT_TRUE(producer->Send({.topic = "t", .value = "v"}).get().ok());
  EXPECT_EQ(cluster.Values({"t", 0}), std::vector<std::string>{"v+1+2"});
  EXPECT_EQ(log, (std::vector<std::string>{"+1 t 0 ok", "+2 t 0 ok"}));
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
