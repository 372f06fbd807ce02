#include "broker/controller/decisions.h"

#include <gtest/gtest.h>

#include "test/broker/controller/decisions_fixture.h"

namespace sillok {
namespace {

// ---- brokers come and go

TEST_F(DecisionsTest, NewPartitionIsLedByItsFirstReplica) {
  Create("t", {{2, 3, 1}});
  EXPECT_EQ(Show(), "leader 2 epoch 0 version 0 isr 2,3,1");
}

TEST_F(DecisionsTest, LeaderFailsAndTheNextInSyncReplicaLeads) {
  Create("t", {{1, 2, 3}});
  Alive({{2, 102}, {3, 103}});
  EXPECT_EQ(Show(), "leader 2 epoch 1 version 1 isr 2,3");
  Effects effects = decisions_.TakeEffects();
  ASSERT_EQ(effects.ops.size(), 1u);
  EXPECT_EQ(effects.ops[0].set_data().path(),
            "/brokers/topics/t/partitions/0/state");
  EXPECT_EQ(effects.ops[0].set_data().version(), 0);
  v1::ClusterUpdate delta = MakeDelta(state_, effects);
  ASSERT_EQ(delta.brokers_gone_size(), 1);
  EXPECT_EQ(delta.brokers_gone(0), 1);
  ASSERT_EQ(delta.topics_size(), 1);
  EXPECT_EQ(delta.topics(0).partitions(0).leader(), 2);
  EXPECT_EQ(delta.topics(0).partitions(0).partition_epoch(), 1);
  EXPECT_FALSE(delta.topics(0).partitions(0).is_new());
}

TEST_F(DecisionsTest, AReplicaOutOfSyncDoesNotLead) {
  Create("t", {{1, 2, 3}});
  Alter(1, 101, 0, 0, {{1, 101}, {3, 103}});
  Alive({{2, 102}, {3, 103}});
  EXPECT_EQ(Show(), "leader 3 epoch 1 version 2 isr 3");
}

TEST_F(DecisionsTest, FollowerFailsAndLeavesTheSetAlone) {
  Create("t", {{1, 2, 3}});
  Alive({{1, 101}, {3, 103}});
  EXPECT_EQ(Show(), "leader 1 epoch 0 version 1 isr 1,3");
}

TEST_F(DecisionsTest, NewLeadersNeedNotWaitForTheSetsOfLeadersThatStay) {
  Create("t", {{1, 2, 3}, {2, 1, 3}, {3, 1, 2}});
  const auto remaining = [&] {
    return std::map<int32_t, LiveBroker>{{2, Live(2, 102)}, {3, Live(3, 103)}};
  };
  decisions_.OnBrokersLeadersFirst(remaining());
  EXPECT_EQ(Show(), "leader 2 epoch 1 version 1 isr 2,3");
  EXPECT_EQ(Show("t", 1), "leader 2 epoch 0 version 0 isr 2,1,3");
  EXPECT_EQ(Show("t", 2), "leader 3 epoch 0 version 0 isr 3,1,2");
  EXPECT_EQ(decisions_.TakeEffects().partition_writes, 1);
  ASSERT_TRUE(decisions_.InSyncSetsPending());
  decisions_.ShrinkInSyncSets();
  EXPECT_FALSE(decisions_.InSyncSetsPending());
  EXPECT_EQ(Show("t", 1), "leader 2 epoch 0 version 1 isr 2,3");
  EXPECT_EQ(Show("t", 2), "leader 3 epoch 0 version 1 isr 3,2");
  EXPECT_EQ(decisions_.TakeEffects().partition_writes, 2);
}

TEST_F(DecisionsTest, ABrokerThatIsBackAtOnceLeavesItsSetsAtOnce) {
  // It could be elected, and has not what its old self had.
  Create("t", {{1, 2, 3}, {2, 1, 3}});
  decisions_.OnBrokersLeadersFirst(
      {{1, Live(1, 201)}, {2, Live(2, 102)}, {3, Live(3, 103)}});
  EXPECT_EQ(Show("t", 1), "leader 2 epoch 0 version 1 isr 2,3");
  EXPECT_FALSE(decisions_.InSyncSetsPending());
}

TEST_F(DecisionsTest, LastInSyncReplicaStaysInTheSetWithoutALeader) {
  Create("t", {{1, 2, 3}});
  Alive({{2, 102}, {3, 103}});
  Alive({{3, 103}});
  Alive({});
  EXPECT_EQ(Show(), "leader -1 epoch 3 version 3 isr 3");
  Alive({{1, 201}, {2, 202}});  // they may lack records
  EXPECT_EQ(Show(), "leader -1 epoch 3 version 3 isr 3");
  Alive({{1, 201}, {2, 202}, {3, 203}});
  EXPECT_EQ(Show(), "leader 3 epoch 4 version 4 isr 3");
}

TEST_F(DecisionsTest, AllFailAtOnceAndAnyOfTheSetMayComeBackFirst) {
  Create("t", {{1, 2, 3}});
  Alive({});
  EXPECT_EQ(Show(), "leader -1 epoch 1 version 1 isr 1,2,3");
  Alive({{2, 202}});
  EXPECT_EQ(Show(), "leader 2 epoch 2 version 2 isr 2");
}

TEST_F(DecisionsTest, UncleanElectionOnlyWhereItIsAllowed) {
  Create("clean", {{1, 2}});
  Create("dirty", {{1, 2}}, {{"unclean.leader.election.enable", "true"}});
  Alive({{1, 101}, {3, 103}});  // 2 is out of both sets
  Alive({{3, 103}});
  Alive({{2, 202}, {3, 103}});
  EXPECT_EQ(Show("clean"), "leader -1 epoch 1 version 2 isr 1");
  EXPECT_EQ(Show("dirty"), "leader 2 epoch 2 version 3 isr 2");
}

TEST_F(DecisionsTest, ABrokerBackWithANewEpochWasAway) {
  Create("t", {{1, 2}});
  Create("u", {{2, 1}});
  Create("alone", {{1}});
  Alive({{1, 201}, {2, 102}, {3, 103}});
  EXPECT_EQ(Show("t"), "leader 2 epoch 1 version 1 isr 2");
  EXPECT_EQ(Show("u"), "leader 2 epoch 0 version 1 isr 2");
  // The only one that has the records: away, then back.
  EXPECT_EQ(Show("alone"), "leader 1 epoch 2 version 2 isr 1");
  v1::ClusterUpdate delta = MakeDelta(state_, decisions_.TakeEffects());
  EXPECT_EQ(delta.brokers_gone_size(), 0);
  ASSERT_EQ(delta.brokers_size(), 1);
  EXPECT_EQ(delta.brokers(0).broker_id(), 1);
}

TEST_F(DecisionsTest, SameBrokersChangeNothing) {
  Create("t", {{1, 2}});
  Alive({{1, 101}, {2, 102}, {3, 103}});
  Effects effects = decisions_.TakeEffects();
  EXPECT_TRUE(effects.NothingToWrite());
  EXPECT_TRUE(effects.NothingToTell());
}

TEST_F(DecisionsTest, AfterLoadingDeadAndRestartedMembersAreAway) {
  Create("t", {{1, 2, 3}});
  Create("u", {{1, 2, 3}});
  Create("v", {{1, 2, 3}});
  Create("w", {{1}});
  // t was written before broker 1 registered (101), u after it; 3 is dead.
  state_.brokers.erase(3);
  decisions_.OnLoaded({{"t", {{0, 90}}},
                       {"u", {{0, 300}}},
                       {"v", {{0, 101}}},
                       {"w", {{0, 50}}}});
  EXPECT_EQ(Show("t"), "leader 1 epoch 2 version 2 isr 1");  // both restarted
  EXPECT_EQ(Show("u"), "leader 1 epoch 0 version 1 isr 1,2");
  EXPECT_EQ(Show("v"), "leader 1 epoch 0 version 1 isr 1");  // 2 restarted
  EXPECT_EQ(Show("w"), "leader 1 epoch 2 version 2 isr 1");
}

TEST_F(DecisionsTest, LoadingElectsWhereThereIsNoLeader) {
  Create("t", {{1, 2, 3}});
  P().leader = -1;
  P().isr = {2, 3};
  decisions_.OnLoaded({{"t", {{0, 500}}}});
  EXPECT_EQ(Show(), "leader 2 epoch 1 version 1 isr 2");
}

TEST_F(DecisionsTest, ATopicOfAnotherHandGetsItsStates) {
  TopicEntry topic;
  topic.name = "t";
  topic.id = "id";
  topic.partitions.resize(2);
  topic.partitions[0].replicas = {3, 1};
  topic.partitions[1].number = 1;
  topic.partitions[1].replicas = {9};
  decisions_.OnTopicFound(topic);
  EXPECT_EQ(Show("t", 0), "leader 3 epoch 0 version 0 isr 3,1");
  EXPECT_FALSE(P("t", 1).has_state);  // nobody lives who could lead it
  Effects effects = decisions_.TakeEffects();
  ASSERT_EQ(effects.ops.size(), 3u);  // partitions, partitions/0, its state
  EXPECT_EQ(effects.group_ends, (std::vector<size_t>{3}));
  Alive({{1, 101}, {9, 109}});
  EXPECT_EQ(Show("t", 1), "leader 9 epoch 0 version 0 isr 9");
}

// ---- AlterPartition

TEST_F(DecisionsTest, LeaderShrinksAndGrowsItsSet) {
  Create("t", {{1, 2, 3}});
  auto r = Alter(1, 101, 0, 0, {{1, 101}, {2, 102}});
  EXPECT_EQ(r.partitions(0).error_code(), v1::NONE);
  EXPECT_EQ(r.partitions(0).state().partition_epoch(), 1);
  EXPECT_EQ(Show(), "leader 1 epoch 0 version 1 isr 1,2");
  Alter(1, 101, 0, 1, {{1, 101}, {2, 102}, {3, 103}});
  EXPECT_EQ(Show(), "leader 1 epoch 0 version 2 isr 1,2,3");
}

TEST_F(DecisionsTest, RefusesWhatAnAlterPartitionMustNotDo) {
  Create("t", {{1, 2}});
  P().leader_epoch = 4;
  P().version = 9;
  const std::string before = Show();
  struct Case {
    const char* what;
    int32_t broker;
    int64_t broker_epoch;
    int32_t leader_epoch;
    int32_t version;
    std::vector<std::pair<int32_t, int64_t>> isr;
    v1::ErrorCode top;
    v1::ErrorCode code;
  };
  const Case cases[] = {
      {"an old incarnation", 1, 100, 4, 9, {{1, 101}}, v1::STALE_BROKER_EPOCH,
       v1::NONE},
      {"an unknown broker", 7, 107, 4, 9, {{1, 101}}, v1::STALE_BROKER_EPOCH,
       v1::NONE},
      {"an old leader epoch", 1, 101, 3, 9, {{1, 101}}, v1::NONE,
       v1::FENCED_LEADER_EPOCH},
      {"a leader epoch to come", 1, 101, 5, 9, {{1, 101}}, v1::NONE,
       v1::NOT_CONTROLLER},
      {"not the leader", 2, 102, 4, 9, {{2, 102}}, v1::NONE,
       v1::FENCED_LEADER_EPOCH},
      {"an old version", 1, 101, 4, 8, {{1, 101}}, v1::NONE,
       v1::INVALID_UPDATE_VERSION},
      {"a version to come", 1, 101, 4, 10, {{1, 101}}, v1::NONE,
       v1::NOT_CONTROLLER},
      {"an empty set", 1, 101, 4, 9, {}, v1::NONE, v1::INVALID_REQUEST},
      {"without the leader", 1, 101, 4, 9, {{2, 102}}, v1::NONE,
       v1::INVALID_REQUEST},
      {"not a replica", 1, 101, 4, 9, {{1, 101}, {3, 103}}, v1::NONE,
       v1::INVALID_REQUEST},
      {"twice the same", 1, 101, 4, 9, {{1, 101}, {1, 101}}, v1::NONE,
       v1::INVALID_REQUEST},
  };
  for (const Case& c : cases) {
    auto r = Alter(c.broker, c.broker_epoch, c.leader_epoch, c.version, c.isr);
    EXPECT_EQ(r.error_code(), c.top) << c.what;
    if (c.top == v1::NONE) {
      EXPECT_EQ(r.partitions(0).error_code(), c.code) << c.what;
    }
    EXPECT_EQ(Show(), before) << c.what;
  }
  EXPECT_EQ(Alter(1, 101, 4, 9, {{1, 101}}, "nobody").partitions(0)
                .error_code(),
            v1::UNKNOWN_TOPIC_ID);
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());
}

TEST_F(DecisionsTest, IneligibleReplicasDoNotJoin) {
  Create("t", {{1, 2}});
  Alter(1, 101, 0, 0, {{1, 101}});
  // Its fetches came from an earlier incarnation.
  EXPECT_EQ(
      Alter(1, 101, 0, 1, {{1, 101}, {2, 99}}).partitions(0).error_code(),
      v1::INELIGIBLE_REPLICA);
  Shutdown(2, 102);
  EXPECT_EQ(
      Alter(1, 101, 0, 1, {{1, 101}, {2, 102}}).partitions(0).error_code(),
      v1::INELIGIBLE_REPLICA);
  Alive({{1, 101}});
  EXPECT_EQ(
      Alter(1, 101, 0, 1, {{1, 101}, {2, -1}}).partitions(0).error_code(),
      v1::INELIGIBLE_REPLICA);
  Alive({{1, 101}, {2, 202}});
  EXPECT_EQ(
      Alter(1, 101, 0, 1, {{1, 101}, {2, 202}}).partitions(0).error_code(),
      v1::NONE);
}

TEST_F(DecisionsTest, TheSameChangeAskedTwiceIsDoneOnce) {
  Create("t", {{1, 2}});
  Alter(1, 101, 0, 0, {{1, 101}});
  auto again = Alter(1, 101, 0, 0, {{1, 101}});
  EXPECT_EQ(again.partitions(0).error_code(), v1::NONE);
  EXPECT_EQ(again.partitions(0).state().partition_epoch(), 1);
  EXPECT_EQ(Show(), "leader 1 epoch 0 version 1 isr 1");
}

// ---- handing over

TEST_F(DecisionsTest, ControlledShutdownMovesLeadersAndLeavesSets) {
  Create("led", {{1, 2, 3}});
  Create("followed", {{2, 1}});
  Create("alone", {{1}});
  EXPECT_EQ(Shutdown(1, 101).remaining(), 0);
  EXPECT_EQ(Show("led"), "leader 2 epoch 1 version 1 isr 2,3");
  EXPECT_EQ(Show("followed"), "leader 2 epoch 0 version 1 isr 2");
  EXPECT_EQ(Show("alone"), "leader 1 epoch 0 version 0 isr 1");
  EXPECT_EQ(Shutdown(1, 100).error_code(), v1::STALE_BROKER_EPOCH);
}

TEST_F(DecisionsTest, WhatNobodyCanTakeOverRemains) {
  Create("t", {{1, 2}});
  Alter(1, 101, 0, 0, {{1, 101}});
  EXPECT_EQ(Shutdown(1, 101).remaining(), 1);
  EXPECT_EQ(Show(), "leader 1 epoch 0 version 1 isr 1");
  // It may still shrink or keep its set, though not lead anew elsewhere.
  EXPECT_EQ(Alter(1, 101, 0, 1, {{1, 101}, {2, 102}}).partitions(0)
                .error_code(),
            v1::NONE);
  EXPECT_EQ(Shutdown(1, 101).remaining(), 0);
  EXPECT_EQ(Show(), "leader 2 epoch 1 version 3 isr 2");
}

TEST_F(DecisionsTest, AStoppingBrokerLeadsRatherThanNobody) {
  Create("t", {{1, 2}});
  state_.brokers[2].shutting_down = true;
  Alive({{2, 102}, {3, 103}});
  EXPECT_EQ(Show(), "leader 2 epoch 1 version 1 isr 2");
}

TEST_F(DecisionsTest, PreferredLeadersTakeOverBeyondTheThreshold) {
  std::vector<Ids> assignments(10, Ids{1, 2});
  Create("t", assignments);
  for (int i = 0; i < 2; ++i) {
    P("t", i).leader = 2;
    P("t", i).leader_epoch = 1;
  }
  P("t", 1).isr = {2};  // the preferred one is out of sync
  decisions_.RebalanceLeaders(20);
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());  // 20 % is allowed
  decisions_.RebalanceLeaders(10);
  EXPECT_EQ(Show("t", 0), "leader 1 epoch 2 version 1 isr 1,2");
  EXPECT_EQ(P("t", 1).leader, 2);
}

