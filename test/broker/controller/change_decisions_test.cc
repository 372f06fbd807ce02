// More partitions, asked-for elections, changed configs.
#include <gtest/gtest.h>

#include "broker/controller/decisions.h"
#include "test/broker/controller/decisions_fixture.h"

namespace sillok {
namespace {

using Configs = std::map<std::string, std::string>;

class ChangeDecisionsTest : public DecisionsTest {
 protected:
  v1::TopicResult Grow(const std::string& name, int32_t total,
                       const std::vector<std::pair<int32_t, Ids>>& lists = {},
                       bool validate_only = false) {
    v1::CreatePartitionsRequest request;
    request.set_validate_only(validate_only);
    v1::MorePartitions* topic = request.add_topics();
    topic->set_name(name);
    topic->set_total_count(total);
    for (const auto& [number, ids] : lists) {
      v1::ReplicaAssignment* a = topic->add_assignments();
      a->set_partition(number);
      a->mutable_broker_ids()->Assign(ids.begin(), ids.end());
    }
    return decisions_.CreatePartitions(request).topics(0);
  }

  // "t-0 NONE, t-1 ELECTION_NOT_NEEDED"
  std::string Elect(v1::ElectionType type,
                    const std::map<std::string, Ids>& topics) {
    v1::ElectLeadersRequest request;
    request.set_election_type(type);
    for (const auto& [name, numbers] : topics) {
      v1::TopicPartitions* t = request.add_topics();
      t->set_topic(name);
      t->mutable_partitions()->Assign(numbers.begin(), numbers.end());
    }
    request.set_all_partitions(topics.empty());
    return ShowElections(decisions_.ElectLeaders(request));
  }
  static std::string ShowElections(const v1::ElectLeadersResponse& response) {
    std::ostringstream out;
    if (response.error_code() != v1::NONE) {
      out << v1::ErrorCode_Name(response.error_code()) << ": ";
    }
    for (const v1::PartitionElection& e : response.partitions()) {
      if (&e != &response.partitions(0)) out << ", ";
      out << e.topic() << "-" << e.partition() << " "
          << v1::ErrorCode_Name(e.error_code());
      EXPECT_EQ(e.error_code() == v1::NONE, e.error_message().empty());
    }
    return out.str();
  }

