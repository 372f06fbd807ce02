// A cluster of real processes for a test, and a load that knows what must be
// there afterwards.
#ifndef SILLOK_TEST_CLUSTER_CLUSTER_FIXTURE_H_
#define SILLOK_TEST_CLUSTER_CLUSTER_FIXTURE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/admin.h"
#include "client/consumer.h"
#include "client/producer.h"
#include "gtest/gtest.h"
#include "tools/dev_cluster.h"

namespace sillok::cluster_test {

// Polls until `done`; false after `seconds`.
bool Eventually(int seconds, const std::function<bool()>& done);

class ClusterTest : public testing::Test {
 protected:
  // Starts processes in the test's temporary folder, on free ports.
  // `before_start` sees the folders made and nothing running.
  void StartCluster(tools::DevClusterSpec spec = {},
                    const std::function<void()>& before_start = nullptr);
  void TearDown() override;

  tools::DevNode Node(const std::string& name) {
    return *cluster_->FindNode(name);
  }
  void Kill(const std::string& name);
  void StartAgain(const std::string& name);
  // coordinator-N that leads now; "" = none answered so.
  std::string CoordinatorLeader();

  std::unique_ptr<client::Admin> NewAdmin();
  client::ProducerConfig ProducerConfig();
  client::ConsumerConfig ConsumerConfig(const std::string& group);
  void CreateTopic(const std::string& name, int partitions, int replicas,
                   std::map<std::string, std::string> configs = {});
  // The broker that leads the partition, -1 = none.
  int LeaderOf(const std::string& topic, int partition);
  // Every partition of the topic has a leader and a full ISR.
  bool FullyReplicated(const std::string& topic);
  // All records of the topic, read by a consumer without a group.
  std::vector<std::pair<std::string, std::string>> ReadAll(
      const std::string& topic);

  std::optional<tools::DevCluster> cluster_;
};

// Keyed records with rising numbers, acks=all, one request in flight, so that
// every key's records stand in the log in the order sent.
class Load {
 public:
  Load(client::ProducerConfig config, std::string topic, int keys);
  ~Load();
  // Stops sending and waits for the last answers.
  void Stop();

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t failed() const { return failed_; }
  // Key -> numbers that were acknowledged.
  std::map<int, std::set<int64_t>> Acknowledged() const;
  // The longest time between two acknowledgements since the last call.
  int64_t TakeLongestPauseMs();

 private:
  void Run();

  std::string topic_;
  int keys_;
  std::unique_ptr<client::Producer> producer_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<uint64_t> failed_{0};
  mutable std::mutex mutex_;
  std::map<int, std::set<int64_t>> numbers_;
  int64_t last_ack_ms_;
  int64_t longest_pause_ms_ = 0;
  std::thread thread_;
};

// A member of a group that reads the load, commits, and checks what it sees.
class Reader {
 public:
  Reader(client::ConsumerConfig config, std::string topic);
  ~Reader();
  void Stop();

  uint64_t records() const { return records_; }
  std::map<int, std::set<int64_t>> Seen() const;
  // The newest commit that was acknowledged, by partition.
  std::map<int, int64_t> Committed() const;
  // What went wrong; empty is good.
  std::vector<std::string> Violations() const;

 private:
  void Run();
  void Check(const client::ConsumerRecord& record);

  std::string topic_;
  std::unique_ptr<client::Consumer> consumer_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> records_{0};
  mutable std::mutex mutex_;
  std::map<int, std::set<int64_t>> seen_;
  std::map<int, int64_t> next_offset_;  // by partition, of this assignment
  std::map<std::pair<int, int64_t>, std::string> by_offset_;
  std::map<int, int64_t> committed_;
  std::vector<std::string> violations_;
  std::thread thread_;
};

}  // namespace sillok::cluster_test

#endif  // SILLOK_TEST_CLUSTER_CLUSTER_FIXTURE_H_