// ---- topics

TEST_F(DecisionsTest, RefusesTopicsWithKafkasCodesAndWords) {
  Create("exists.here", {{1}});
  auto topic = [](const std::string& name, int32_t partitions,
                  int32_t factor) {
    v1::NewTopic t;
    t.set_name(name);
    t.set_partitions(partitions);
    t.set_replication_factor(factor);
    return t;
  };
  auto assigned = [&](const std::vector<std::pair<int32_t, Ids>>& list) {
    v1::NewTopic t = topic("new", 0, 0);
    for (const auto& [number, ids] : list) {
      v1::ReplicaAssignment* a = t.add_assignments();
      a->set_partition(number);
      a->mutable_broker_ids()->Assign(ids.begin(), ids.end());
    }
    return t;
  };
  v1::NewTopic both = assigned({{0, {1}}});
  both.set_partitions(1);
  v1::NewTopic config = topic("new", 1, 1);
  (*config.mutable_configs())["retention.ms"] = "x";
  struct Case {
    v1::NewTopic topic;
    v1::ErrorCode code;
    const char* says;
  };
  const Case cases[] = {
      {topic("exists.here", 1, 1), v1::TOPIC_ALREADY_EXISTS,
       "Topic 'exists.here' already exists."},
      {topic("exists_here", 1, 1), v1::INVALID_TOPIC_EXCEPTION,
       "Topic 'exists_here' collides with existing topics: exists.here"},
      {topic("no/slash", 1, 1), v1::INVALID_TOPIC_EXCEPTION, "no/slash"},
      {topic("new", -2, 1), v1::INVALID_PARTITIONS,
       "Number of partitions must be larger than 0."},
      {topic("new", 100'001, 1), v1::INVALID_PARTITIONS, "100001"},
      {topic("new", 1, -5), v1::INVALID_REPLICATION_FACTOR,
       "Replication factor must be larger than 0."},
      {topic("new", 1, 4), v1::INVALID_REPLICATION_FACTOR,
       "Replication factor: 4 larger than available brokers: 3."},
      {config, v1::INVALID_CONFIG, "retention.ms"},
      {both, v1::INVALID_REQUEST, "Both"},
      {assigned({{1, {1}}}), v1::INVALID_REPLICA_ASSIGNMENT, "consecutive"},
      {assigned({{0, {1}}, {0, {2}}}), v1::INVALID_REPLICA_ASSIGNMENT, "twice"},
      {assigned({{0, {1, 1}}}), v1::INVALID_REPLICA_ASSIGNMENT, "Duplicate"},
      {assigned({{0, {}}}), v1::INVALID_REPLICA_ASSIGNMENT, "no replica"},
      {assigned({{0, {1}}, {1, {1, 2}}}), v1::INVALID_REPLICA_ASSIGNMENT,
       "same number of replicas"},
      {assigned({{0, {7}}}), v1::INVALID_REPLICA_ASSIGNMENT, "broker 7"},
  };
  for (const Case& c : cases) {
    v1::CreateTopicsRequest request;
    *request.add_topics() = c.topic;
    v1::TopicResult result = CreateTopics(request).topics(0);
    EXPECT_EQ(result.error_code(), c.code) << result.error_message();
    EXPECT_NE(result.error_message().find(c.says), std::string::npos)
        << result.error_message();
    EXPECT_EQ(result.error_message().find("INVALID_"), std::string::npos);
  }
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());
  EXPECT_EQ(state_.topics.size(), 1u);
}

TEST_F(DecisionsTest, CreatesTopicsWithDefaultsInOneGroupOfWrites) {
  v1::CreateTopicsRequest request;
  request.add_topics()->set_name("t");
  (*request.mutable_topics(0)->mutable_configs())["retention.ms"] = "9";
  request.set_validate_only(true);
  v1::TopicResult result = CreateTopics(request).topics(0);
  EXPECT_EQ(result.error_code(), v1::NONE);
  EXPECT_EQ(result.partitions(), 1);
  EXPECT_EQ(state_.topics.size(), 0u);
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());

  request.set_validate_only(false);
  result = CreateTopics(request).topics(0);
  EXPECT_EQ(result.topic_id().size(), 22u);
  Effects effects = decisions_.TakeEffects();
  std::vector<std::string> paths;
  for (const auto& op : effects.ops) paths.push_back(op.create().path());
  EXPECT_EQ(paths, (std::vector<std::string>{
                       "/config/topics/t", "/brokers/topics/t",
                       "/brokers/topics/t/partitions",
                       "/brokers/topics/t/partitions/0",
                       "/brokers/topics/t/partitions/0/state"}));
  EXPECT_EQ(effects.group_ends, (std::vector<size_t>{5}));
  v1::ClusterUpdate delta = MakeDelta(state_, effects);
  EXPECT_TRUE(delta.topics(0).configs_changed());
  EXPECT_EQ(delta.topics(0).configs().at("retention.ms"), "9");
  EXPECT_TRUE(delta.topics(0).partitions(0).is_new());
}

