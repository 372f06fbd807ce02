#include "client/consumer.h"

#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "gtest/gtest.h"
#include "proto/record/record_batch.h"
#include "test/support/fake_broker.h"

namespace sillok::client {
namespace {

using test::FakeCluster;

ConsumerConfig Config(const FakeCluster& cluster) {
  ConsumerConfig config;
  config.bootstrap_servers = cluster.addresses();
  config.auto_offset_reset = OffsetReset::kEarliest;
  config.retry_backoff_ms = 5;
  config.retry_backoff_max_ms = 20;
  config.heartbeat_interval_ms = 20;
  config.fetch_max_wait_ms = 50;
  config.default_api_timeout_ms = 20'000;
  return config;
}

ConsumerConfig GroupConfig(const FakeCluster& cluster) {
  ConsumerConfig config = Config(cluster);
  config.group_id = "g";
  return config;
}

// Polls until `count` values came (or a long time has passed).
std::vector<std::string> Take(Consumer* consumer, size_t count) {
  std::vector<std::string> values;
  absl::Time end = absl::Now() + absl::Seconds(30);
  while (values.size() < count && absl::Now() < end) {
    auto records = consumer->Poll(absl::Seconds(1));
    EXPECT_TRUE(records.ok()) << records.status();
    if (!records.ok()) break;
    for (const ConsumerRecord& record : *records) {
      values.emplace_back(record.value.value_or("(null)"));
    }
  }
  return values;
}

template <typename Condition>
bool PollUntil(Consumer* consumer, const Condition& condition) {
  absl::Time end = absl::Now() + absl::Seconds(30);
  while (!condition() && absl::Now() < end) {
    (void)consumer->Poll(absl::Milliseconds(20));
  }
  return condition();
}

std::vector<std::string> Numbers(int from, int to) {
  std::vector<std::string> values;
  for (int i = from; i < to; ++i) values.push_back(std::to_string(i));
  return values;
}

TEST(ConsumerTest, ReadsWhatIsThereAndWhatComes) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.Append({"t", 0}, Numbers(0, 1200));
  auto consumer = Consumer::Create(Config(cluster)).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  EXPECT_EQ(Take(consumer.get(), 1200), Numbers(0, 1200));
  cluster.Append({"t", 0}, Numbers(1200, 1210));
  EXPECT_EQ(Take(consumer.get(), 10), Numbers(1200, 1210));
  EXPECT_EQ(consumer->Position({"t", 0}).value(), 1210);
  EXPECT_EQ(consumer->HighWatermark({"t", 0}), 1210);
}

TEST(ConsumerTest, OnePollGivesAtMostMaxPollRecordsAndLosesNone) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.Append({"t", 0}, Numbers(0, 25));
  ConsumerConfig config = Config(cluster);
  config.max_poll_records = 10;
  auto consumer = Consumer::Create(config).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  std::vector<size_t> sizes;
  std::vector<std::string> all;
  while (all.size() < 25) {
    auto records = consumer->Poll(absl::Seconds(5));
    ASSERT_TRUE(records.ok() && !records->empty());
    sizes.push_back(records->size());
    for (const auto& record : *records) all.emplace_back(*record.value);
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{10, 10, 5}));
  EXPECT_EQ(all, Numbers(0, 25));
}

TEST(ConsumerTest, CompressedRecordsKeysHeadersAndNullsComeOutAsTheyWere) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  record::BatchOptions options;
  options.codec = record::Codec::kLz4;
  record::BatchBuilder builder(options);
  builder.Append(5, "key", std::nullopt, {{"h", "v"}, {"n", std::nullopt}});
  builder.Append(6, std::nullopt, std::string(5000, 'z'));
  cluster.AppendBatch({"t", 0}, builder.Build().value());
  auto consumer = Consumer::Create(Config(cluster)).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  auto records = consumer->Poll(absl::Seconds(20)).value();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].key, "key");
  EXPECT_FALSE(records[0].value.has_value());
  EXPECT_EQ(records[0].timestamp_ms, 5);
  auto headers = records[0].Headers();
  ASSERT_EQ(headers.size(), 2u);
  EXPECT_EQ(headers[0].second, "v");
  EXPECT_FALSE(headers[1].second.has_value());
  EXPECT_EQ(records[1].value->size(), 5000u);
}

