// A small cluster for tests of what the controller decides.
#ifndef SILLOK_TEST_BROKER_CONTROLLER_DECISIONS_FIXTURE_H_
#define SILLOK_TEST_BROKER_CONTROLLER_DECISIONS_FIXTURE_H_

#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "broker/controller/decisions.h"
#include "gtest/gtest.h"

namespace sillok {

using Ids = std::vector<int32_t>;

inline LiveBroker Live(int32_t id, int64_t epoch, const std::string& rack = "") {
  LiveBroker broker;
  broker.epoch = epoch;
  broker.address.set_broker_id(id);
  broker.address.set_host("h" + std::to_string(id));
  broker.address.set_rack(rack);
  return broker;
}

// A cluster of brokers 1..3 with epochs 101..103 and one controller.
class DecisionsTest : public testing::Test {
 protected:
  DecisionsTest() : decisions_(DecisionOptions{}, &state_) {
    state_.controller_id = 1;
    state_.controller_epoch = 5;
    state_.controller_epoch_version = 6;
    Alive({{1, 101}, {2, 102}, {3, 103}});
    decisions_.TakeEffects();
  }

  void Alive(const std::map<int32_t, int64_t>& epochs) {
    std::map<int32_t, LiveBroker> now;
    for (const auto& [id, epoch] : epochs) now[id] = Live(id, epoch);
    decisions_.OnBrokers(now);
  }

  v1::TopicResult Create(const std::string& name,
                         const std::vector<Ids>& assignments,
                         const std::map<std::string, std::string>& configs = {}) {
    v1::CreateTopicsRequest request;
    v1::NewTopic* topic = request.add_topics();
    topic->set_name(name);
    for (size_t i = 0; i < assignments.size(); ++i) {
      v1::ReplicaAssignment* a = topic->add_assignments();
      a->set_partition(static_cast<int32_t>(i));
      a->mutable_broker_ids()->Assign(assignments[i].begin(),
                                      assignments[i].end());
    }
    topic->mutable_configs()->insert(configs.begin(), configs.end());
    v1::TopicResult result = CreateTopics(request).topics(0);
    EXPECT_EQ(result.error_code(), v1::NONE) << result.error_message();
    decisions_.TakeEffects();
    return result;
  }
  v1::CreateTopicsResponse CreateTopics(const v1::CreateTopicsRequest& r) {
    return decisions_.CreateTopics(r, [this] { return next_random_++; });
  }

  PartitionEntry& P(const std::string& topic = "t", int32_t number = 0) {
    return *state_.FindTopic(topic)->Find(number);
  }
  // "leader 1 epoch 0 version 0 isr 1,2,3"
  std::string Show(const std::string& topic = "t", int32_t number = 0) {
    const PartitionEntry& p = P(topic, number);
    std::ostringstream out;
    out << "leader " << p.leader << " epoch " << p.leader_epoch << " version "
        << p.version << " isr ";
    for (size_t i = 0; i < p.isr.size(); ++i) out << (i ? "," : "") << p.isr[i];
    return out.str();
  }

  v1::AlterPartitionResponse Alter(int32_t broker, int64_t broker_epoch,
                                   int32_t leader_epoch, int32_t version,
                                   const std::vector<std::pair<int32_t, int64_t>>& isr,
                                   std::string topic_id = "") {
    v1::AlterPartitionRequest request;
    request.set_broker_id(broker);
    request.set_broker_epoch(broker_epoch);
    v1::AlterPartition* p = request.add_partitions();
    p->set_topic_id(topic_id.empty() ? state_.FindTopic("t")->id : topic_id);
    p->set_leader_epoch(leader_epoch);
    p->set_partition_epoch(version);
    for (auto [id, epoch] : isr) {
      v1::IsrMember* member = p->add_isr();
      member->set_broker_id(id);
      member->set_broker_epoch(epoch);
    }
    return decisions_.AlterPartition(request);
  }

  v1::ControlledShutdownResponse Shutdown(int32_t id, int64_t epoch) {
    v1::ControlledShutdownRequest request;
    request.set_broker_id(id);
    request.set_broker_epoch(epoch);
    return decisions_.ControlledShutdown(request);
  }

  uint64_t next_random_ = 0;
  ClusterState state_;
  Decisions decisions_;
};

}  // namespace sillok

#endif  // SILLOK_TEST_BROKER_CONTROLLER_DECISIONS_FIXTURE_H_