TEST_F(DecisionsTest, ATopicNamedTwiceInOneRequestIsRefusedTwice) {
  v1::CreateTopicsRequest request;
  request.add_topics()->set_name("t");
  request.add_topics()->set_name("t");
  auto response = CreateTopics(request);
  EXPECT_EQ(response.topics(0).error_code(), v1::INVALID_REQUEST);
  EXPECT_EQ(response.topics(1).error_code(), v1::INVALID_REQUEST);
}

v1::DeleteTopicsRequest Names(std::initializer_list<const char*> names) {
  v1::DeleteTopicsRequest request;
  for (const char* name : names) request.add_names(name);
  return request;
}

TEST_F(DecisionsTest, DeletionEndsWhenTheLiveBrokersHaveDoneIt) {
  const std::string id = Create("t", {{1, 2}}).topic_id();
  auto response = decisions_.DeleteTopics(Names({"t", "none"}));
  EXPECT_EQ(response.topics(0).error_code(), v1::NONE);
  EXPECT_EQ(response.topics(1).error_code(), v1::UNKNOWN_TOPIC_OR_PARTITION);
  Effects effects = decisions_.TakeEffects();
  ASSERT_EQ(effects.ops.size(), 1u);
  EXPECT_EQ(effects.ops[0].create().path(), "/admin/delete_topics/t");
  EXPECT_EQ(MakeDelta(state_, effects).topics_deleted(0).topic_id(), id);
  decisions_.OnDeletionTold(effects.topics_deleted, 8);

  decisions_.OnApplied(1, 8);
  decisions_.OnApplied(2, 7);  // not there yet
  EXPECT_TRUE(decisions_.TakeEffects().NothingToWrite());
  EXPECT_EQ(CreateTopics([] {
              v1::CreateTopicsRequest r;
              r.add_topics()->set_name("t");
              return r;
            }()).topics(0).error_message(),
            "Topic 't' is marked for deletion.");
  decisions_.OnApplied(2, 8);
  EXPECT_EQ(state_.FindTopic("t"), nullptr);
  std::vector<std::string> paths;
  for (const auto& op : decisions_.TakeEffects().ops) {
    paths.push_back(op.delete_().path());
  }
  EXPECT_EQ(paths, (std::vector<std::string>{
                       "/brokers/topics/t/partitions/0/state",
                       "/brokers/topics/t/partitions/0",
                       "/brokers/topics/t/partitions", "/config/topics/t",
                       "/brokers/topics/t", "/admin/delete_topics/t"}));
  EXPECT_TRUE(state_.leftovers.empty());
}