  struct Op {
    const char* name;
    v1::ConfigOperation operation;
    const char* value;
  };
  v1::AlteredConfig Change(int type, const std::string& name,
                           const std::vector<Op>& ops, bool replace = false,
                           bool validate_only = false) {
    v1::AlterConfigsRequest request;
    request.set_validate_only(validate_only);
    v1::ConfigResourceChanges* changes = request.add_resources();
    changes->mutable_resource()->set_type(
        static_cast<v1::ConfigResourceType>(type));
    changes->mutable_resource()->set_name(name);
    changes->set_replace_all(replace);
    for (const Op& op : ops) {
      v1::ConfigChange* change = changes->add_changes();
      change->set_name(op.name);
      change->set_operation(op.operation);
      change->set_value(op.value);
    }
    return decisions_.AlterConfigs(request).results(0);
  }
};

// ---- more partitions

TEST_F(ChangeDecisionsTest, NewPartitionsGoOnWithTheTopicsPattern) {
  v1::CreateTopicsRequest whole;
  whole.add_topics()->set_name("whole");
  whole.mutable_topics(0)->set_partitions(11);
  whole.mutable_topics(0)->set_replication_factor(2);
  next_random_ = 4;
  ASSERT_EQ(CreateTopics(whole).topics(0).error_code(), v1::NONE);
  v1::CreateTopicsRequest part = whole;
  part.mutable_topics(0)->set_name("part");
  part.mutable_topics(0)->set_partitions(2);
  next_random_ = 4;
  ASSERT_EQ(CreateTopics(part).topics(0).error_code(), v1::NONE);
  v1::TopicResult result = Grow("part", 11);
  EXPECT_EQ(result.error_code(), v1::NONE) << result.error_message();
  EXPECT_EQ(result.partitions(), 11);
  EXPECT_EQ(result.replication_factor(), 2);
  for (int32_t p = 0; p < 11; ++p) {
    EXPECT_EQ(P("part", p).replicas, P("whole", p).replicas) << p;
    EXPECT_EQ(P("part", p).leader, P("part", p).replicas.front());
  }
}

TEST_F(ChangeDecisionsTest, TheAssignmentIsWrittenFirstAndUnderItsVersion) {
  Create("t", {{1, 2}});
  ASSERT_EQ(Grow("t", 3).error_code(), v1::NONE);
  Effects effects = decisions_.TakeEffects();
  ASSERT_EQ(effects.group_ends, std::vector<size_t>{effects.ops.size()});
  ASSERT_TRUE(effects.ops[0].has_set_data());
  EXPECT_EQ(effects.ops[0].set_data().path(), "/brokers/topics/t");
  EXPECT_EQ(effects.ops[0].set_data().version(), 0);
  absl::StatusOr<TopicZnode> znode =
      DecodeTopic(effects.ops[0].set_data().data());
  ASSERT_TRUE(znode.ok());
  EXPECT_EQ(znode->topic_id, state_.FindTopic("t")->id);
  EXPECT_EQ(znode->partitions.size(), 3u);
  EXPECT_EQ(effects.ops[2].create().path(),
            "/brokers/topics/t/partitions/1/state");
  // Brokers hear of the new ones alone, as new.
  v1::ClusterUpdate delta = MakeDelta(state_, effects);
  ASSERT_EQ(delta.topics(0).partitions_size(), 2);
  EXPECT_EQ(delta.topics(0).partitions(0).partition(), 1);
  EXPECT_TRUE(delta.topics(0).partitions(0).is_new());

  ASSERT_EQ(Grow("t", 4).error_code(), v1::NONE);
  EXPECT_EQ(decisions_.TakeEffects().ops[0].set_data().version(), 1);
}

TEST_F(ChangeDecisionsTest, GivenAssignmentsAreTaken) {
  Create("t", {{1, 2}});
  EXPECT_EQ(Grow("t", 3, {{1, {3, 1}}, {2, {2, 3}}}).error_code(), v1::NONE);
  EXPECT_EQ(P("t", 1).replicas, (Ids{3, 1}));
  EXPECT_EQ(Show("t", 2), "leader 2 epoch 0 version 0 isr 2,3");
}

TEST_F(ChangeDecisionsTest, RefusesGrowthWithKafkasCodesAndWords) {
  Create("t", {{1, 2}, {2, 1}});
  struct Case {
    const char* name;
    int32_t total;
    std::vector<std::pair<int32_t, Ids>> lists;
    v1::ErrorCode code;
    const char* says;
  };
  const Case cases[] = {
      {"none", 3, {}, v1::UNKNOWN_TOPIC_OR_PARTITION, "'none' does not exist"},
      {"t", 2, {}, v1::INVALID_PARTITIONS, "already has 2 partitions"},
      {"t", 1, {}, v1::INVALID_PARTITIONS,
       "currently has 2 partitions, which is higher than the requested 1"},
      {"t", -1, {}, v1::INVALID_PARTITIONS, "-1"},
      {"t", 100'001, {}, v1::INVALID_PARTITIONS, "100001"},
      {"t", 4, {{2, {1, 2}}}, v1::INVALID_REPLICA_ASSIGNMENT,
       "by 2 but 1 assignments"},
      {"t", 3, {{0, {1, 2}}}, v1::INVALID_REPLICA_ASSIGNMENT, "from 2"},
      {"t", 3, {{2, {1, 7}}}, v1::INVALID_REPLICA_ASSIGNMENT, "broker 7"},
      {"t", 3, {{2, {1, 1}}}, v1::INVALID_REPLICA_ASSIGNMENT, "Duplicate"},
      {"t", 3, {{2, {1}}}, v1::INVALID_REPLICA_ASSIGNMENT,
       "partition 2 has 1, partition 0 has 2"},
  };
  for (const Case& c : cases) {
    v1::TopicResult result = Grow(c.name, c.total, c.lists);
    EXPECT_EQ(result.error_code(), c.code) << result.error_message();
    EXPECT_NE(result.error_message().find(c.says), std::string::npos)
        << result.error_message();
  }
  Alive({{1, 101}});
  decisions_.TakeEffects();
  EXPECT_EQ(Grow("t", 3).error_code(), v1::INVALID_REPLICATION_FACTOR);
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());
  EXPECT_EQ(state_.FindTopic("t")->partitions.size(), 2u);
}

TEST_F(ChangeDecisionsTest, ValidateOnlyGrowsNothing) {
  Create("t", {{1, 2}});
  v1::TopicResult result = Grow("t", 5, {}, /*validate_only=*/true);
  EXPECT_EQ(result.error_code(), v1::NONE);
  EXPECT_EQ(result.partitions(), 5);
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());
  EXPECT_EQ(state_.FindTopic("t")->partitions.size(), 1u);
}

TEST_F(ChangeDecisionsTest, ATopicNamedTwiceDoesNotGrow) {
  Create("t", {{1, 2}});
  v1::CreatePartitionsRequest request;
  for (const int32_t total : {2, 3}) {
    v1::MorePartitions* topic = request.add_topics();
    topic->set_name("t");
    topic->set_total_count(total);
  }
  const v1::CreatePartitionsResponse response =
      decisions_.CreatePartitions(request);
  ASSERT_EQ(response.topics_size(), 2);
  for (const v1::TopicResult& result : response.topics()) {
    EXPECT_EQ(result.error_code(), v1::INVALID_REQUEST);
  }
  EXPECT_EQ(state_.FindTopic("t")->partitions.size(), 1u);
}

TEST_F(ChangeDecisionsTest, ATopicThatIsBeingDeletedDoesNotGrow) {
  Create("t", {{1, 2}});
  v1::DeleteTopicsRequest remove;
  remove.add_names("t");
  decisions_.DeleteTopics(remove);
  decisions_.TakeEffects();
  EXPECT_EQ(Grow("t", 5).error_code(), v1::INVALID_TOPIC_EXCEPTION);
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());
}

