// The broker that coordinates a group is killed again and again while its members
// read and commit.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test/cluster/cluster_fixture.h"

namespace sillok::cluster_test {
namespace {

constexpr char kTopic[] = "orders";
constexpr char kGroup[] = "readers";
constexpr int kPartitions = 6;
constexpr int kMembers = 3;

// What the members of the group have done, together.
class Ledger {
 public:
  // `offset` was acknowledged as committed.
  void OnCommitted(int partition, int64_t offset) {
    std::lock_guard lock(mutex_);
    int64_t& newest = committed_[partition];
    newest = std::max(newest, offset);
  }
  std::map<int, int64_t> Committed() const {
    std::lock_guard lock(mutex_);
    return committed_;
  }
  int64_t Committed(int partition) const {
    std::lock_guard lock(mutex_);
    const auto found = committed_.find(partition);
    return found == committed_.end() ? 0 : found->second;
  }
  void OnRecord(int key, int64_t number) {
    std::lock_guard lock(mutex_);
    ++records_;
    if (!seen_[key].insert(number).second) ++repeated_;
  }
  size_t Missing(const std::map<int, std::set<int64_t>>& wanted) const {
    std::lock_guard lock(mutex_);
    size_t missing = 0;
    for (const auto& [key, numbers] : wanted) {
      const auto seen = seen_.find(key);
      for (const int64_t number : numbers) {
        missing += seen == seen_.end() || !seen->second.contains(number);
      }
    }
    return missing;
  }
  size_t records() const {
    std::lock_guard lock(mutex_);
    return records_;
  }
  size_t repeated() const {
    std::lock_guard lock(mutex_);
    return repeated_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<int, int64_t> committed_;
  std::map<int, std::set<int64_t>> seen_;
  size_t records_ = 0;
  size_t repeated_ = 0;
};

// One consumer of the group, on its own thread. What was committed before it was
// given a partition must not come to it again.
class Member final : public client::RebalanceListener {
 public:
  Member(client::ConsumerConfig config, Ledger* ledger) : ledger_(ledger) {
    config.enable_auto_commit = false;
    consumer_ = *client::Consumer::Create(config);
    thread_ = std::thread([this] { Run(); });
  }
  ~Member() override { Stop(); }
  void Stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // After Stop.
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  void OnAssigned(const std::vector<TopicPartition>& partitions) override {
    for (const TopicPartition& p : partitions) {
      next_.erase(p.partition);
      floor_[p.partition] = ledger_->Committed(p.partition);
    }
  }
  void OnRevoked(const std::vector<TopicPartition>& partitions) override {
    for (const TopicPartition& p : partitions) next_.erase(p.partition);
  }

  void Run() {
    (void)consumer_->Subscribe({kTopic}, this);
    while (!stopping_) {
      auto records = consumer_->Poll(absl::Milliseconds(50));
      if (!records.ok()) {
        violations_.push_back("poll: " + records.status().ToString());
        return;
      }
      for (const client::ConsumerRecord& record : *records) Take(record);
      if (!records->empty()) Commit();
    }
    (void)consumer_->Close(absl::Seconds(5));
  }

  void Take(const client::ConsumerRecord& record) {
    const auto next = next_.find(record.partition);
    if (next == next_.end()) {
      if (record.offset < floor_[record.partition]) {
        violations_.push_back(
            "partition " + std::to_string(record.partition) + " begins at " +
            std::to_string(record.offset) + ", committed was " +
            std::to_string(floor_[record.partition]));
      }
    } else if (record.offset != next->second) {
      violations_.push_back("offset " + std::to_string(record.offset) +
                            " comes instead of " +
                            std::to_string(next->second));
    }
    next_[record.partition] = record.offset + 1;
    const std::string value(record.value.value_or(""));  // "key:number"
    ledger_->OnRecord(std::stoi(value),
                      std::stoll(value.substr(value.find(':') + 1)));
  }

  void Commit() {
    client::PartitionOffsets offsets;
    for (const auto& [partition, next] : next_) {
      offsets[{kTopic, partition}].offset = next;
    }
    if (offsets.empty() || !consumer_->CommitSync(offsets).ok()) return;
    for (const auto& [partition, offset] : offsets) {
      ledger_->OnCommitted(partition.partition, offset.offset);
    }
  }