TEST_F(DecisionsTest, AReportOfDeletedFilesCountsToo) {
  const std::string id = Create("t", {{1}, {1}}).topic_id();
  decisions_.DeleteTopics(Names({"t"}));
  google::protobuf::RepeatedPtrField<v1::DeletedReplica> gone;
  gone.Add()->set_topic_id(id);
  decisions_.OnReplicasDeleted(1, gone);
  EXPECT_NE(state_.FindTopic("t"), nullptr);  // partition 1 is still there
  gone.Mutable(0)->set_partition(1);
  decisions_.OnReplicasDeleted(1, gone);
  EXPECT_EQ(state_.FindTopic("t"), nullptr);
}

TEST_F(DecisionsTest, ABrokerThatWasAwayIsToldOfTheDeletionWhenItIsBack) {
  const std::string id = Create("t", {{1, 2}, {3, 2}}).topic_id();
  Alive({{1, 101}, {3, 103}});
  decisions_.DeleteTopics(Names({"t"}));
  decisions_.OnDeletionTold(decisions_.TakeEffects().topics_deleted, 4);
  decisions_.OnApplied(1, 4);
  EXPECT_NE(state_.FindTopic("t"), nullptr);
  Alive({{1, 101}});  // 3 fails before it has done it
  EXPECT_EQ(state_.FindTopic("t"), nullptr);
  EXPECT_EQ(state_.leftovers.at(id).pending,
            (std::map<int32_t, std::set<int32_t>>{{2, {0, 1}}, {3, {1}}}));
  Effects effects = decisions_.TakeEffects();
  EXPECT_EQ(effects.ops[0].create().path(), "/admin/deleted_replicas/" + id);

  Alive({{1, 101}, {2, 202}});
  EXPECT_EQ(MakeSnapshot(state_, 2).topics_deleted(0).topic_id(), id);
  EXPECT_EQ(MakeSnapshot(state_, 1).topics_deleted_size(), 0);
  decisions_.TakeEffects();
  decisions_.OnApplied(2, 5);
  effects = decisions_.TakeEffects();
  ASSERT_EQ(effects.ops.size(), 1u);
  EXPECT_EQ(effects.ops[0].set_data().path(), "/admin/deleted_replicas/" + id);
  Alive({{1, 101}, {2, 202}, {3, 303}});
  decisions_.OnApplied(3, 6);
  EXPECT_TRUE(state_.leftovers.empty());
  effects = decisions_.TakeEffects();
  EXPECT_EQ(effects.ops.back().delete_().path(),
            "/admin/deleted_replicas/" + id);
}