// ---- elections

TEST_F(ChangeDecisionsTest, PreferredLeadersTakeOverWhenAsked) {
  Create("t", {{1, 2}, {1, 2}, {1, 2}});
  for (int i = 0; i < 2; ++i) {
    P("t", i).leader = 2;
    P("t", i).leader_epoch = 1;
  }
  P("t", 1).isr = {2};  // the preferred one is out of sync
  EXPECT_EQ(Elect(v1::ELECTION_PREFERRED, {{"t", {0, 1, 2, 3}}, {"u", {0}}}),
            "t-0 NONE, t-1 PREFERRED_LEADER_NOT_AVAILABLE, "
            "t-2 ELECTION_NOT_NEEDED, t-3 UNKNOWN_TOPIC_OR_PARTITION, "
            "u-0 UNKNOWN_TOPIC_OR_PARTITION");
  EXPECT_EQ(Show("t", 0), "leader 1 epoch 2 version 1 isr 1,2");
  EXPECT_EQ(P("t", 1).leader, 2);
  EXPECT_EQ(decisions_.TakeEffects().partition_writes, 1u);
}

TEST_F(ChangeDecisionsTest, AskedForAllOnlyThoseInNeedAreNamed) {
  Create("t", {{1, 2}, {1, 2}, {1, 2}});
  P("t", 1).leader = 2;
  EXPECT_EQ(Elect(v1::ELECTION_PREFERRED, {}), "t-1 NONE");
  EXPECT_EQ(Elect(v1::ELECTION_PREFERRED, {}), "");
}

TEST_F(ChangeDecisionsTest, AStoppingPreferredReplicaIsNotElected) {
  Create("t", {{1, 2}});
  Shutdown(1, 101);
  P().isr = {1, 2};
  EXPECT_EQ(Elect(v1::ELECTION_PREFERRED, {{"t", {0}}}),
            "t-0 PREFERRED_LEADER_NOT_AVAILABLE");
}

TEST_F(ChangeDecisionsTest, UncleanElectionTakesAnyLiveReplicaOnlyWhereNoneLeads) {
  Create("t", {{1, 2}, {2, 3}});
  Create("u", {{1}});
  P("t", 0).isr = {1};
  Alive({{2, 102}, {3, 103}});
  ASSERT_EQ(P("t", 0).leader, -1);
  decisions_.TakeEffects();
  EXPECT_EQ(Elect(v1::ELECTION_UNCLEAN, {{"t", {0, 1}}, {"u", {0}}}),
            "t-0 NONE, t-1 ELECTION_NOT_NEEDED, "
            "u-0 ELIGIBLE_LEADERS_NOT_AVAILABLE");
  EXPECT_EQ(Show("t", 0), "leader 2 epoch 2 version 2 isr 2");
}

TEST_F(ChangeDecisionsTest, WhoeverLeadsAfterNobodyIsInSyncAlone) {
  Create("t", {{1, 2, 3}});
  // Without a leader the set names those that may have gone.
  P().leader = -1;
  EXPECT_EQ(Elect(v1::ELECTION_PREFERRED, {{"t", {0}}}), "t-0 NONE");
  EXPECT_EQ(Show(), "leader 1 epoch 1 version 1 isr 1");
}

