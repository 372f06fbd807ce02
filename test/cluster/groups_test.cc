// Consumer groups of the C++ client on real brokers: members that keep what they
// have, static members that restart, members of another client.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/cluster/cluster_fixture.h"
#include "test/cluster/run_command.h"

namespace sillok::cluster_test {
namespace {

using client::Consumer;

struct Counter : client::RebalanceListener {
  void OnAssigned(const std::vector<TopicPartition>& p) override {
    assigned += static_cast<int>(p.size());
  }
  void OnRevoked(const std::vector<TopicPartition>& p) override {
    revoked += static_cast<int>(p.size());
  }
  void OnLost(const std::vector<TopicPartition>& p) override {
    lost += static_cast<int>(p.size());
  }
  int assigned = 0;
  int revoked = 0;
  int lost = 0;
};

// One consumer and what it was told.
struct Member {
  Member(const client::ConsumerConfig& config, const std::string& topic)
      : consumer(Consumer::Create(config).value()) {
    EXPECT_TRUE(consumer->Subscribe({topic}, &counter).ok());
  }
  ~Member() { (void)consumer->Close(absl::Seconds(5)); }

  Counter counter;
  std::unique_ptr<Consumer> consumer;
  uint64_t read = 0;
};

class GroupsTest : public ClusterTest {
 protected:
  void SetUp() override {
    tools::DevClusterSpec spec;
    spec.coordinators = 1;
    spec.brokers = 1;
    spec.broker_sets = {"offsets.topic.replication.factor=1"};
    StartCluster(spec);
  }