TEST(ConsumerTest, SeekPauseAndResume) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.Append({"t", 0}, Numbers(0, 100));
  auto consumer = Consumer::Create(Config(cluster)).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  ASSERT_TRUE(consumer->Seek({"t", 0}, 95).ok());
  EXPECT_EQ(Take(consumer.get(), 5), Numbers(95, 100));
  consumer->Pause({{"t", 0}});
  ASSERT_TRUE(consumer->SeekToBeginning({{"t", 0}}).ok());
  EXPECT_TRUE(consumer->Poll(absl::Milliseconds(100)).value().empty());
  consumer->Resume({{"t", 0}});
  EXPECT_EQ(Take(consumer.get(), 100), Numbers(0, 100));
  EXPECT_FALSE(consumer->Seek({"t", 7}, 0).ok());
}

TEST(ConsumerTest, FollowsALeaderThatMoves) {
  FakeCluster cluster(2);
  cluster.AddTopic("t", 1);
  cluster.Append({"t", 0}, Numbers(0, 5));
  auto consumer = Consumer::Create(Config(cluster)).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  EXPECT_EQ(Take(consumer.get(), 5), Numbers(0, 5));
  cluster.SetLeader({"t", 0}, 2);
  cluster.Append({"t", 0}, Numbers(5, 10));
  EXPECT_EQ(Take(consumer.get(), 5), Numbers(5, 10));
  cluster.StopBroker(2);
  cluster.SetLeader({"t", 0}, 1);
  cluster.Append({"t", 0}, Numbers(10, 15));
  EXPECT_EQ(Take(consumer.get(), 5), Numbers(10, 15));
}

TEST(ConsumerTest, AnOffsetThatIsGoneFollowsTheResetRule) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  for (int i = 0; i < 10; ++i) cluster.Append({"t", 0}, {std::to_string(i)});
  cluster.TrimTo({"t", 0}, 5);
  auto earliest = Consumer::Create(Config(cluster)).value();
  ASSERT_TRUE(earliest->Assign({{"t", 0}}).ok());
  ASSERT_TRUE(earliest->Seek({"t", 0}, 2).ok());
  EXPECT_EQ(Take(earliest.get(), 5), Numbers(5, 10));
  ConsumerConfig config = Config(cluster);
  config.auto_offset_reset = OffsetReset::kNone;
  auto none = Consumer::Create(config).value();
  ASSERT_TRUE(none->Assign({{"t", 0}}).ok());
  ASSERT_TRUE(none->Seek({"t", 0}, 2).ok());
  auto records = none->Poll(absl::Seconds(20));
  ASSERT_FALSE(records.ok());
  EXPECT_EQ(ErrorCodeOf(records.status()), ErrorCode::OFFSET_OUT_OF_RANGE);
  ASSERT_TRUE(none->Seek({"t", 0}, 9).ok());
  EXPECT_EQ(Take(none.get(), 1), Numbers(9, 10));
}

TEST(ConsumerTest, ADamagedBatchIsReportedAndCanBeSkipped) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.Append({"t", 0}, Numbers(0, 2));
  cluster.Append({"t", 0}, Numbers(2, 4));
  cluster.Corrupt({"t", 0});
  cluster.Append({"t", 0}, Numbers(4, 6));
  auto consumer = Consumer::Create(Config(cluster)).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  EXPECT_EQ(Take(consumer.get(), 2), Numbers(0, 2));
  auto records = consumer->Poll(absl::Seconds(20));
  ASSERT_FALSE(records.ok());
  EXPECT_EQ(ErrorCodeOf(records.status()), ErrorCode::CORRUPT_MESSAGE);
  EXPECT_NE(std::string(records.status().message()).find("t-0 offset 2"),
            std::string::npos)
      << records.status();
  ASSERT_TRUE(consumer->Seek({"t", 0}, 4).ok());
  EXPECT_EQ(Take(consumer.get(), 2), Numbers(4, 6));
}

TEST(ConsumerTest, AGroupOfOneGetsEverythingAndItsCommitsLast) {
  FakeCluster cluster(2);
  cluster.AddTopic("t", 3);
  for (int p = 0; p < 3; ++p) cluster.Append({"t", p}, Numbers(p * 10, p * 10 + 10));
  {
    auto consumer = Consumer::Create(GroupConfig(cluster)).value();
    ASSERT_TRUE(consumer->Subscribe({"t"}).ok());
    EXPECT_EQ(Take(consumer.get(), 30).size(), 30u);
    EXPECT_EQ(consumer->Assignment().size(), 3u);
    ASSERT_TRUE(consumer->CommitSync().ok());
    EXPECT_EQ(cluster.Committed("g", {"t", 2}), 10);
  }
  EXPECT_EQ(cluster.Members("g"), 0);
  cluster.Append({"t", 1}, {"new"});
  auto again = Consumer::Create(GroupConfig(cluster)).value();
  ASSERT_TRUE(again->Subscribe({"t"}).ok());
  EXPECT_EQ(Take(again.get(), 1), std::vector<std::string>{"new"});
}