TEST_F(DecisionsTest, ATopicOfDeadBrokersAloneCanBeDeleted) {
  Create("t", {{3}});
  Alive({{1, 101}, {2, 102}});
  decisions_.DeleteTopics(Names({"t"}));
  decisions_.OnDeletionTold(decisions_.TakeEffects().topics_deleted, 4);
  EXPECT_EQ(state_.FindTopic("t"), nullptr);
  EXPECT_EQ(state_.leftovers.size(), 1u);
}

TEST_F(DecisionsTest, DeletionCanBeSwitchedOff) {
  Create("t", {{1}});
  Decisions strict({.delete_topic_enable = false}, &state_);
  EXPECT_EQ(strict.DeleteTopics(Names({"t"})).topics(0).error_code(),
            v1::TOPIC_DELETION_DISABLED);
  strict.OnDeleteMarker("t");
  EXPECT_EQ(strict.TakeEffects().ops[0].delete_().path(),
            "/admin/delete_topics/t");
  EXPECT_FALSE(state_.FindTopic("t")->deleting);
}

TEST_F(DecisionsTest, MarkersOfOtherHandsCountAndStrayOnesAreSwept) {
  Create("t", {{1}});
  decisions_.OnDeleteMarker("t");
  EXPECT_TRUE(state_.FindTopic("t")->deleting);
  Effects effects = decisions_.TakeEffects();
  EXPECT_TRUE(effects.NothingToWrite());  // the marker is there
  EXPECT_EQ(effects.topics_deleted.size(), 1u);
  decisions_.OnDeleteMarker("nobody");
  EXPECT_EQ(decisions_.TakeEffects().ops[0].delete_().path(),
            "/admin/delete_topics/nobody");
}