  // Everybody polls until `done`.
  bool PollUntil(const std::vector<Member*>& members,
                 const std::function<bool()>& done) {
    return Eventually(60, [&] {
      for (Member* member : members) {
        auto records = member->consumer->Poll(absl::Milliseconds(20));
        EXPECT_TRUE(records.ok()) << records.status();
        if (records.ok()) member->read += records->size();
      }
      return done();
    });
  }
  static bool Shares(const std::vector<Member*>& members, size_t all,
                     size_t least) {
    std::set<TopicPartition> seen;
    for (Member* member : members) {
      auto mine = member->consumer->Assignment();
      if (mine.size() < least) return false;
      seen.insert(mine.begin(), mine.end());
    }
    return seen.size() == all;
  }
};

TEST_F(GroupsTest, ANewcomerTakesItsShareAndNobodyElseNotices) {
  CreateTopic("t", 6, 1);
  client::ConsumerConfig config = ConsumerConfig("g");
  config.assignors = {"cooperative-sticky"};
  Member a(config, "t");
  ASSERT_TRUE(PollUntil({&a}, [&] { return Shares({&a}, 6, 6); }));
  Member b(config, "t");
  ASSERT_TRUE(PollUntil({&a, &b}, [&] { return Shares({&a, &b}, 6, 3); }));
  EXPECT_EQ(a.counter.revoked, 3);
  EXPECT_EQ(b.counter.revoked, 0);
  {
    Member c(config, "t");
    ASSERT_TRUE(PollUntil({&a, &b, &c},
                          [&] { return Shares({&a, &b, &c}, 6, 2); }));
    EXPECT_EQ(a.counter.revoked, 4);
    EXPECT_EQ(b.counter.revoked, 1);
  }
  ASSERT_TRUE(PollUntil({&a, &b}, [&] { return Shares({&a, &b}, 6, 3); }));
  EXPECT_EQ(a.counter.revoked + b.counter.revoked, 5) << "who stays keeps all";
  EXPECT_EQ(a.counter.lost + b.counter.lost, 0);
}

TEST_F(GroupsTest, StaticMembersRestartWithoutARebalance) {
  CreateTopic("t", 6, 1);
  for (const char* assignor : {"range", "cooperative-sticky"}) {
    client::ConsumerConfig config =
        ConsumerConfig(std::string("static-") + assignor);
    config.assignors = {assignor};
    config.session_timeout_ms = 60'000;
    std::vector<std::unique_ptr<Member>> members;
    std::vector<Member*> all;
    for (int i = 0; i < 3; ++i) {
      config.group_instance_id = "i" + std::to_string(i);
      members.push_back(std::make_unique<Member>(config, "t"));
      all.push_back(members.back().get());
    }
    ASSERT_TRUE(PollUntil(all, [&] { return Shares(all, 6, 2); })) << assignor;
    // Each has been through all the rebalances there were to be.
    auto generation = [&] {
      return NewAdmin()->DescribeGroup(config.group_id)->state;
    };
    ASSERT_TRUE(PollUntil(all, [&] { return generation() == "Stable"; }));
    for (size_t i = 0; i < members.size(); ++i) {
      auto mine = members[i]->consumer->Assignment();
      std::vector<uint64_t> before;
      for (Member* member : all) {
        before.push_back(member->consumer->Stats().rebalances);
      }
      members[i].reset();
      config.group_instance_id = "i" + std::to_string(i);
      members[i] = std::make_unique<Member>(config, "t");
      all[i] = members[i].get();
      ASSERT_TRUE(PollUntil(all, [&] {
        return members[i]->consumer->Assignment() == mine;
      })) << assignor;
      EXPECT_EQ(members[i]->consumer->Stats().rebalances, 1u);
      for (size_t other = 0; other < members.size(); ++other) {
        if (other == i) continue;
        EXPECT_EQ(all[other]->consumer->Stats().rebalances, before[other])
            << assignor << ": member " << other << " when " << i
            << " restarted";
      }
    }
  }
}

TEST_F(GroupsTest, ASecondProcessOfAnInstanceFencesTheFirst) {
  CreateTopic("t", 2, 1);
  client::ConsumerConfig config = ConsumerConfig("g");
  config.group_instance_id = "only";
  Member first(config, "t");
  ASSERT_TRUE(PollUntil({&first}, [&] { return Shares({&first}, 2, 2); }));
  Member second(config, "t");
  ASSERT_TRUE(PollUntil({&second}, [&] { return Shares({&second}, 2, 2); }));
  absl::Status refused;
  ASSERT_TRUE(Eventually(30, [&] {
    auto records = first.consumer->Poll(absl::Milliseconds(20));
    refused = records.status();
    return !records.ok();
  }));
  EXPECT_EQ(ErrorCodeOf(refused), ErrorCode::FENCED_INSTANCE_ID) << refused;
}

TEST_F(GroupsTest, MorePartitionsReachTheGroup) {
  CreateTopic("t", 2, 1);
  client::ConsumerConfig config = ConsumerConfig("g");
  config.assignors = {"cooperative-sticky"};
  config.metadata_max_age_ms = 500;
  Member a(config, "t");
  ASSERT_TRUE(PollUntil({&a}, [&] { return Shares({&a}, 2, 2); }));
  auto outcomes = NewAdmin()->CreatePartitions({{"t", 5, {}}});
  ASSERT_TRUE(outcomes.ok() && (*outcomes)[0].status.ok())
      << (*outcomes)[0].status;
  ASSERT_TRUE(PollUntil({&a}, [&] { return Shares({&a}, 5, 5); }));
  EXPECT_EQ(a.counter.revoked, 0);
}

// kcat (librdkafka) and this client in one group, over two doors.
TEST_F(GroupsTest, MembersOfAnotherClientShareAGroupWithOurs) {
  if (RunCommand("command -v kcat").code != 0) GTEST_SKIP() << "no kcat here";
  CreateTopic("t", 4, 1);
  std::string kafka = Node("broker-1").kafka_address();
  for (const char* assignor : {"range", "cooperative-sticky"}) {
    std::string group = std::string("mixed-") + assignor;
    client::ConsumerConfig config = ConsumerConfig(group);
    config.assignors = {assignor};
    config.client_id = "ours";
    std::string log = testing::TempDir() + "/kcat-" + group;
    // Ends by itself; the test sees to its end before that.
    RunCommand("timeout 100 kcat -b " + kafka + " -G " + group +
               " -X partition.assignment.strategy=" + assignor +
               " -X session.timeout.ms=6000 -X client.id=theirs t >" + log +
               " 2>&1 & echo $! >" + log + ".pid");
    Member ours(config, "t");
    auto admin = NewAdmin();
    auto split = [&] {
      auto info = admin->DescribeGroup(group);
      if (!info.ok() || info->state != "Stable" || info->members.size() != 2) {
        return false;
      }
      return info->members[0].assignment.size() == 2 &&
             info->members[1].assignment.size() == 2 &&
             ours.consumer->Assignment().size() == 2;
    };
    EXPECT_TRUE(PollUntil({&ours}, split)) << assignor << "\n"
                                           << ReadWholeFile(log);
    RunCommand("kill $(cat " + log + ".pid)");
    EXPECT_TRUE(PollUntil({&ours}, [&] { return Shares({&ours}, 4, 4); }))
        << assignor << "\n"
        << ReadWholeFile(log);
  }
}

}  // namespace
}  // namespace sillok::cluster_test
