// Metadata, groups and their offsets through the door, in every version.
#include <string>
#include <vector>

#include "broker/group/group_coordinator.h"
#include "proto/kafka/config_admin.h"
#include "proto/kafka/group_admin.h"
#include "proto/kafka/group_membership.h"
#include "proto/kafka/group_offsets.h"
#include "proto/kafka/metadata.h"
#include "proto/kafka/replica_admin.h"
#include "proto/kafka/topic_admin.h"
#include "test/broker/kafka/door_fixture.h"

namespace sillok::kafka_door {
namespace {

using namespace kafka;  // the messages, by dozens

class MetadataTest : public DoorTest {};

TEST_F(MetadataTest, AllTopicsAreAskedForByNullAndInVersionZeroByNone) {
  for (int16_t version = 0; version <= 12; ++version) {
    MetadataRequest request;
    if (version > 0) request.topics.reset();
    auto response = Ask<MetadataResponse>(request, version);
    ASSERT_EQ(response.topics.size(), 3u) << version;
    const auto& offsets = response.topics[0];
    EXPECT_EQ(offsets.name, "__consumer_offsets");
    EXPECT_EQ(offsets.is_internal, version >= 1);
    const auto& orders = response.topics[2];
    EXPECT_EQ(orders.name, "orders");
    EXPECT_EQ(orders.partitions.size(), 3u);
    EXPECT_EQ(orders.partitions[0].leader_id, 0);
    EXPECT_EQ(orders.partitions[0].leader_epoch, version >= 7 ? 5 : -1);
    EXPECT_EQ(orders.topic_id[15], version >= 10 ? 1 : 0);
    EXPECT_EQ(orders.topic_authorized_operations, INT32_MIN);
    EXPECT_EQ(response.cluster_authorized_operations, INT32_MIN);
    EXPECT_EQ(response.controller_id, version >= 1 ? 1 : -1);
    if (version >= 2) {
      EXPECT_EQ(response.cluster_id, "test-cluster-id");
    }
    ASSERT_EQ(response.brokers.size(), 2u);
    EXPECT_EQ(response.brokers[0].host, "host-0");
    EXPECT_EQ(response.brokers[0].port, 9092);
    EXPECT_EQ(response.brokers[0].rack, std::nullopt);
    if (version >= 1) {
      EXPECT_EQ(response.brokers[1].rack, "rack-1");
    }
  }
}

TEST_F(MetadataTest, NoTopicsAreAskedForByAnEmptyList) {
  for (int16_t version = 1; version <= 12; ++version) {
    auto response = Ask<MetadataResponse>(MetadataRequest(), version);
    EXPECT_TRUE(response.topics.empty());
    EXPECT_EQ(response.brokers.size(), 2u);
  }
}

TEST_F(MetadataTest, ClientsHearOnlyOfBrokersWithTheirListener) {
  Connect("INTERNAL");
  auto response = Ask<MetadataResponse>(MetadataRequest(), 9);
  ASSERT_EQ(response.brokers.size(), 1u);
  EXPECT_EQ(response.brokers[0].port, 9093);
  // The controller, broker 1, cannot be reached: this one passes requests on.
  EXPECT_EQ(response.controller_id, 0);
}

TEST_F(MetadataTest, UnknownTopicsAndWrongNamesAreErrors) {
  MetadataRequest request;
  request.allow_auto_topic_creation = false;
  for (const char* name : {"nowhere", "", "a/b", ".."}) {
    request.topics->push_back({{}, name});
  }
  auto response = Ask<MetadataResponse>(request, 8);
  ASSERT_EQ(response.topics.size(), 4u);
  EXPECT_EQ(response.topics[0].error_code, 3);
  for (int i = 1; i < 4; ++i) EXPECT_EQ(response.topics[i].error_code, 17);
}

TEST_F(MetadataTest, OperationsAreToldWhenAskedFor) {
  MetadataRequest request;
  request.topics->push_back({{}, "orders"});
  request.include_topic_authorized_operations = true;
  request.include_cluster_authorized_operations = true;
  auto response = Ask<MetadataResponse>(request, 8);
  EXPECT_EQ(response.topics[0].topic_authorized_operations, 3576);
  EXPECT_EQ(response.cluster_authorized_operations, 8096);
}

TEST_F(MetadataTest, TopicsCanBeAskedForByIdFromVersionTwelveOn) {
  MetadataRequest request;
  request.allow_auto_topic_creation = false;
  request.topics->push_back({{}, std::nullopt});
  request.topics->back().topic_id[15] = 1;
  auto response = Ask<MetadataResponse>(request, 12);
  ASSERT_EQ(response.topics.size(), 1u);
  EXPECT_EQ(response.topics[0].name, "orders");
  for (int16_t version : {10, 11}) {
    response = Ask<MetadataResponse>(request, version);
    EXPECT_EQ(response.topics.at(0).error_code, 42);
  }
  request.topics->at(0).topic_id[15] = 99;
  response = Ask<MetadataResponse>(request, 12);
  ASSERT_EQ(response.topics.size(), 1u);
  EXPECT_EQ(response.topics[0].error_code, 100);
  EXPECT_EQ(response.topics[0].name, std::nullopt);
  EXPECT_EQ(response.topics[0].topic_id, request.topics->at(0).topic_id);
}

TEST_F(MetadataTest, DescribeClusterTellsBrokersAlone) {
  for (int16_t version : {0, 1}) {
    auto response =
        Ask<DescribeClusterResponse>(DescribeClusterRequest(), version);
    EXPECT_EQ(response.error_code, 0);
    EXPECT_EQ(response.error_message, std::nullopt);
    EXPECT_EQ(response.cluster_id, "test-cluster-id");
    EXPECT_EQ(response.controller_id, 1);
    EXPECT_EQ(response.brokers.size(), 2u);
  }
  DescribeClusterRequest request;
  request.endpoint_type = 2;
  EXPECT_EQ(Ask<DescribeClusterResponse>(request, 1).error_code, 114);
  request.endpoint_type = 3;
  EXPECT_EQ(Ask<DescribeClusterResponse>(request, 1).error_code, 115);
}

class GroupsTest : public DoorTest {
 protected:
  GroupsTest() {
    auto leader = groups_log_->Elect();
    groups_->OnLeadership(0, groups_log_->epoch(), leader);
    while (groups_->stats().shards_active == 0) std::this_thread::yield();
  }