  Ledger* const ledger_;
  std::unique_ptr<client::Consumer> consumer_;
  std::atomic<bool> stopping_{false};
  std::map<int, int64_t> next_;   // of the partitions read since they were given
  std::map<int, int64_t> floor_;  // what was committed when they were
  std::vector<std::string> violations_;
  std::thread thread_;
};

class GroupFailoverTest : public ClusterTest {
 protected:
  // "broker-N" that coordinates the group; "" = nobody says so now.
  std::string GroupCoordinator() {
    auto group = NewAdmin()->DescribeGroup(kGroup);
    if (!group.ok() || !group->status.ok() || group->coordinator < 0) return "";
    return "broker-" + std::to_string(group->coordinator);
  }

  bool IsStable() {
    auto group = NewAdmin()->DescribeGroup(kGroup);
    return group.ok() && group->state == "Stable" &&
           group->members.size() == kMembers;
  }

  // The group's offsets as the cluster has them are not behind what was
  // acknowledged before they were asked for, nor behind what they were.
  void CheckOffsets(const Ledger& ledger, std::map<int, int64_t>* were) {
    const std::map<int, int64_t> acknowledged = ledger.Committed();
    auto offsets = NewAdmin()->ListGroupOffsets(kGroup);
    if (!offsets.ok()) return;  // nobody coordinates it right now
    for (const auto& [partition, offset] : acknowledged) {
      int64_t& was = (*were)[partition];
      const int64_t is = (*offsets)[TopicPartition{kTopic, partition}].offset;
      EXPECT_GE(is, offset) << "partition " << partition << " lost a commit";
      EXPECT_GE(is, was) << "partition " << partition << " went back";
      was = is;
    }
  }
};

TEST_F(GroupFailoverTest, NoCommitIsLostWhenTheCoordinatorDiesAgainAndAgain) {
  constexpr int kKills = 4;
  StartCluster();
  CreateTopic(kTopic, kPartitions, 3, {{"min.insync.replicas", "2"}});
  Load load(ProducerConfig(), kTopic, 12);
  Ledger ledger;
  std::vector<std::unique_ptr<Member>> members;
  for (int i = 0; i < kMembers; ++i) {
    members.push_back(
        std::make_unique<Member>(ConsumerConfig(kGroup), &ledger));
  }
  ASSERT_TRUE(Eventually(60, [&] { return IsStable(); }));
  ASSERT_TRUE(Eventually(
      60, [&] { return ledger.Committed().size() == kPartitions; }));

  std::map<int, int64_t> were;
  std::set<std::string> killed;
  for (int i = 0; i < kKills; ++i) {
    std::string victim;
    ASSERT_TRUE(Eventually(30, [&] {
      victim = GroupCoordinator();
      return !victim.empty();
    }));
    SCOPED_TRACE("kill " + std::to_string(i) + ": " + victim);
    killed.insert(victim);
    Kill(victim);
    const auto since = std::chrono::steady_clock::now();
    // Every partition's commits go on, with the offsets checked all the time.
    const std::map<int, int64_t> before = ledger.Committed();
    EXPECT_TRUE(Eventually(90, [&] {
      CheckOffsets(ledger, &were);
      for (const auto& [partition, offset] : before) {
        if (ledger.Committed(partition) <= offset) return false;
      }
      return IsStable() && GroupCoordinator() != victim;
    })) << "the group did not go on";
    std::cout << "killed " << victim << ": stable and committing again after "
              << std::chrono::duration_cast<std::chrono::milliseconds>(
                     std::chrono::steady_clock::now() - since)
                     .count()
              << " ms" << std::endl;
    StartAgain(victim);
    ASSERT_TRUE(Eventually(60, [&] {
      CheckOffsets(ledger, &were);
      return FullyReplicated(kTopic) && FullyReplicated("__consumer_offsets");
    }));
  }
  EXPECT_GE(killed.size(), 2u) << "the coordinator never moved";

  load.Stop();
  EXPECT_EQ(load.failed(), 0u);
  const std::map<int, std::set<int64_t>> acknowledged = load.Acknowledged();
  EXPECT_TRUE(
      Eventually(60, [&] { return ledger.Missing(acknowledged) == 0; }))
      << ledger.Missing(acknowledged) << " records were never consumed";
  CheckOffsets(ledger, &were);
  for (const auto& member : members) {
    member->Stop();
    for (const std::string& violation : member->violations()) {
      ADD_FAILURE() << violation;
    }
  }
  std::cout << load.acknowledged() << " records acknowledged, "
            << ledger.records() << " consumed, " << ledger.repeated()
            << " of them again" << std::endl;
}

}  // namespace
}  // namespace sillok::cluster_test