TEST_F(ChangeDecisionsTest, AnUncleanElectionTakesOneInSyncFirst) {
  Create("t", {{1, 2, 3}});
  P().leader = -1;
  P().isr = {2};
  EXPECT_EQ(Elect(v1::ELECTION_UNCLEAN, {{"t", {0}}}), "t-0 NONE");
  EXPECT_EQ(Show(), "leader 2 epoch 1 version 1 isr 2");
}

TEST_F(ChangeDecisionsTest, AnUnknownElectionTypeIsRefused) {
  EXPECT_EQ(Elect(static_cast<v1::ElectionType>(7), {}), "INVALID_REQUEST: ");
}

// ---- configs

TEST_F(ChangeDecisionsTest, TopicConfigsAreSetDeletedAndTold) {
  Create("t", {{1}}, {{"retention.ms", "5"}, {"segment.bytes", "1000"}});
  v1::AlteredConfig result = Change(
      v1::TOPIC, "t",
      {{"retention.ms", v1::CONFIG_SET, "7"},
       {"segment.bytes", v1::CONFIG_DELETE, ""},
       {"cleanup.policy", v1::CONFIG_APPEND, "compact"}});
  EXPECT_EQ(result.error_code(), v1::NONE) << result.error_message();
  EXPECT_EQ(state_.FindTopic("t")->configs,
            (Configs{{"cleanup.policy", "delete,compact"},
                     {"retention.ms", "7"}}));
  Effects effects = decisions_.TakeEffects();
  ASSERT_EQ(effects.ops.size(), 1u);
  EXPECT_EQ(effects.ops[0].set_data().path(), "/config/topics/t");
  EXPECT_EQ(effects.ops[0].set_data().data(),
            R"({"version":1,"config":{"cleanup.policy":"delete,compact",)"
            R"("retention.ms":"7"}})");
  v1::ClusterUpdate delta = MakeDelta(state_, effects);
  ASSERT_EQ(delta.topics_size(), 1);
  EXPECT_TRUE(delta.topics(0).configs_changed());
  EXPECT_EQ(delta.topics(0).configs().at("retention.ms"), "7");

  Change(v1::TOPIC, "t", {{"cleanup.policy", v1::CONFIG_SUBTRACT, "delete"}});
  EXPECT_EQ(state_.FindTopic("t")->configs.at("cleanup.policy"), "compact");
  decisions_.TakeEffects();
  // What is so already is not written.
  Change(v1::TOPIC, "t", {{"cleanup.policy", v1::CONFIG_APPEND, "compact"}});
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());
}

TEST_F(ChangeDecisionsTest, ReplacingAllForgetsWhatIsNotNamed) {
  Create("t", {{1}}, {{"retention.ms", "5"}, {"segment.bytes", "1000"}});
  EXPECT_EQ(Change(v1::TOPIC, "t", {{"flush.ms", v1::CONFIG_SET, "1"}},
                   /*replace=*/true)
                .error_code(),
            v1::NONE);
  EXPECT_EQ(state_.FindTopic("t")->configs, (Configs{{"flush.ms", "1"}}));
}