TEST_F(DecisionsTest, ADeletedTopicIsNotLedOrTold) {
  Create("t", {{1, 2}});
  decisions_.DeleteTopics(Names({"t"}));
  decisions_.TakeEffects();
  Alive({{2, 102}, {3, 103}});
  EXPECT_EQ(decisions_.TakeEffects().partition_writes, 0u);
  EXPECT_EQ(MakeSnapshot(state_, 2).topics_size(), 0);
  EXPECT_EQ(MakeSnapshot(state_, 2).topics_deleted_size(), 1);
  EXPECT_EQ(Alter(2, 102, 0, 0, {{2, 102}}).partitions(0).error_code(),
            v1::UNKNOWN_TOPIC_ID);
}

TEST_F(DecisionsTest, EmptyLogIsRightOnlyForTheIncarnationsOfTheCreation) {
  Create("t", {{1, 2}});
  EXPECT_TRUE(MakeSnapshot(state_, 2).topics(0).partitions(0).is_new());
  Alive({{1, 101}, {2, 202}, {3, 103}});
  EXPECT_FALSE(MakeSnapshot(state_, 2).topics(0).partitions(0).is_new());
  EXPECT_TRUE(MakeSnapshot(state_, 1).topics(0).partitions(0).is_new());
}

// ---- multis

