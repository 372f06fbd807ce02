// Brokers are stopped in order and started again under a steady load.

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <thread>

#include "base/clock.h"
#include "test/cluster/cluster_fixture.h"
#include "test/cluster/run_command.h"

namespace sillok::cluster_test {
namespace {

constexpr char kTopic[] = "orders";
// So long that a pause as short as we ask for cannot come of an expired session:
// only a leadership that was handed over makes it.
constexpr int64_t kSessionTimeoutMs = 20'000;
constexpr int64_t kLongestPauseMs = 8'000;

// Asks for metadata all the time and remembers for how long a partition was
// without a leader.
class LeaderWatch {
 public:
  LeaderWatch(std::unique_ptr<client::Admin> admin, std::string topic)
      : admin_(std::move(admin)), topic_(std::move(topic)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~LeaderWatch() {
    stopping_ = true;
    thread_.join();
  }
  int64_t TakeLongestMs() { return longest_ms_.exchange(0); }

 private:
  void Run() {
    std::map<int32_t, int64_t> without_since;
    while (!stopping_) {
      auto topics = admin_->DescribeTopics({topic_});
      int64_t now = Clock::Real().MonotonicMs();
      if (topics.ok() && (*topics)[0].status.ok()) {
        for (const client::PartitionInfo& info : (*topics)[0].partitions) {
          if (info.leader >= 0) {
            without_since.erase(info.partition);
            continue;
          }
          int64_t since = without_since.emplace(info.partition, now).first->second;
          longest_ms_ = std::max<int64_t>(longest_ms_, now - since);
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  std::unique_ptr<client::Admin> admin_;
  std::string topic_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> longest_ms_{0};
  std::thread thread_;
};

class RestartTest : public ClusterTest {
 protected:
  // What the node has logged since `from`.
  std::string LogSince(const tools::DevNode& node, size_t from) {
    return ReadWholeFile(node.log_path()).substr(from);
  }
};

TEST_F(RestartTest, ARollingRestartFailsNoSendAndScansNoLog) {
  tools::DevClusterSpec spec;
  spec.broker_sets = {"zookeeper.session.timeout.ms=" +
                      std::to_string(kSessionTimeoutMs)};
  StartCluster(spec);
  CreateTopic(kTopic, 6, 3, {{"min.insync.replicas", "2"}});
  Load load(ProducerConfig(), kTopic, 12);
  LeaderWatch watch(NewAdmin(), kTopic);
  auto progress = [&](uint64_t more) {
    uint64_t goal = load.acknowledged() + more;
    ASSERT_TRUE(Eventually(60, [&] { return load.acknowledged() >= goal; }))
        << "acknowledged " << load.acknowledged() << " of " << goal;
  };
  progress(1000);

  for (int id = 1; id <= 3; ++id) {
    tools::DevNode node = Node("broker-" + std::to_string(id));
    SCOPED_TRACE(node.name());
    std::string marker = node.data_path() + "/.kafka_cleanshutdown";
    EXPECT_FALSE(std::filesystem::exists(marker)) << "while it runs";
    load.TakeLongestPauseMs();
    watch.TakeLongestMs();
    ASSERT_TRUE(cluster_->SignalNode(node, SIGTERM).ok());
    absl::Status gone = cluster_->AwaitExit(node, 20);
    ASSERT_TRUE(gone.ok()) << gone;
    EXPECT_TRUE(std::filesystem::exists(marker));
    std::string log = LogSince(node, 0);
    EXPECT_NE(log.find("controlled shutdown: partitions still led=0"),
              std::string::npos);
    progress(1000);
    for (int partition = 0; partition < 6; ++partition) {
      int leader = LeaderOf(kTopic, partition);
      EXPECT_GE(leader, 0) << "partition " << partition;
      EXPECT_NE(leader, id) << "partition " << partition;
    }
    int64_t pause = load.TakeLongestPauseMs();
    int64_t leaderless = watch.TakeLongestMs();
    std::cout << "stopped " << node.name() << ": longest pause between "
              << "acknowledgements " << pause << " ms, longest time without a "
              << "leader " << leaderless << " ms" << std::endl;
    EXPECT_LT(pause, kLongestPauseMs);
    EXPECT_LT(leaderless, kLongestPauseMs);

    size_t before = ReadWholeFile(node.log_path()).size();
    StartAgain(node.name());
    std::string started = LogSince(node, before);
    EXPECT_NE(started.find("last end=clean"), std::string::npos) << started;
    // A batch that no follower had when it stopped leading may go, and was not
    // acknowledged: that is no scan.
    for (const char* scan : {"is read again", "torn write"}) {
      EXPECT_EQ(started.find(scan), std::string::npos) << scan;
    }
    ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
    pause = load.TakeLongestPauseMs();
    std::cout << "started it again: longest pause " << pause << " ms"
              << std::endl;
    EXPECT_LT(pause, kLongestPauseMs);
  }

  load.Stop();
  EXPECT_EQ(load.failed(), 0u);
  std::map<int, std::set<int64_t>> kept;
  for (const auto& [key, value] : ReadAll(kTopic)) {
    kept[std::stoi(key)].insert(std::stoll(value.substr(value.find(':') + 1)));
  }
  EXPECT_EQ(kept, load.Acknowledged());
}

TEST_F(RestartTest, AfterAllHaveStoppedInOrderEverythingIsThere) {
  StartCluster();
  CreateTopic(kTopic, 3, 3, {{"min.insync.replicas", "2"}});
  std::map<int, std::set<int64_t>> acknowledged;
  {
    Load load(ProducerConfig(), kTopic, 12);
    ASSERT_TRUE(
        Eventually(60, [&] { return load.acknowledged() >= 2000; }));
    load.Stop();
    EXPECT_EQ(load.failed(), 0u);
    acknowledged = load.Acknowledged();
  }
  // SIGTERM to all at once: the last ones find nobody to hand over to.
  for (const tools::DevNode& node : cluster_->nodes()) {
    ASSERT_TRUE(cluster_->SignalNode(node, SIGTERM).ok());
  }
  for (const tools::DevNode& node : cluster_->nodes()) {
    absl::Status gone = cluster_->AwaitExit(node, 40);
    ASSERT_TRUE(gone.ok()) << gone;
  }
  absl::Status up = cluster_->Up([](const std::string&) {});
  ASSERT_TRUE(up.ok()) << up;
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
  std::map<int, std::set<int64_t>> kept;
  for (const auto& [key, value] : ReadAll(kTopic)) {
    kept[std::stoi(key)].insert(std::stoll(value.substr(value.find(':') + 1)));
  }
  EXPECT_EQ(kept, acknowledged);
}

}  // namespace
}  // namespace sillok::cluster_test
