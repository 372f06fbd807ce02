// An idempotent producer with five requests in flight, while the brokers it
// writes to are killed and paused: every record once and in order.

#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "test/cluster/cluster_fixture.h"

namespace sillok::cluster_test {
namespace {

constexpr char kTopic[] = "payments";
constexpr int kPartitions = 4;

// Sends 0, 1, 2, ... to each partition, many at a time.
class Sender {
 public:
  explicit Sender(const client::ProducerConfig& config)
      : producer_(client::Producer::Create(config).value()),
        thread_([this] { Run(); }) {}
  ~Sender() { Stop(); }

  void Stop() {
    stopping_ = true;
    if (!thread_.joinable()) return;
    thread_.join();
    closed_ = producer_->Close(absl::Seconds(120));
  }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t retries() const { return producer_->Stats().retries; }
  // Per partition; after Stop.
  const std::vector<int64_t>& sent() const { return sent_; }
  const absl::Status& closed() const { return closed_; }
  std::vector<std::string> Failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  static constexpr int kMostOnTheWay = 600;

  void Run() {
    while (!stopping_) {
      for (int p = 0; p < kPartitions; ++p) {
        std::unique_lock lock(mutex_);
        answered_.wait(lock, [&] { return on_the_way_ < kMostOnTheWay; });
        ++on_the_way_;
        lock.unlock();
        const std::string key = std::to_string(p);
        const std::string value = std::to_string(sent_[p]++);
        (void)producer_->Send(
            {.topic = kTopic, .partition = p, .key = key, .value = value},
            [this](const absl::Status& status,
                   const client::RecordMetadata& metadata) {
              const std::lock_guard lock(mutex_);
              --on_the_way_;
              answered_.notify_all();
              if (status.ok()) {
                ++acknowledged_;
              } else {
                failures_.push_back(status.ToString());
              }
            });
      }
    }
  }

  std::unique_ptr<client::Producer> producer_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> acknowledged_{0};
  mutable std::mutex mutex_;
  std::condition_variable answered_;
  int on_the_way_ = 0;
  std::vector<std::string> failures_;
  std::vector<int64_t> sent_ = std::vector<int64_t>(kPartitions);
  absl::Status closed_;
  std::thread thread_;  // last: it uses the rest
};

class IdempotenceTest : public ClusterTest {
 protected:
  void AwaitProgress(const Sender& sender, uint64_t more) {
    const uint64_t goal = sender.acknowledged() + more;
    ASSERT_TRUE(Eventually(90, [&] { return sender.acknowledged() >= goal; }))
        << "acknowledged " << sender.acknowledged() << " of " << goal;
  }

  client::ProducerConfig Config() {
    client::ProducerConfig config = ProducerConfig();
    config.enable_idempotence = true;
    config.max_in_flight = 5;
    config.linger_ms = 0;
    config.batch_size = 1024;  // many small batches, to have many on the way
    config.request_timeout_ms = 5'000;
    return config;
  }

  void ExpectEachOnceAndInOrder(const Sender& sender) {
    std::vector<int64_t> next(kPartitions);
    for (const auto& [key, value] : ReadAll(kTopic)) {
      int64_t& expected = next[static_cast<size_t>(std::stoi(key))];
      ASSERT_EQ(std::stoll(value), expected) << "partition " << key;
      ++expected;
    }
    EXPECT_EQ(next, sender.sent());
  }
};

TEST_F(IdempotenceTest, EveryRecordIsThereOnceAndInOrderWhileLeadersDie) {
  StartCluster();
  CreateTopic(kTopic, kPartitions, 3,
              {{"min.insync.replicas", "2"}, {"segment.bytes", "262144"}});
  Sender sender(Config());
  ASSERT_NO_FATAL_FAILURE(AwaitProgress(sender, 2000));
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    const std::string leader =
        "broker-" + std::to_string(LeaderOf(kTopic, round % kPartitions));
    const bool pause = round % 3 == 2;
    if (pause) {
      // What is in its connections stays there until it goes on, and comes
      // then, beside the retries.
      ASSERT_TRUE(cluster_->SignalNode(Node(leader), SIGSTOP).ok());
    } else {
      Kill(leader);
    }
    ASSERT_NO_FATAL_FAILURE(AwaitProgress(sender, 3000));
    if (pause) {
      ASSERT_TRUE(cluster_->SignalNode(Node(leader), SIGCONT).ok());
    } else {
      StartAgain(leader);
    }
    ASSERT_TRUE(Eventually(90, [&] { return FullyReplicated(kTopic); }));
    ASSERT_NO_FATAL_FAILURE(AwaitProgress(sender, 1000));
  }
  const uint64_t retries = sender.retries();
  sender.Stop();
  EXPECT_TRUE(sender.closed().ok()) << sender.closed();
  for (const std::string& failure : sender.Failures()) ADD_FAILURE() << failure;
  EXPECT_GT(retries, 0u) << "nothing was tried";
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceAndInOrder(sender));
  std::cout << sender.acknowledged() << " records acknowledged, " << retries
            << " batches sent again" << std::endl;
}

// The last copy of what a broker knows of its producers is its own disk here.
TEST_F(IdempotenceTest, ARestartedBrokerKnowsTheRetriesOfBefore) {
  tools::DevClusterSpec spec;
  spec.brokers = 1;
  StartCluster(spec);
  CreateTopic(kTopic, kPartitions, 1, {{"segment.bytes", "65536"}});
  Sender sender(Config());
  for (int round = 0; round < 8; ++round) {
    SCOPED_TRACE(round);
    ASSERT_NO_FATAL_FAILURE(AwaitProgress(sender, 2000));
    if (round % 2 == 0) {
      Kill("broker-1");
    } else {
      ASSERT_TRUE(cluster_->SignalNode(Node("broker-1"), SIGTERM).ok());
      ASSERT_TRUE(cluster_->AwaitExit(Node("broker-1"), 30).ok());
    }
    StartAgain("broker-1");
  }
  ASSERT_NO_FATAL_FAILURE(AwaitProgress(sender, 2000));
  const uint64_t retries = sender.retries();
  sender.Stop();
  EXPECT_TRUE(sender.closed().ok()) << sender.closed();
  for (const std::string& failure : sender.Failures()) ADD_FAILURE() << failure;
  ASSERT_NO_FATAL_FAILURE(ExpectEachOnceAndInOrder(sender));
  std::cout << sender.acknowledged() << " records acknowledged, " << retries
            << " batches sent again" << std::endl;
}

}  // namespace
}  // namespace sillok::cluster_test