struct Recorder : RebalanceListener {
  void OnAssigned(const std::vector<TopicPartition>& p) override {
    log.push_back("assigned " + std::to_string(p.size()));
  }
  void OnRevoked(const std::vector<TopicPartition>& p) override {
    log.push_back("revoked " + std::to_string(p.size()));
  }
  void OnLost(const std::vector<TopicPartition>& p) override {
    log.push_back("lost " + std::to_string(p.size()));
  }
  std::vector<std::string> log;
};

TEST(ConsumerTest, TwoMembersShareAndTheOneLeftTakesOver) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 4);
  Recorder listener;
  auto a = Consumer::Create(GroupConfig(cluster)).value();
  ASSERT_TRUE(a->Subscribe({"t"}, &listener).ok());
  ASSERT_TRUE(PollUntil(a.get(), [&] { return a->Assignment().size() == 4; }));
  auto b = Consumer::Create(GroupConfig(cluster)).value();
  ASSERT_TRUE(b->Subscribe({"t"}).ok());
  ASSERT_TRUE(PollUntil(a.get(), [&] {
    (void)b->Poll(absl::Milliseconds(20));
    return a->Assignment().size() == 2 && b->Assignment().size() == 2;
  }));
  ASSERT_TRUE(b->Close(absl::Seconds(10)).ok());
  ASSERT_TRUE(PollUntil(a.get(), [&] { return a->Assignment().size() == 4; }));
  EXPECT_EQ(listener.log,
            (std::vector<std::string>{"assigned 4", "revoked 4", "assigned 2",
                                      "revoked 2", "assigned 4"}));
}

TEST(ConsumerTest, AMemberThatIsThrownOutLosesItsPartitionsAndJoinsAgain) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 2);
  Recorder listener;
  auto consumer = Consumer::Create(GroupConfig(cluster)).value();
  ASSERT_TRUE(consumer->Subscribe({"t"}, &listener).ok());
  ASSERT_TRUE(PollUntil(consumer.get(),
                        [&] { return consumer->Assignment().size() == 2; }));
  cluster.ExpireMembers("g");
  ASSERT_TRUE(
      PollUntil(consumer.get(), [&] { return listener.log.size() == 3; }));
  EXPECT_EQ(listener.log, (std::vector<std::string>{"assigned 2", "lost 2",
                                                    "assigned 2"}));
}

TEST(ConsumerTest, TheGroupSurvivesACoordinatorThatMovesOrLoads) {
  FakeCluster cluster(2);
  cluster.AddTopic("t", 1);
  cluster.Append({"t", 0}, Numbers(0, 3));
  cluster.FailGroup("g", ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, 3);
  auto consumer = Consumer::Create(GroupConfig(cluster)).value();
  ASSERT_TRUE(consumer->Subscribe({"t"}).ok());
  EXPECT_EQ(Take(consumer.get(), 3), Numbers(0, 3));
  cluster.MoveCoordinator(2);
  EXPECT_TRUE(consumer->CommitSync().ok());
  EXPECT_EQ(cluster.Committed("g", {"t", 0}), 3);
}

TEST(ConsumerTest, AutoCommitSavesWhatEarlierPollsReturned) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  cluster.Append({"t", 0}, Numbers(0, 7));
  ConsumerConfig config = GroupConfig(cluster);
  config.auto_commit_interval_ms = 1;
  auto consumer = Consumer::Create(config).value();
  ASSERT_TRUE(consumer->Subscribe({"t"}).ok());
  EXPECT_EQ(Take(consumer.get(), 7).size(), 7u);
  EXPECT_TRUE(PollUntil(consumer.get(), [&] {
    return cluster.Committed("g", {"t", 0}) == 7;
  }));
}

TEST(ConsumerTest, CommitAsyncTellsInsideALaterPoll) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  auto consumer = Consumer::Create(GroupConfig(cluster)).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  std::vector<absl::Status> answers;
  std::thread::id where;
  consumer->CommitAsync({{{"t", 0}, {42, -1, ""}}},
                        [&](const absl::Status& status) {
                          answers.push_back(status);
                          where = std::this_thread::get_id();
                        });
  ASSERT_TRUE(PollUntil(consumer.get(), [&] { return !answers.empty(); }));
  EXPECT_TRUE(answers[0].ok()) << answers[0];
  EXPECT_EQ(where, std::this_thread::get_id());
  EXPECT_EQ(consumer->Committed({{"t", 0}}).value().at({"t", 0}).offset, 42);
}