TEST_F(ChangeDecisionsTest, AConfigIsChangedWholeOrNotAtAll) {
  Create("t", {{1}}, {{"retention.ms", "5"}});
  Configs before = state_.FindTopic("t")->configs;
  struct Case {
    int type;
    const char* name;
    std::vector<Op> ops;
    bool replace;
    v1::ErrorCode code;
    const char* says;
  };
  constexpr v1::ConfigOperation kSet = v1::CONFIG_SET;
  const Case cases[] = {
      {v1::TOPIC, "none", {{"retention.ms", kSet, "1"}}, false,
       v1::UNKNOWN_TOPIC_OR_PARTITION, "'none' does not exist"},
      {v1::TOPIC, "t", {{"retention.ms", kSet, "9"}, {"colour", kSet, "red"}},
       false, v1::INVALID_CONFIG, "Unknown topic config name: colour"},
      {v1::TOPIC, "t", {{"retention.ms", kSet, "soon"}}, false,
       v1::INVALID_CONFIG,
       "Invalid value soon for configuration retention.ms: must be a whole"},
      {v1::TOPIC, "t", {{"retention.ms", kSet, "1"}, {"retention.ms", kSet, "2"}},
       false, v1::INVALID_REQUEST, "more than once"},
      {v1::TOPIC, "t", {{"retention.ms", v1::CONFIG_APPEND, "1"}}, false,
       v1::INVALID_CONFIG, "append is not allowed for config key: retention.ms"},
      {v1::TOPIC, "t", {{"retention.ms", v1::CONFIG_DELETE, ""}}, true,
       v1::INVALID_REQUEST, "can only be set"},
      {v1::TOPIC, "t", {{"", kSet, "x"}}, false, v1::INVALID_REQUEST, "empty"},
      {v1::TOPIC, "t", {{"flush.ms", static_cast<v1::ConfigOperation>(9), "x"}},
       false, v1::INVALID_REQUEST, "unknown operation 9"},
      {v1::TOPIC, "t",
       {{"cleanup.policy", v1::CONFIG_SUBTRACT, "delete"}}, false,
       v1::INVALID_CONFIG, "cleanup.policy"},
      {v1::BROKER, "1", {{"num.partitions", kSet, "3"}}, false,
       v1::INVALID_CONFIG, "log.retention.ms"},
      {v1::BROKER, "1", {{"log.retention.ms", kSet, "x"}}, false,
       v1::INVALID_CONFIG,
       "Invalid value x for configuration log.retention.ms: must be"},
      {v1::BROKER, "9", {{"log.retention.ms", kSet, "1"}}, false,
       v1::INVALID_REQUEST, "'9'"},
      {8, "1", {{"root", kSet, "DEBUG"}}, false, v1::INVALID_REQUEST,
       "resource type 8"},
  };
  for (const Case& c : cases) {
    v1::AlteredConfig result = Change(c.type, c.name, c.ops, c.replace);
    EXPECT_EQ(result.error_code(), c.code) << result.error_message();
    EXPECT_NE(result.error_message().find(c.says), std::string::npos)
        << result.error_message();
  }
  EXPECT_EQ(Change(v1::TOPIC, "t", {{"flush.ms", kSet, "1"}}, false,
                   /*validate_only=*/true)
                .error_code(),
            v1::NONE);
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());
  EXPECT_EQ(state_.FindTopic("t")->configs, before);
  EXPECT_TRUE(state_.broker_configs.empty());
}

TEST_F(ChangeDecisionsTest, BrokerConfigsStandInKafkasZnodes) {
  EXPECT_EQ(Change(v1::BROKER, "", {{"log.retention.ms", v1::CONFIG_SET, "5"}})
                .error_code(),
            v1::NONE);
  EXPECT_EQ(Change(v1::BROKER, "2", {{"log.retention.ms", v1::CONFIG_SET, "6"}})
                .error_code(),
            v1::NONE);
  Effects effects = decisions_.TakeEffects();
  ASSERT_EQ(effects.ops.size(), 2u);
  EXPECT_EQ(effects.ops[0].create().path(), "/config/brokers/<default>");
  EXPECT_EQ(effects.ops[0].create().data(),
            R"({"version":1,"config":{"log.retention.ms":"5"}})");
  EXPECT_EQ(effects.ops[1].create().path(), "/config/brokers/2");
  Change(v1::BROKER, "2", {{"log.retention.ms", v1::CONFIG_DELETE, ""}});
  effects = decisions_.TakeEffects();
  ASSERT_EQ(effects.ops.size(), 1u);
  EXPECT_EQ(effects.ops[0].set_data().data(), R"({"version":1,"config":{}})");
}

TEST_F(ChangeDecisionsTest, AllowingUncleanElectionsHoldsOneAtOnce) {
  Create("t", {{1, 2}});
  Create("u", {{1, 2}});
  Create("v", {{1, 2}}, {{"unclean.leader.election.enable", "false"}});
  for (const char* topic : {"t", "u", "v"}) P(topic).isr = {1};
  Alive({{2, 102}});
  ASSERT_EQ(P("t").leader, -1);
  Change(v1::TOPIC, "t",
         {{"unclean.leader.election.enable", v1::CONFIG_SET, "true"}});
  EXPECT_EQ(P("t").leader, 2);
  EXPECT_EQ(P("u").leader, -1);
  Change(v1::BROKER, "",
         {{"unclean.leader.election.enable", v1::CONFIG_SET, "true"}});
  EXPECT_EQ(P("u").leader, 2);
  EXPECT_EQ(P("v").leader, -1);  // its own word counts
}

}  // namespace
}  // namespace sillok