TEST_F(DecisionsTest, MultisAreFencedBoundedAndInOrder) {
  Create("t", std::vector<Ids>(1000, Ids{1, 2, 3}));
  Alive({{2, 102}, {3, 103}});
  Effects effects = decisions_.TakeEffects();
  EXPECT_EQ(effects.partition_writes, 1000u);
  std::vector<v1::CoordRequest> multis = PackMultis(state_, effects, 16 * 1024);
  EXPECT_GT(multis.size(), 5u);
  size_t next = 0;
  for (const v1::CoordRequest& multi : multis) {
    EXPECT_LE(multi.ByteSizeLong(), 17u * 1024);
    ASSERT_GT(multi.multi().ops_size(), 1);
    EXPECT_EQ(multi.multi().ops(0).check().path(), "/controller_epoch");
    EXPECT_EQ(multi.multi().ops(0).check().version(), 6);
    for (int i = 1; i < multi.multi().ops_size(); ++i, ++next) {
      EXPECT_EQ(multi.multi().ops(i).set_data().path(),
                effects.ops[next].set_data().path());
    }
  }
  EXPECT_EQ(next, 1000u);
}

TEST_F(DecisionsTest, AGroupStaysInOneMultiWhenItFits) {
  v1::CreateTopicsRequest request;
  for (int i = 0; i < 40; ++i) {
    request.add_topics()->set_name("topic-" + std::to_string(i));
  }
  CreateTopics(request);
  for (const v1::CoordRequest& multi :
       PackMultis(state_, decisions_.TakeEffects(), 2000)) {
    // check + whole topics of five operations
    EXPECT_EQ((multi.multi().ops_size() - 1) % 5, 0);
  }
}

}  // namespace
}  // namespace sillok
