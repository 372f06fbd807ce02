// The shell with real strands over a replicated log in memory, and Kafka's own
// __consumer_offsets log read through it.
#include "broker/group/group_coordinator.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/strand.h"
#include "base/timer.h"
#include "proto/record/record_batch.h"
#include "test/broker/journal/fake_replicated_log.h"
#include "test/golden/golden.h"

namespace sillok {
namespace {

class GroupCoordinatorTest : public testing::Test {
 protected:
  GroupCoordinatorTest() {
    options.offsets_topic_partitions = 1;
    options.initial_rebalance_delay_ms = 0;
  }

  std::unique_ptr<GroupCoordinator> Start() {
    GroupCoordinator::Environment environment;
    environment.executor = &executor;
    environment.timer = &timer;
    environment.clock = &Clock::Real();
    environment.topic_exists = [](const std::string& topic) {
      return topic != "missing";
    };
    return std::make_unique<GroupCoordinator>(options, environment);
  }
  void Lead(GroupCoordinator& coordinator) {
    auto leader = log->Elect();
    coordinator.OnLeadership(0, log->epoch(), leader);
  }

  // Makes the call and waits for its answer, again while it is loading.
  template <typename Response, typename Call>
  static Response Ask(const Call& call) {
    while (true) {
      std::promise<Response> promise;
      call([&](Response r) { promise.set_value(std::move(r)); });
      Response response = promise.get_future().get();
      if (response.error_code() != v1::COORDINATOR_LOAD_IN_PROGRESS) {
        return response;
      }
    }
  }
  static v1::JoinGroupResponse Join(GroupCoordinator& c,
                                    const std::string& member_id) {
    v1::JoinGroupRequest request;
    request.set_group_id("g");
    request.set_client_id("client");
    request.set_member_id(member_id);
    request.set_protocol_type("consumer");
    request.set_session_timeout_ms(30'000);
    request.set_rebalance_timeout_ms(60'000);
    request.add_protocols()->set_name("range");
    return Ask<v1::JoinGroupResponse>(
        [&](auto done) { c.Join(request, {"/127.0.0.1"}, done); });
  }
  static v1::SyncGroupResponse Sync(GroupCoordinator& c,
                                    const v1::JoinGroupResponse& joined) {
    v1::SyncGroupRequest request;
    request.set_group_id("g");
    request.set_member_id(joined.member_id());
    request.set_generation_id(joined.generation_id());
    auto* given = request.add_assignments();
    given->set_member_id(joined.member_id());
    given->set_assignment("all");
    return Ask<v1::SyncGroupResponse>(
        [&](auto done) { c.Sync(request, done); });
  }
  static v1::OffsetCommitRequest CommitOf(int64_t offset) {
    v1::OffsetCommitRequest request;
    request.set_group_id("g");
    request.set_generation_id(-1);
    auto* o = request.add_offsets();
    o->set_topic("t");
    o->set_partition(3);
    o->set_offset(offset);
    o->set_leader_epoch(2);
    o->set_metadata("m");
    return request;
  }
  static v1::OffsetCommitResponse Commit(GroupCoordinator& c,
                                         int64_t offset) {
    return Ask<v1::OffsetCommitResponse>(
        [&](auto done) { c.Commit(CommitOf(offset), done); });
  }
  static v1::OffsetFetchResponse Fetch(GroupCoordinator& c,
                                       const std::string& group) {
    v1::OffsetFetchRequest request;
    request.set_group_id(group);
    request.set_all_partitions(true);
    return Ask<v1::OffsetFetchResponse>(
        [&](auto done) { c.FetchOffsets(request, done); });
  }

  GroupOptions options;
  std::shared_ptr<FakeReplicatedLog> log =
      std::make_shared<FakeReplicatedLog>();
  Timer timer;
  Executor executor{"group", 2};
};

TEST_F(GroupCoordinatorTest, AGroupThatIsNotLedHereIsNotCoordinatedHere) {
  auto c = Start();
  EXPECT_EQ(Join(*c, "").error_code(), v1::NOT_COORDINATOR);
  EXPECT_EQ(Commit(*c, 1).offsets(0).error_code(), v1::NOT_COORDINATOR);
  EXPECT_EQ(Fetch(*c, "g").error_code(), v1::NOT_COORDINATOR);
}

TEST_F(GroupCoordinatorTest, AMemberJoinsSyncsHeartbeatsAndIsSeen) {
  auto c = Start();
  Lead(*c);
  const auto first = Join(*c, "");
  ASSERT_EQ(first.error_code(), v1::MEMBER_ID_REQUIRED);
  EXPECT_EQ(first.member_id().substr(0, 7), "client-");
  EXPECT_EQ(first.member_id().size(), 7u + 36u);
  const auto joined = Join(*c, first.member_id());
  ASSERT_EQ(joined.error_code(), v1::NONE);
  EXPECT_EQ(Sync(*c, joined).assignment(), "all");

  v1::HeartbeatRequest beat;
  beat.set_group_id("g");
  beat.set_member_id(joined.member_id());
  beat.set_generation_id(joined.generation_id());
  EXPECT_EQ(Ask<v1::HeartbeatResponse>(
                [&](auto done) { c->Heartbeat(beat, done); })
                .error_code(),
            v1::NONE);
  const auto listed = Ask<v1::ListGroupsResponse>(
      [&](auto done) { c->List({}, done); });
  ASSERT_EQ(listed.groups_size(), 1);
  EXPECT_EQ(listed.groups(0).state(), "Stable");
  v1::DescribeGroupsRequest describe;
  describe.add_group_ids("g");
  describe.add_group_ids("nobody");
  std::promise<v1::DescribeGroupsResponse> described;
  c->Describe(describe, [&](auto r) { described.set_value(std::move(r)); });
  const auto groups = described.get_future().get();
  EXPECT_EQ(groups.groups(0).members(0).client_host(), "/127.0.0.1");
  EXPECT_EQ(groups.groups(1).state(), "Dead");

  v1::LeaveGroupRequest leave;
  leave.set_group_id("g");
  leave.add_members()->set_member_id(joined.member_id());
  EXPECT_EQ(Ask<v1::LeaveGroupResponse>(
                [&](auto done) { c->Leave(leave, done); })
                .members(0),
            v1::NONE);
}

TEST_F(GroupCoordinatorTest, AnAnsweredCommitIsThereAfterALeaderChange) {
  auto first = Start();
  Lead(*first);
  ASSERT_EQ(Commit(*first, 41).error_code(), v1::NONE);
  // One more is in the log and not replicated when the leader changes.
  log->set_replicates_by_itself(false);
  std::promise<v1::OffsetCommitResponse> unanswered;
  first->Commit(CommitOf(42),
                [&](auto r) { unanswered.set_value(std::move(r)); });
  while (log->end() < 2) std::this_thread::yield();
  auto second = Start();
  auto leader = log->Elect(/*truncate=*/true);
  EXPECT_EQ(unanswered.get_future().get().error_code(), v1::NOT_COORDINATOR);
  log->set_replicates_by_itself(true);
  first->OnResigned(0, log->epoch());
  second->OnLeadership(0, log->epoch(), leader);
  const auto fetched = Fetch(*second, "g");
  ASSERT_EQ(fetched.offsets_size(), 1);
  EXPECT_EQ(fetched.offsets(0).offset(), 41);
  EXPECT_EQ(fetched.offsets(0).leader_epoch(), 2);
  EXPECT_EQ(fetched.offsets(0).metadata(), "m");
  EXPECT_EQ(Fetch(*first, "g").error_code(), v1::NOT_COORDINATOR);
}

TEST_F(GroupCoordinatorTest, AParkedJoinIsAnsweredWhenTheLeadershipEnds) {
  auto c = Start();
  Lead(*c);
  const auto joined = Join(*c, Join(*c, "").member_id());
  ASSERT_EQ(Sync(*c, joined).error_code(), v1::NONE);
  const std::string other = Join(*c, "").member_id();
  std::promise<v1::JoinGroupResponse> parked;
  v1::JoinGroupRequest request;
  request.set_group_id("g");
  request.set_member_id(other);
  request.set_protocol_type("consumer");
  request.set_session_timeout_ms(30'000);
  request.add_protocols()->set_name("range");
  c->Join(request, {}, [&](auto r) { parked.set_value(std::move(r)); });
  c->Stop();
  EXPECT_EQ(parked.get_future().get().error_code(), v1::NOT_COORDINATOR);
}

TEST_F(GroupCoordinatorTest, GroupsAreDeletedTogetherAndAnsweredInOrder) {
  auto c = Start();
  Lead(*c);
  ASSERT_EQ(Commit(*c, 41).error_code(), v1::NONE);
  v1::OffsetCommitRequest other = CommitOf(5);
  other.set_group_id("");  // Kafka lets offsets be kept under no name
  ASSERT_EQ(Ask<v1::OffsetCommitResponse>(
                [&](auto done) { c->Commit(other, done); })
                .error_code(),
            v1::NONE);
  v1::DeleteGroupsRequest request;
  request.add_group_ids("nobody");
  request.add_group_ids("g");
  request.add_group_ids("");
  const auto remove = [&] {
    std::promise<v1::DeleteGroupsResponse> answer;
    c->DeleteGroups(request, [&](auto r) { answer.set_value(std::move(r)); });
    return answer.get_future().get();
  };
  const v1::DeleteGroupsResponse removed = remove();
  ASSERT_EQ(removed.groups_size(), 3);
  EXPECT_EQ(removed.groups(0).group_id(), "nobody");
  EXPECT_EQ(removed.groups(0).error_code(), v1::GROUP_ID_NOT_FOUND);
  EXPECT_EQ(removed.groups(1).error_code(), v1::NONE);
  EXPECT_EQ(removed.groups(2).error_code(), v1::NONE);
  EXPECT_EQ(Fetch(*c, "g").offsets_size(), 0);
  EXPECT_EQ(Fetch(*c, "").offsets_size(), 0);
  const auto joined = Join(*c, Join(*c, "").member_id());
  ASSERT_EQ(joined.error_code(), v1::NONE);
  EXPECT_EQ(remove().groups(1).error_code(), v1::NON_EMPTY_GROUP);
  c->OnResigned(0, log->epoch());
  // On the strand, so behind the resignation.
  EXPECT_EQ(remove().groups(1).error_code(), v1::NOT_COORDINATOR);
}

TEST_F(GroupCoordinatorTest, OffsetsAreDeletedAndStayDeleted) {
  auto c = Start();
  Lead(*c);
  ASSERT_EQ(Commit(*c, 41).error_code(), v1::NONE);
  v1::OffsetDeleteRequest request;
  request.set_group_id("g");
  for (const char* topic : {"t", "missing"}) {
    v1::PartitionRef* partition = request.add_partitions();
    partition->set_topic(topic);
    partition->set_partition(3);
  }
  const auto removed = Ask<v1::OffsetDeleteResponse>(
      [&](auto done) { c->DeleteOffsets(request, done); });
  EXPECT_EQ(removed.error_code(), v1::NONE);
  EXPECT_EQ(removed.partitions(0).error_code(), v1::NONE);
  EXPECT_EQ(removed.partitions(1).error_code(),
            v1::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(Fetch(*c, "g").offsets_size(), 0);
  Lead(*c);
  EXPECT_EQ(Fetch(*c, "g").offsets_size(), 0);
}

TEST_F(GroupCoordinatorTest, ADeletedTopicTakesItsOffsetsWithIt) {
  auto c = Start();
  Lead(*c);
  ASSERT_EQ(Commit(*c, 41).error_code(), v1::NONE);
  c->OnTopicsDeleted({"other"});
  EXPECT_EQ(Fetch(*c, "g").offsets_size(), 1);
  c->OnTopicsDeleted({"other", "t"});
  // A commit of another topic is behind the tombstone in the log.
  v1::OffsetCommitRequest next = CommitOf(5);
  next.mutable_offsets(0)->set_topic("u");
  ASSERT_EQ(Ask<v1::OffsetCommitResponse>(
                [&](auto done) { c->Commit(next, done); })
                .error_code(),
            v1::NONE);
  const auto left = Fetch(*c, "g");
  ASSERT_EQ(left.offsets_size(), 1);
  EXPECT_EQ(left.offsets(0).topic(), "u");
  next.mutable_offsets(0)->set_topic("missing");
  EXPECT_EQ(Ask<v1::OffsetCommitResponse>(
                [&](auto done) { c->Commit(next, done); })
                .offsets(0)
                .error_code(),
            v1::UNKNOWN_TOPIC_OR_PARTITION);
}

TEST_F(GroupCoordinatorTest, GroupsAreListedByStateWhateverItsLetters) {
  auto c = Start();
  Lead(*c);
  ASSERT_EQ(Commit(*c, 41).error_code(), v1::NONE);
  const auto count = [&](const std::string& state) {
    v1::ListGroupsRequest request;
    request.add_states("Dead");
    request.add_states(state);
    return Ask<v1::ListGroupsResponse>(
               [&](auto done) { c->List(request, done); })
        .groups_size();
  };
  EXPECT_EQ(count("Empty"), 1);
  EXPECT_EQ(count("empty"), 1);
  EXPECT_EQ(count("Stable"), 0);
  EXPECT_EQ(count("Empt"), 0);
}

// The initial delay runs on the real timer.
TEST_F(GroupCoordinatorTest, ATimerCompletesTheFirstRebalance) {
  options.initial_rebalance_delay_ms = 20;
  auto c = Start();
  Lead(*c);
  EXPECT_EQ(Join(*c, Join(*c, "").member_id()).generation_id(), 1);
}

// What Kafka 3.9 wrote, aborted transactions and a tombstone among it.
TEST_F(GroupCoordinatorTest, KafkasOwnOffsetsLogIsRead) {
  const std::string bytes = golden::ReadText(
      "log/__consumer_offsets-0/00000000000000000000.log");
  const Bytes all = Bytes::FromString(bytes);
  record::BatchWalker walker(all);
  int64_t end = 0;
  while (walker.Next()) {
    ASSERT_EQ(walker.header().base_offset, end);
    log->Preload(walker.batch().ToString());
    end = walker.header().next_offset().value();
  }
  ASSERT_EQ(end, 41);
  auto c = Start();
  Lead(*c);
  const auto offsets_of = [&](const std::string& group) {
    std::string text;
    const auto fetched = Fetch(*c, group);
    for (const auto& o : fetched.offsets()) {
      text += o.topic() + "-" + std::to_string(o.partition()) + "=" +
              std::to_string(o.offset()) + "'" + o.metadata() + "' ";
    }
    return text;
  };
  EXPECT_EQ(offsets_of("golden-group"),
            "plain-0=123'a comment' three-0=0'' three-1=0'' three-2=0'' ");
  EXPECT_EQ(offsets_of("simple-group"), "plain-0=7'' ");
  EXPECT_EQ(offsets_of("txn-group"), "plain-0=32'from txn' ");
  const auto listed = Ask<v1::ListGroupsResponse>(
      [&](auto done) { c->List({}, done); });
  std::string states;
  for (const auto& g : listed.groups()) {
    states += g.group_id() + ":" + g.state() + " ";
  }
  EXPECT_EQ(states, 
            "golden-group:Stable simple-group:Empty txn-group:Empty ");
}

}  // namespace
}  // namespace sillok