TEST(ConsumerTest, OffsetsForTimesAndPartitions) {
  FakeCluster cluster(2);
  cluster.AddTopic("t", 2);
  record::BatchBuilder builder;
  for (int i = 0; i < 5; ++i) builder.Append(100 + i, std::nullopt, "x");
  cluster.AppendBatch({"t", 1}, builder.Build().value());
  auto consumer = Consumer::Create(Config(cluster)).value();
  EXPECT_EQ(consumer->Partitions("t").value(), (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(ErrorCodeOf(consumer->Partitions("none").status()),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
  auto offsets = consumer
                     ->OffsetsForTimes({{{"t", 1}, 103},
                                        {{"t", 0}, kLatestTimestamp}})
                     .value();
  EXPECT_EQ(offsets.at({"t", 1}).offset, 3);
  EXPECT_EQ(offsets.at({"t", 0}).offset, 0);
}

TEST(ConsumerTest, ALogThatAnElectionCutIsReadFromWhereItParted) {
  FakeCluster cluster(2);
  cluster.AddTopic("t", 1);
  cluster.Append({"t", 0}, Numbers(0, 5));
  cluster.Append({"t", 0}, Numbers(5, 10));
  ConsumerConfig config = Config(cluster);
  config.auto_offset_reset = OffsetReset::kNone;
  auto strict = Consumer::Create(config).value();
  ASSERT_TRUE(strict->Assign({{"t", 0}}).ok());
  ASSERT_TRUE(strict->Seek({"t", 0}, 0).ok());
  auto lenient = Consumer::Create(Config(cluster)).value();
  ASSERT_TRUE(lenient->Assign({{"t", 0}}).ok());
  EXPECT_EQ(Take(strict.get(), 10), Numbers(0, 10));
  EXPECT_EQ(Take(lenient.get(), 10), Numbers(0, 10));
  cluster.ElectUnclean({"t", 0}, 2, 5);
  cluster.Append({"t", 0}, Numbers(100, 110));
  EXPECT_EQ(Take(lenient.get(), 10), Numbers(100, 110));
  EXPECT_EQ(lenient->Stats().truncations, 1u);
  absl::StatusOr<ConsumerRecords> records = ConsumerRecords();
  ASSERT_TRUE(PollUntil(strict.get(), [&] {
    records = strict->Poll(absl::Milliseconds(20));
    return !records.ok();
  }));
  EXPECT_EQ(ErrorCodeOf(records.status()), ErrorCode::OFFSET_OUT_OF_RANGE);
  ASSERT_TRUE(strict->Seek({"t", 0}, 5).ok());
  EXPECT_EQ(Take(strict.get(), 10), Numbers(100, 110));
}

TEST(ConsumerTest, CooperativeMembersKeepWhatStaysWithThem) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 4);
  ConsumerConfig config = GroupConfig(cluster);
  config.assignors = {"cooperative-sticky"};
  Recorder mine;
  Recorder theirs;
  auto a = Consumer::Create(config).value();
  ASSERT_TRUE(a->Subscribe({"t"}, &mine).ok());
  ASSERT_TRUE(PollUntil(a.get(), [&] { return a->Assignment().size() == 4; }));
  auto b = Consumer::Create(config).value();
  ASSERT_TRUE(b->Subscribe({"t"}, &theirs).ok());
  ASSERT_TRUE(PollUntil(a.get(), [&] {
    (void)b->Poll(absl::Milliseconds(20));
    return a->Assignment().size() == 2 && b->Assignment().size() == 2;
  }));
  ASSERT_TRUE(b->Close(absl::Seconds(10)).ok());
  ASSERT_TRUE(PollUntil(a.get(), [&] { return a->Assignment().size() == 4; }));
  // Each rebalance ends with an assignment of what is new, maybe nothing.
  std::erase(mine.log, "assigned 0");
  std::erase(theirs.log, "assigned 0");
  EXPECT_EQ(mine.log, (std::vector<std::string>{"assigned 4", "revoked 2",
                                                "assigned 2"}));
  EXPECT_EQ(theirs.log, (std::vector<std::string>{"assigned 2"}));
}

TEST(ConsumerTest, APatternFollowsTheTopicsThatMatchIt) {
  FakeCluster cluster(1);
  cluster.AddTopic("orders-eu", 1);
  cluster.AddTopic("orders", 1);
  ConsumerConfig config = GroupConfig(cluster);
  config.metadata_max_age_ms = 50;
  auto consumer = Consumer::Create(config).value();
  EXPECT_EQ(ErrorCodeOf(consumer->SubscribePattern("orders-(")),
            ErrorCode::INVALID_REGULAR_EXPRESSION);
  ASSERT_TRUE(consumer->SubscribePattern("orders-.*").ok());
  ASSERT_TRUE(PollUntil(consumer.get(),
                        [&] { return consumer->Assignment().size() == 1; }));
  EXPECT_EQ(consumer->Assignment()[0].topic, "orders-eu");
  cluster.AddTopic("orders-us", 1);
  EXPECT_TRUE(PollUntil(consumer.get(),
                        [&] { return consumer->Assignment().size() == 2; }));
}

TEST(ConsumerTest, LagAndPauseAreTold) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 2);
  cluster.Append({"t", 0}, Numbers(0, 30));
  cluster.Append({"t", 1}, Numbers(0, 5));
  ConsumerConfig config = Config(cluster);
  config.max_poll_records = 5;
  auto consumer = Consumer::Create(config).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}, {"t", 1}}).ok());
  consumer->Pause({{"t", 1}});
  EXPECT_EQ(consumer->Paused(), (std::vector<TopicPartition>{{"t", 1}}));
  EXPECT_EQ(Take(consumer.get(), 5), Numbers(0, 5));
  EXPECT_EQ(consumer->CurrentLag({"t", 0}), 25);
  EXPECT_EQ(consumer->Stats().records_lag_max, 25);
  EXPECT_EQ(Take(consumer.get(), 25), Numbers(5, 30));
  EXPECT_EQ(consumer->Stats().records_lag.at({"t", 0}), 0);
}