  static JoinGroupRequest Join(const std::string& group,
                               const std::string& member = "") {
    JoinGroupRequest request;
    request.group_id = group;
    request.member_id = member;
    request.session_timeout_ms = 10'000;
    request.rebalance_timeout_ms = 20'000;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", Bytes::FromString("subscription")});
    return request;
  }

  // A member of a stable group of one, whose assignment is "mine".
  JoinGroupResponse Member(const std::string& group, int16_t version = 5,
                           std::optional<std::string> instance = {}) {
    JoinGroupRequest request = Join(group);
    request.group_instance_id = std::move(instance);
    auto joined = Ask<JoinGroupResponse>(request, version);
    if (joined.error_code == 79) {
      request.member_id = joined.member_id;
      joined = Ask<JoinGroupResponse>(request, version);
    }
    EXPECT_EQ(joined.error_code, 0);
    SyncGroupRequest sync;
    sync.group_id = group;
    sync.generation_id = joined.generation_id;
    sync.member_id = joined.member_id;
    sync.assignments.push_back(
        {joined.member_id, Bytes::FromString("mine")});
    auto synced = Ask<SyncGroupResponse>(sync, 3);
    EXPECT_EQ(synced.error_code, 0);
    EXPECT_EQ(synced.assignment.ToString(), "mine");
    return joined;
  }
};

TEST_F(GroupsTest, FindCoordinatorGivesTheAddressOfTheSameListener) {
  for (int16_t version = 0; version <= 4; ++version) {
    FindCoordinatorRequest request;
    request.key = "g";
    request.coordinator_keys = {"g", "", "h"};
    auto response = Ask<FindCoordinatorResponse>(request, version);
    if (version < 4) {
      EXPECT_EQ(response.error_code, 0);
      EXPECT_EQ(response.node_id, 1);
      EXPECT_EQ(response.host, "host-1");
      EXPECT_EQ(response.port, 9092);
      if (version >= 1) {
        EXPECT_EQ(response.error_message, std::nullopt);
      }
      continue;
    }
    ASSERT_EQ(response.coordinators.size(), 3u);
    EXPECT_EQ(response.coordinators[0].host, "host-1");
    EXPECT_EQ(response.coordinators[0].error_message, std::nullopt);
    EXPECT_EQ(response.coordinators[1].error_code, 24);
    EXPECT_EQ(response.coordinators[1].node_id, -1);
    EXPECT_EQ(response.coordinators[2].key, "h");
  }
  Connect("INTERNAL");  // which broker 1 has not
  FindCoordinatorRequest request;
  request.key = "g";
  EXPECT_EQ(Ask<FindCoordinatorResponse>(request, 2).error_code, 15);
  request.key_type = 7;
  EXPECT_EQ(Ask<FindCoordinatorResponse>(request, 2).error_code, 42);
}

TEST_F(GroupsTest, MemberIdIsRequiredFromJoinVersionFourOn) {
  for (int16_t version = 0; version <= 9; ++version) {
    auto response = Ask<JoinGroupResponse>(
        Join("g" + std::to_string(version)), version);
    EXPECT_FALSE(response.member_id.empty());
    if (version < 4) {
      EXPECT_EQ(response.error_code, 0);
      EXPECT_EQ(response.generation_id, 1);
      EXPECT_EQ(response.protocol_name, "range");
      EXPECT_EQ(response.leader, response.member_id);
      ASSERT_EQ(response.members.size(), 1u);
      EXPECT_EQ(response.members[0].metadata.ToString(), "subscription");
    } else {
      EXPECT_EQ(response.error_code, 79);
      EXPECT_EQ(response.generation_id, -1);
      EXPECT_EQ(response.protocol_name,
                version >= 7 ? std::nullopt : std::optional<std::string>(""));
    }
  }
}

TEST_F(GroupsTest, MemberLivesInEveryVersion) {
  for (int16_t version = 0; version <= 9; ++version) {
    const std::string group = "life-" + std::to_string(version);
    auto joined = Member(group, version);
    if (version >= 7) {
      EXPECT_EQ(joined.protocol_type, "consumer");
    }
    const int16_t newest = 4;
    HeartbeatRequest heartbeat{group, joined.generation_id, joined.member_id,
                               {}};
    EXPECT_EQ(Ask<HeartbeatResponse>(heartbeat, std::min(version, newest))
                  .error_code,
              0);
    heartbeat.generation_id = 99;
    EXPECT_EQ(Ask<HeartbeatResponse>(heartbeat, std::min(version, newest))
                  .error_code,
              22);
    LeaveGroupRequest leave;
    leave.group_id = group;
    leave.member_id = joined.member_id;
    leave.members = {{joined.member_id, {}, "enough"}, {"stranger", {}, {}}};
    const int16_t leave_version = std::min<int16_t>(version, 5);
    auto left = Ask<LeaveGroupResponse>(leave, leave_version);
    EXPECT_EQ(left.error_code, 0);
    if (leave_version < 3) {
      EXPECT_EQ(Ask<LeaveGroupResponse>(leave, leave_version).error_code, 25);
      continue;
    }
    ASSERT_EQ(left.members.size(), 2u);
    EXPECT_EQ(left.members[0].error_code, 0);
    EXPECT_EQ(left.members[0].member_id, joined.member_id);
    EXPECT_EQ(left.members[0].group_instance_id, std::nullopt);
    EXPECT_EQ(left.members[1].error_code, 25);
  }
}

TEST_F(GroupsTest, RebalanceTimeoutOfNoneOrZeroIsTheSessionTimeout) {
  for (int16_t version : {0, 5}) {
    JoinGroupRequest request = Join("timeout-" + std::to_string(version));
    request.rebalance_timeout_ms = 0;
    auto joined = Ask<JoinGroupResponse>(request, version);
    if (joined.error_code == 79) {
      request.member_id = joined.member_id;
      joined = Ask<JoinGroupResponse>(request, version);
    }
    ASSERT_EQ(joined.error_code, 0);
    // Still there to sync, which a member without any time would not be.
    SyncGroupRequest sync;
    sync.group_id = request.group_id;
    sync.generation_id = joined.generation_id;
    sync.member_id = joined.member_id;
    EXPECT_EQ(Ask<SyncGroupResponse>(sync, 3).error_code, 0);
  }
}

TEST_F(GroupsTest, SyncFromVersionFiveOnNamesTheProtocol) {
  auto joined = Ask<JoinGroupResponse>(Join("g"), 3);
  SyncGroupRequest sync;
  sync.group_id = "g";
  sync.generation_id = joined.generation_id;
  sync.member_id = joined.member_id;
  EXPECT_EQ(Ask<SyncGroupResponse>(sync, 5).error_code, 23);
  sync.protocol_type = "consumer";
  sync.protocol_name = "other";
  EXPECT_EQ(Ask<SyncGroupResponse>(sync, 5).error_code, 23);
  sync.protocol_name = "range";
  auto synced = Ask<SyncGroupResponse>(sync, 5);
  EXPECT_EQ(synced.error_code, 0);
  EXPECT_EQ(synced.protocol_type, "consumer");
  EXPECT_EQ(synced.protocol_name, "range");
}

TEST_F(GroupsTest, EmptyGroupIdIsRefusedByMembersAlone) {
  EXPECT_EQ(Ask<JoinGroupResponse>(Join(""), 3).error_code, 24);
}

TEST_F(GroupsTest, OffsetsAreCommittedAndFetchedInEveryVersion) {
  for (int16_t version = 2; version <= 8; ++version) {
    OffsetCommitRequest commit;
    commit.group_id = "offsets-" + std::to_string(version);
    commit.topics.push_back({"orders", {{0, 10, 3, "note"}, {1, 11, -1, {}}}});
    commit.topics.push_back({"other", {{5, 12, -1, ""}}});
    auto committed = Ask<OffsetCommitResponse>(commit, version);
    ASSERT_EQ(committed.topics.size(), 2u);
    ASSERT_EQ(committed.topics[0].partitions.size(), 2u);
    EXPECT_EQ(committed.topics[0].partitions[1].error_code, 0);
    EXPECT_EQ(committed.topics[1].partitions[0].partition_index, 5);

    OffsetFetchRequest fetch;
    fetch.group_id = commit.group_id;
    fetch.topics.emplace().push_back({"orders", {1, 0, 2}});
    for (int16_t v = 1; v <= 7; ++v) {
      auto fetched = Ask<OffsetFetchResponse>(fetch, v);
      ASSERT_EQ(fetched.topics.size(), 1u);
      const auto& partitions = fetched.topics[0].partitions;
      ASSERT_EQ(partitions.size(), 3u);
      EXPECT_EQ(partitions[0].committed_offset, 11);
      EXPECT_EQ(partitions[0].metadata, "");
      EXPECT_EQ(partitions[1].committed_offset, 10);
      EXPECT_EQ(partitions[1].metadata, "note");
      EXPECT_EQ(partitions[1].committed_leader_epoch,
                v >= 5 && version >= 6 ? 3 : -1);
      EXPECT_EQ(partitions[2].committed_offset, -1);
      EXPECT_EQ(partitions[2].committed_leader_epoch, -1);
      EXPECT_EQ(partitions[2].error_code, 0);
    }
    fetch.topics.reset();
    for (int16_t v = 2; v <= 7; ++v) {
      auto fetched = Ask<OffsetFetchResponse>(fetch, v);
      ASSERT_EQ(fetched.topics.size(), 2u) << v;
      EXPECT_EQ(fetched.topics[0].partitions.size(), 2u);
    }
    OffsetFetchRequest batched;
    batched.groups.push_back({commit.group_id, {}, -1, std::nullopt});
    batched.groups[0].topics.emplace().push_back({"orders", {0}});
    batched.groups.push_back({commit.group_id, {}, -1, std::nullopt});
    batched.groups.push_back({"nobody", {}, -1, std::nullopt});
    auto fetched = Ask<OffsetFetchResponse>(batched, 8);
    ASSERT_EQ(fetched.groups.size(), 3u);
    EXPECT_EQ(fetched.groups[0].topics.at(0).partitions.at(0).committed_offset,
              10);
    EXPECT_EQ(fetched.groups[1].topics.size(), 2u);
    EXPECT_EQ(fetched.groups[2].group_id, "nobody");
    EXPECT_TRUE(fetched.groups[2].topics.empty());
  }
}

TEST_F(GroupsTest, ErrorsOfAWholeOffsetFetchStandWhereTheVersionHasThem) {
  groups_->OnResigned(0, LeaderEpoch(groups_log_->epoch().value() + 1));
  while (groups_->stats().shards_active != 0) std::this_thread::yield();
  OffsetFetchRequest fetch;
  fetch.group_id = "g";
  fetch.topics.emplace().push_back({"orders", {0, 1}});
  auto fetched = Ask<OffsetFetchResponse>(fetch, 1);
  ASSERT_EQ(fetched.topics.size(), 1u);
  EXPECT_EQ(fetched.topics[0].partitions.at(1).error_code, 16);
  EXPECT_EQ(fetched.topics[0].partitions.at(1).committed_offset, -1);
  fetched = Ask<OffsetFetchResponse>(fetch, 2);
  EXPECT_EQ(fetched.error_code, 16);
  EXPECT_TRUE(fetched.topics.empty());
  OffsetCommitRequest commit;
  commit.group_id = "g";
  commit.topics.push_back({"orders", {{0, 10, -1, ""}, {1, 11, -1, ""}}});
  auto committed = Ask<OffsetCommitResponse>(commit, 5);
  EXPECT_EQ(committed.topics.at(0).partitions.at(0).error_code, 16);
  EXPECT_EQ(committed.topics.at(0).partitions.at(1).error_code, 16);
}

TEST_F(GroupsTest, GroupsAreDescribedAndListed) {
  auto joined = Member("seen", 5, "instance-1");
  for (int16_t version = 0; version <= 5; ++version) {
    DescribeGroupsRequest request;
    request.groups = {"seen", "unseen"};
    request.include_authorized_operations = true;
    auto response = Ask<DescribeGroupsResponse>(request, version);
    ASSERT_EQ(response.groups.size(), 2u);
    const auto& group = response.groups[0];
    EXPECT_EQ(group.group_state, "Stable");
    EXPECT_EQ(group.protocol_type, "consumer");
    EXPECT_EQ(group.protocol_data, "range");
    EXPECT_EQ(group.authorized_operations, version >= 3 ? 328 : INT32_MIN);
    ASSERT_EQ(group.members.size(), 1u);
    EXPECT_EQ(group.members[0].client_id, "test-client");
    EXPECT_EQ(group.members[0].client_host, "/10.1.2.3");
    EXPECT_EQ(group.members[0].member_assignment.ToString(), "mine");
    EXPECT_EQ(group.members[0].group_instance_id,
              version >= 4 ? std::optional<std::string>("instance-1")
                           : std::nullopt);
    EXPECT_EQ(response.groups[1].group_state, "Dead");
    EXPECT_EQ(response.groups[1].error_code, 0);
  }
  for (int16_t version = 0; version <= 4; ++version) {
    ListGroupsRequest request;
    auto response = Ask<ListGroupsResponse>(request, version);
    ASSERT_EQ(response.groups.size(), 1u);
    EXPECT_EQ(response.groups[0].group_id, "seen");
    EXPECT_EQ(response.groups[0].group_state, version >= 4 ? "Stable" : "");
  }
  ListGroupsRequest request;
  request.states_filter = {"Empty"};
  EXPECT_TRUE(Ask<ListGroupsResponse>(request, 4).groups.empty());
}

TEST_F(GroupsTest, GroupsAndOffsetsAreDeleted) {
  OffsetCommitRequest commit;
  commit.group_id = "simple";
  commit.topics.push_back({"orders", {{0, 10, -1, ""}, {1, 11, -1, ""}}});
  Ask<OffsetCommitResponse>(commit, 5);
  Member("busy");

  OffsetDeleteRequest remove;
  remove.group_id = "simple";
  remove.topics.push_back({"orders", {{1}}});
  auto removed = Ask<OffsetDeleteResponse>(remove, 0);
  EXPECT_EQ(removed.error_code, 0);
  EXPECT_EQ(removed.topics.at(0).partitions.at(0).error_code, 0);
  remove.group_id = "nobody";
  removed = Ask<OffsetDeleteResponse>(remove, 0);
  EXPECT_EQ(removed.error_code, 69);
  EXPECT_TRUE(removed.topics.empty());

  for (int16_t version = 0; version <= 2; ++version) {
    DeleteGroupsRequest request;
    request.groups_names = {"busy", "nobody"};
    if (version == 2) request.groups_names.push_back("simple");
    auto response = Ask<DeleteGroupsResponse>(request, version);
    ASSERT_EQ(response.results.size(), request.groups_names.size());
    EXPECT_EQ(response.results[0].error_code, 68);
    EXPECT_EQ(response.results[1].error_code, 69);
    if (version == 2) {
      EXPECT_EQ(response.results[2].error_code, 0);
    }
  }
}

class AdminTest : public DoorTest {};

TEST_F(AdminTest, LogDirsAreDescribed) {
  for (int16_t version = 0; version <= 4; ++version) {
    DescribeLogDirsRequest request;
    request.topics.reset();
    auto response = Ask<DescribeLogDirsResponse>(request, version);
    ASSERT_EQ(response.results.size(), 1u);
    EXPECT_EQ(response.results[0].log_dir, context_.options.log_dir);
    ASSERT_EQ(response.results[0].topics.size(), 1u);
    EXPECT_EQ(response.results[0].topics[0].partitions.size(), 3u);
    EXPECT_EQ(response.results[0].total_bytes > 0, version >= 4);
    request.topics.emplace().push_back({"orders", {1, 9}});
    request.topics->push_back({"nowhere", {0}});
    response = Ask<DescribeLogDirsResponse>(request, version);
    ASSERT_EQ(response.results.at(0).topics.size(), 1u);
    EXPECT_EQ(response.results[0].topics[0].partitions.size(), 1u);
    request.topics.emplace();
    response = Ask<DescribeLogDirsResponse>(request, version);
    EXPECT_TRUE(response.results.at(0).topics.empty());
  }
}

TEST_F(AdminTest, ConfigsAreDescribedWithSourcesAndTypes) {
  for (int16_t version = 0; version <= 4; ++version) {
    DescribeConfigsRequest request;
    request.include_synonyms = request.include_documentation = true;
    request.resources.push_back(
        {2, "orders", std::vector<std::string>{"retention.ms"}});
    request.resources.push_back({2, "nowhere", std::nullopt});
    request.resources.push_back({2, "orders", std::nullopt});
    request.resources.push_back({8, "0", std::nullopt});
    auto response = Ask<DescribeConfigsResponse>(request, version);
    ASSERT_EQ(response.results.size(), 4u);
    EXPECT_EQ(response.results[0].error_code, 0);
    EXPECT_EQ(response.results[0].error_message, std::nullopt);
    ASSERT_EQ(response.results[0].configs.size(), 1u);
    const auto& config = response.results[0].configs[0];
    EXPECT_EQ(config.name, "retention.ms");
    EXPECT_EQ(config.value, "604800000");
    EXPECT_EQ(config.is_default, version == 0);
    EXPECT_EQ(config.config_source, version >= 1 ? 5 : -1);
    if (version >= 3) {
      EXPECT_FALSE(config.documentation->empty());
    }
    EXPECT_EQ(response.results[1].error_code, 3);
    EXPECT_GT(response.results[2].configs.size(), 20u);
    EXPECT_EQ(response.results[3].error_code, 42);
    EXPECT_EQ(response.results[3].resource_type, 8);
  }
}

TEST_F(AdminTest, WrongAlterationsAreRefusedBeforeTheControllerIsAsked) {
  IncrementalAlterConfigsRequest request;
  request.resources.push_back({2, "orders", {{"retention.ms", 9, "1"}}});
  request.resources.push_back({2, "orders", {{"retention.ms", 0, {}}}});
  request.resources.push_back({16, "x", {}});
  auto response = Ask<IncrementalAlterConfigsResponse>(request, 1);
  ASSERT_EQ(response.responses.size(), 3u);
  for (const auto& result : response.responses) {
    EXPECT_EQ(result.error_code, 42);
    EXPECT_TRUE(result.error_message.has_value());
  }
}

TEST_F(AdminTest, WrongTopicsAreRefusedBeforeTheControllerIsAsked) {
  CreateTopicsRequest request;
  request.topics.push_back({"a", 0, 1, {}, {}});
  request.topics.push_back({"b", 1, 0, {}, {}});
  request.topics.push_back({"c", 1, 1, {{0, {0}}}, {}});
  request.topics.push_back({"d", 1, 1, {}, {{"retention.ms", {}}}});
  request.topics.push_back({"e", 1, 1, {}, {}});
  request.topics.push_back({"e", 2, 1, {}, {}});
  for (int16_t version = 0; version <= 7; ++version) {
    auto response = Ask<CreateTopicsResponse>(request, version);
    ASSERT_EQ(response.topics.size(), 6u);
    const std::vector<int16_t> errors = {37, 38, 42, 40, 42, 42};
    for (size_t i = 0; i < errors.size(); ++i) {
      EXPECT_EQ(response.topics[i].error_code, errors[i]) << i;
      EXPECT_EQ(response.topics[i].name, request.topics[i].name);
      if (version >= 5) {
        EXPECT_EQ(response.topics[i].num_partitions, -1);
      }
    }
  }
  DeleteTopicsRequest remove;
  remove.topics.push_back({std::nullopt, {}});
  remove.topics.push_back({std::nullopt, {9}});
  remove.topics.push_back({"orders", {9}});
  auto removed = Ask<DeleteTopicsResponse>(remove, 6);
  ASSERT_EQ(removed.responses.size(), 3u);
  EXPECT_EQ(removed.responses[0].error_code, 42);
  EXPECT_EQ(removed.responses[1].error_code, 100);
  EXPECT_EQ(removed.responses[1].name, std::nullopt);
  EXPECT_EQ(removed.responses[1].topic_id[0], 9);
  EXPECT_EQ(removed.responses[2].error_code, 42);
}

}  // namespace
}  // namespace sillok::kafka_door