TEST(ConsumerTest, APollThatIsTooLateLosesThePartitionsAndJoinsAgain) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 2);
  ConsumerConfig config = GroupConfig(cluster);
  config.max_poll_interval_ms = 150;
  Recorder listener;
  auto consumer = Consumer::Create(config).value();
  ASSERT_TRUE(consumer->Subscribe({"t"}, &listener).ok());
  ASSERT_TRUE(PollUntil(consumer.get(),
                        [&] { return consumer->Assignment().size() == 2; }));
  absl::Time end = absl::Now() + absl::Seconds(30);
  while (cluster.Members("g") != 0 && absl::Now() < end) {
    std::this_thread::yield();  // an application that is busy elsewhere
  }
  ASSERT_EQ(cluster.Members("g"), 0);
  EXPECT_NE(std::string(consumer->LastProblem().message())
                .find("max.poll.interval.ms=150"),
            std::string::npos)
      << consumer->LastProblem();
  ASSERT_TRUE(
      PollUntil(consumer.get(), [&] { return listener.log.size() == 3; }));
  EXPECT_EQ(listener.log, (std::vector<std::string>{"assigned 2", "lost 2",
                                                    "assigned 2"}));
}

TEST(ConsumerTest, AnUnreachableClusterIsToldAndPollStaysQuiet) {
  ConsumerConfig config;
  config.bootstrap_servers = {"127.0.0.1:1"};
  config.default_api_timeout_ms = 200;
  config.retry_backoff_ms = 5;
  auto consumer = Consumer::Create(config).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  ASSERT_TRUE(PollUntil(consumer.get(),
                        [&] { return !consumer->LastProblem().ok(); }));
  EXPECT_EQ(ErrorCodeOf(consumer->LastProblem()),
            ErrorCode::NETWORK_EXCEPTION);
  EXPECT_EQ(ErrorCodeOf(consumer->Partitions("t").status()),
            ErrorCode::NETWORK_EXCEPTION);
}

TEST(ConsumerTest, WakeupEndsAPoll) {
  FakeCluster cluster(1);
  cluster.AddTopic("t", 1);
  auto consumer = Consumer::Create(Config(cluster)).value();
  ASSERT_TRUE(consumer->Assign({{"t", 0}}).ok());
  std::thread waker([&] { consumer->Wakeup(); });
  EXPECT_TRUE(consumer->Poll(absl::Minutes(10)).value().empty());
  waker.join();
}

TEST(ConsumerTest, SubscribeNeedsAGroup) {
  FakeCluster cluster(1);
  auto consumer = Consumer::Create(Config(cluster)).value();
  EXPECT_EQ(ErrorCodeOf(consumer->Subscribe({"t"})),
            ErrorCode::INVALID_GROUP_ID);
}

}  // namespace
}  // namespace sillok::client
