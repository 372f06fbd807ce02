#include "client/internal/group_member.h"

#include <string>
#include <vector>

#include "client/internal/consumer_protocol.h"
#include "gtest/gtest.h"

namespace sillok::client {
namespace {

using Step = GroupMember::Step;
using Event = GroupMember::Event;

GroupMemberOptions Options() {
  GroupMemberOptions options;
  options.group_id = "g";
  options.client_id = "c";
  options.session_timeout_ms = 1000;
  options.heartbeat_interval_ms = 100;
  options.max_poll_interval_ms = 5000;
  options.retry_backoff_ms = 10;
  return options;
}

// A member and the coordinator's answers, on a clock the test turns.
class Scene {
 public:
  explicit Scene(GroupMemberOptions options = Options()) : member(options) {}

  Step Expect(Step::Kind kind) {
    auto step = member.Next(now);
    EXPECT_TRUE(step.has_value()) << "no step, wanted " << kind;
    if (!step) return {};
    EXPECT_EQ(step->kind, kind);
    return *step;
  }
  void ExpectNothing() { EXPECT_FALSE(member.Next(now).has_value()); }

  void Join(const Step& step, const std::string& leader, int generation,
            std::vector<std::pair<std::string, std::vector<std::string>>>
                members = {}) {
    v1::JoinGroupResponse response;
    response.set_generation_id(generation);
    response.set_member_id("me");
    response.set_leader(leader);
    response.set_protocol_name("range");
    for (const auto& [id, topics] : members) {
      auto* joined = response.add_members();
      joined->set_member_id(id);
      joined->set_metadata(EncodeSubscription({topics}));
    }
    member.OnJoin(step.round, ErrorCode::NONE, response, now);
  }
  void Sync(const Step& step, const std::vector<TopicPartition>& mine) {
    v1::SyncGroupResponse response;
    response.set_assignment(EncodeAssignment(mine));
    member.OnSync(step.round, ErrorCode::NONE, response, now);
  }
  // From Subscribe to stable as a follower that has t-0.
  void BecomeStable() {
    member.Subscribe({"t"}, now);
    Expect(Step::kFindCoordinator);
    member.OnCoordinator(ErrorCode::NONE, now);
    Join(Expect(Step::kJoin), "other", 1);
    Sync(Expect(Step::kSync), {{"t", 0}});
    EXPECT_TRUE(member.stable());
    auto event = member.TakeEvent();
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->kind, Event::kAssigned);
  }
  void Heartbeat(ErrorCode code) {
    now += 100;
    Step step = Expect(Step::kHeartbeat);
    EXPECT_EQ(step.heartbeat.generation_id(), member.generation());
    member.OnHeartbeat(step.round, code, now);
  }

  GroupMember member;
  int64_t now = 0;
};

TEST(GroupMemberTest, FindsJoinsSyncsAndBeats) {
  Scene s;
  s.BecomeStable();
  EXPECT_EQ(s.member.generation(), 1);
  s.ExpectNothing();
  EXPECT_EQ(s.member.NextMs(), 100);
  s.Heartbeat(ErrorCode::NONE);
  s.Heartbeat(ErrorCode::NONE);
  EXPECT_TRUE(s.member.stable());
}

TEST(GroupMemberTest, AMemberIdThatIsRequiredIsSentNext) {
  Scene s;
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  Step first = s.Expect(Step::kJoin);
  EXPECT_EQ(first.join.member_id(), "");
  EXPECT_EQ(first.join.rebalance_timeout_ms(), 5000);
  EXPECT_EQ(first.join.protocols_size(), 2);
  v1::JoinGroupResponse response;
  response.set_member_id("c-1");
  s.member.OnJoin(first.round, ErrorCode::MEMBER_ID_REQUIRED, response, 0);
  EXPECT_EQ(s.Expect(Step::kJoin).join.member_id(), "c-1");
}

TEST(GroupMemberTest, TheLeaderAssignsForAllAndRejoinsWhenPartitionsCome) {
  Scene s;
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  s.Join(s.Expect(Step::kJoin), "me", 3, {{"me", {"t"}}, {"you", {"t", "u"}}});
  EXPECT_EQ(s.Expect(Step::kPartitionCounts).topics,
            (std::set<std::string>{"t", "u"}));
  s.member.OnPartitionCounts({{"t", 2}, {"u", 1}}, 0);
  Step sync = s.Expect(Step::kSync);
  ASSERT_EQ(sync.sync.assignments_size(), 2);
  EXPECT_EQ(DecodeAssignment(sync.sync.assignments(0).assignment()),
            (std::vector<TopicPartition>{{"t", 0}}));
  EXPECT_EQ(DecodeAssignment(sync.sync.assignments(1).assignment()),
            (std::vector<TopicPartition>{{"t", 1}, {"u", 0}}));
  s.Sync(sync, {{"t", 0}});
  ASSERT_EQ(s.member.TakeEvent()->kind, Event::kAssigned);
  s.member.OnPartitionCounts({{"t", 2}, {"u", 1}}, 0);
  EXPECT_TRUE(s.member.stable()) << "nothing has changed";
  s.member.OnPartitionCounts({{"t", 4}, {"u", 1}}, 0);
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kRevoked);
  s.member.OnReleased(0);
  s.Expect(Step::kJoin);
}

TEST(GroupMemberTest, ARebalanceWaitsUntilTheApplicationHasLetGo) {
  Scene s;
  s.BecomeStable();
  s.Heartbeat(ErrorCode::REBALANCE_IN_PROGRESS);
  auto event = s.member.TakeEvent();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->kind, Event::kRevoked);
  EXPECT_EQ(event->partitions, (std::vector<TopicPartition>{{"t", 0}}));
  s.ExpectNothing();
  EXPECT_EQ(s.member.generation(), 1) << "a last commit is still good";
  s.now += 100;
  s.Expect(Step::kHeartbeat);
  s.member.OnReleased(s.now);
  s.Expect(Step::kJoin);
}

TEST(GroupMemberTest, AMemberThatIsUnknownLosesAndStartsOver) {
  Scene s;
  s.BecomeStable();
  s.Heartbeat(ErrorCode::UNKNOWN_MEMBER_ID);
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kLost);
  EXPECT_EQ(s.member.generation(), -1);
  s.member.OnReleased(s.now);
  EXPECT_EQ(s.Expect(Step::kJoin).join.member_id(), "");
}

TEST(GroupMemberTest, AnOldGenerationKeepsItsMemberId) {
  Scene s;
  s.BecomeStable();
  s.Heartbeat(ErrorCode::ILLEGAL_GENERATION);
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kLost);
  s.member.OnReleased(s.now);
  EXPECT_EQ(s.Expect(Step::kJoin).join.member_id(), "me");
}

TEST(GroupMemberTest, ACoordinatorThatMovedIsFoundAgainWithoutARebalance) {
  Scene s;
  s.BecomeStable();
  s.Heartbeat(ErrorCode::NOT_COORDINATOR);
  s.ExpectNothing();  // backoff
  s.now += 10;
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, s.now);
  EXPECT_TRUE(s.member.stable());
  s.now += 100;
  s.Expect(Step::kHeartbeat);
}

TEST(GroupMemberTest, ASilentCoordinatorIsLookedForAfterASession) {
  Scene s;
  s.BecomeStable();
  s.now += 100;
  s.Expect(Step::kHeartbeat);  // never answered
  s.now += 1000;
  s.Expect(Step::kFindCoordinator);
}

TEST(GroupMemberTest, ALoadingCoordinatorIsAskedAgainLater) {
  Scene s;
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  Step join = s.Expect(Step::kJoin);
  s.member.OnJoin(join.round, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, {}, 0);
  s.ExpectNothing();
  EXPECT_EQ(s.member.NextMs(), 10);
  s.now = 10;
  s.Expect(Step::kJoin);
}

TEST(GroupMemberTest, ASyncThatMeetsANewRebalanceJoinsAgain) {
  Scene s;
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  s.Join(s.Expect(Step::kJoin), "other", 1);
  Step sync = s.Expect(Step::kSync);
  s.member.OnSync(sync.round, ErrorCode::REBALANCE_IN_PROGRESS, {}, 0);
  s.Expect(Step::kJoin);
  EXPECT_FALSE(s.member.TakeEvent().has_value());
}

TEST(GroupMemberTest, FatalAnswersStopAndAreTold) {
  for (ErrorCode code :
       {ErrorCode::FENCED_INSTANCE_ID, ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ErrorCode::GROUP_AUTHORIZATION_FAILED}) {
    Scene s;
    s.BecomeStable();
    s.Heartbeat(code);
    EXPECT_EQ(ErrorCodeOf(s.member.failure()), code);
    EXPECT_EQ(s.member.TakeEvent()->kind, Event::kLost);
    s.now += 10'000;
    s.ExpectNothing();
  }
}

TEST(GroupMemberTest, AnApplicationThatDoesNotPollGivesItsPartitionsUp) {
  Scene s;
  s.BecomeStable();
  for (int i = 0; i < 50; ++i) s.Heartbeat(ErrorCode::NONE);
  s.now = 5001;
  Step leave = s.Expect(Step::kLeave);
  EXPECT_EQ(leave.leave.members(0).member_id(), "me");
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kLost);
  s.ExpectNothing();
  s.member.OnPoll(s.now);
  s.ExpectNothing();  // the event comes first
  s.member.OnReleased(s.now);
  s.Expect(Step::kJoin);
}

TEST(GroupMemberTest, AnswersOfAnEarlierRoundAreIgnored) {
  Scene s;
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  Step old = s.Expect(Step::kJoin);
  s.member.Subscribe({"t", "u"}, 0);
  Step fresh = s.Expect(Step::kJoin);
  s.Join(old, "other", 1);
  EXPECT_FALSE(s.member.Next(0).has_value()) << "still waiting for the new join";
  s.Join(fresh, "other", 2);
  EXPECT_EQ(s.Expect(Step::kSync).sync.generation_id(), 2);
}

TEST(GroupMemberTest, LeavingTellsTheCoordinatorUnlessStatic) {
  Scene s;
  s.BecomeStable();
  s.member.Unsubscribe();
  EXPECT_EQ(s.Expect(Step::kLeave).leave.members(0).member_id(), "me");
  s.ExpectNothing();
  GroupMemberOptions options = Options();
  options.instance_id = "i1";
  Scene fixed(options);
  fixed.BecomeStable();
  fixed.member.Unsubscribe();
  fixed.ExpectNothing();
}

// ---- cooperative

GroupMemberOptions Cooperative() {
  GroupMemberOptions options = Options();
  options.assignors = {"cooperative-sticky"};
  return options;
}

ConsumerSubscription Claims(const Step& join) {
  return *DecodeSubscription(join.join.protocols(0).metadata());
}

// A stable cooperative member with these partitions of t in generation 1.
class CooperativeScene : public Scene {
 public:
  explicit CooperativeScene(const std::vector<TopicPartition>& mine)
      : Scene(Cooperative()) {
    member.Subscribe({"t"}, now);
    Expect(Step::kFindCoordinator);
    member.OnCoordinator(ErrorCode::NONE, now);
    Join(Expect(Step::kJoin), "other", 1);
    Sync(Expect(Step::kSync), mine);
    EXPECT_EQ(member.TakeEvent()->partitions, mine);
  }
  // The group rebalances; returns the join.
  Step Rebalance() {
    Heartbeat(ErrorCode::REBALANCE_IN_PROGRESS);
    return Expect(Step::kJoin);
  }
};

TEST(CooperativeMemberTest, ListsThatHoldAnEagerNameAreEager) {
  GroupMemberOptions options = Options();
  for (const auto& [list, cooperative] :
       std::vector<std::pair<std::vector<std::string>, bool>>{
           {{"cooperative-sticky"}, true},
           {{"range", "cooperative-sticky"}, false},
           {{"cooperative-sticky", "range"}, false},
           {{"sticky"}, false}}) {
    options.assignors = list;
    EXPECT_EQ(GroupMember(options).cooperative(), cooperative) << list[0];
  }
}

TEST(CooperativeMemberTest, JoinsAtOnceWithWhatItHas) {
  CooperativeScene s({{"t", 0}, {"t", 1}});
  Step join = s.Rebalance();
  EXPECT_FALSE(s.member.TakeEvent().has_value()) << "nothing is given up";
  EXPECT_EQ(Claims(join).owned,
            (std::vector<TopicPartition>{{"t", 0}, {"t", 1}}));
  EXPECT_EQ(Claims(join).generation, 1);
  EXPECT_EQ(join.join.reason(), "the group rebalances");
}

TEST(CooperativeMemberTest, GivesUpWhatIsMissingAndJoinsAgain) {
  CooperativeScene s({{"t", 0}, {"t", 1}});
  s.Join(s.Rebalance(), "other", 2);
  s.Sync(s.Expect(Step::kSync), {{"t", 1}, {"t", 5}});
  auto revoked = s.member.TakeEvent();
  ASSERT_TRUE(revoked.has_value());
  EXPECT_EQ(revoked->kind, Event::kRevoked);
  EXPECT_EQ(revoked->partitions, (std::vector<TopicPartition>{{"t", 0}}));
  auto assigned = s.member.TakeEvent();
  EXPECT_EQ(assigned->kind, Event::kAssigned);
  EXPECT_EQ(assigned->partitions, (std::vector<TopicPartition>{{"t", 5}}));
  s.ExpectNothing();
  s.member.OnReleased(s.now);
  Step join = s.Expect(Step::kJoin);
  EXPECT_EQ(Claims(join).owned,
            (std::vector<TopicPartition>{{"t", 1}, {"t", 5}}));
  EXPECT_EQ(join.join.reason(), "partitions were revoked");
}

TEST(CooperativeMemberTest, AnUnchangedAssignmentEndsTheRebalance) {
  CooperativeScene s({{"t", 0}});
  s.Join(s.Rebalance(), "other", 2);
  s.Sync(s.Expect(Step::kSync), {{"t", 0}});
  auto event = s.member.TakeEvent();
  EXPECT_EQ(event->kind, Event::kAssigned);
  EXPECT_TRUE(event->partitions.empty());
  EXPECT_TRUE(s.member.stable());
}

TEST(CooperativeMemberTest, ATopicThatIsNotWantedAnyMoreGoesBeforeTheJoin) {
  CooperativeScene s({{"t", 0}});
  s.member.Subscribe({"u"}, s.now);
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kRevoked);
  s.ExpectNothing();
  s.member.OnReleased(s.now);
  EXPECT_TRUE(Claims(s.Expect(Step::kJoin)).owned.empty());
}

TEST(CooperativeMemberTest, ThrownOutAmidAReleaseItLosesTheRestToo) {
  CooperativeScene s({{"t", 0}, {"t", 1}});
  s.Join(s.Rebalance(), "other", 2);
  s.Sync(s.Expect(Step::kSync), {{"t", 1}});
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kRevoked);
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kAssigned);
  s.Heartbeat(ErrorCode::UNKNOWN_MEMBER_ID);
  auto lost = s.member.TakeEvent();
  EXPECT_EQ(lost->kind, Event::kLost);
  EXPECT_EQ(lost->partitions, (std::vector<TopicPartition>{{"t", 1}}));
  s.member.OnReleased(s.now);
  s.ExpectNothing();
  s.member.OnReleased(s.now);
  EXPECT_TRUE(Claims(s.Expect(Step::kJoin)).owned.empty());
  EXPECT_NE(s.member.TakeTrouble()->message().find("lost 1 partitions"),
            std::string::npos);
}

TEST(CooperativeMemberTest, TheLeaderWithholdsWhatAnotherStillHas) {
  Scene s(Cooperative());
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  Step join = s.Expect(Step::kJoin);
  v1::JoinGroupResponse response;
  response.set_generation_id(4);
  response.set_member_id("me");
  response.set_leader("me");
  response.set_protocol_name("cooperative-sticky");
  for (const char* id : {"me", "you"}) {
    ConsumerSubscription subscription{{"t"}};
    if (std::string(id) == "you") {
      subscription.owned = {{"t", 0}, {"t", 1}};
      subscription.generation = 3;
    }
    auto* joined = response.add_members();
    joined->set_member_id(id);
    joined->set_metadata(EncodeSubscription(subscription));
  }
  s.member.OnJoin(join.round, ErrorCode::NONE, response, 0);
  s.Expect(Step::kPartitionCounts);
  s.member.OnPartitionCounts({{"t", 2}}, 0);
  Step sync = s.Expect(Step::kSync);
  std::map<std::string, size_t> sizes;
  for (const auto& given : sync.sync.assignments()) {
    sizes[given.member_id()] = DecodeAssignment(given.assignment())->size();
  }
  EXPECT_EQ(sizes, (std::map<std::string, size_t>{{"me", 0}, {"you", 1}}));
}

// ---- sticky, static, patterns

TEST(GroupMemberTest, StickyMembersTellWhatTheyHadLast) {
  GroupMemberOptions options = Options();
  options.assignors = {"sticky"};
  Scene s(options);
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  Step join = s.Expect(Step::kJoin);
  EXPECT_FALSE(Claims(join).user_data.has_value());
  v1::JoinGroupResponse response;
  response.set_generation_id(6);
  response.set_member_id("me");
  response.set_leader("other");
  response.set_protocol_name("sticky");
  s.member.OnJoin(join.round, ErrorCode::NONE, response, 0);
  s.Sync(s.Expect(Step::kSync), {{"t", 3}});
  s.Heartbeat(ErrorCode::REBALANCE_IN_PROGRESS);
  s.member.OnReleased(s.now);
  ConsumerSubscription told = Claims(s.Expect(Step::kJoin));
  EXPECT_TRUE(told.owned.empty()) << "eager";
  auto last = DecodeStickyUserData(*told.user_data);
  EXPECT_EQ(last->assignment, (std::vector<TopicPartition>{{"t", 3}}));
  EXPECT_EQ(last->generation, 6);
}

TEST(GroupMemberTest, AStaticMemberThatDoesNotPollFallsSilent) {
  GroupMemberOptions options = Options();
  options.instance_id = "i1";
  Scene s(options);
  s.BecomeStable();
  for (int i = 0; i < 50; ++i) s.Heartbeat(ErrorCode::NONE);
  s.now = 5001;
  s.ExpectNothing();
  EXPECT_NE(s.member.TakeTrouble()->message().find("max.poll.interval.ms"),
            std::string::npos);
  EXPECT_FALSE(s.member.TakeEvent().has_value()) << "its session may last";
  s.now = 60'000;
  s.ExpectNothing();
  EXPECT_EQ(s.member.NextMs(), INT64_MAX);
  s.member.OnPoll(s.now);
  Step beat = s.Expect(Step::kHeartbeat);
  s.member.OnHeartbeat(beat.round, ErrorCode::UNKNOWN_MEMBER_ID, s.now);
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kLost);
}

TEST(GroupMemberTest, TheRackIsTold) {
  GroupMemberOptions options = Options();
  options.rack = "r1";
  Scene s(options);
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  EXPECT_EQ(Claims(s.Expect(Step::kJoin)).rack, "r1");
}

TEST(GroupMemberTest, ALeaderThatCameBackOnlyWatches) {
  GroupMemberOptions options = Options();
  options.instance_id = "i1";
  Scene s(options);
  s.member.Subscribe({"t"}, 0);
  s.Expect(Step::kFindCoordinator);
  s.member.OnCoordinator(ErrorCode::NONE, 0);
  Step join = s.Expect(Step::kJoin);
  v1::JoinGroupResponse response;
  response.set_generation_id(3);
  response.set_member_id("me");
  response.set_leader("me");
  response.set_protocol_name("range");
  response.set_skip_assignment(true);
  auto* joined = response.add_members();
  joined->set_member_id("me");
  joined->set_metadata(EncodeSubscription({{"t"}}));
  s.member.OnJoin(join.round, ErrorCode::NONE, response, 0);
  Step sync = s.Expect(Step::kSync);
  EXPECT_EQ(sync.sync.assignments_size(), 0);
  s.Sync(sync, {{"t", 0}});
  s.member.OnPartitionCounts({{"t", 1}}, 0);
  EXPECT_TRUE(s.member.stable()) << "the first count is what it goes by";
  s.member.OnPartitionCounts({{"t", 2}}, 0);
  EXPECT_FALSE(s.member.stable());
}

TEST(GroupMemberTest, ARebalanceCanBeAskedFor) {
  Scene s;
  s.BecomeStable();
  s.member.EnforceRebalance("new weights");
  EXPECT_EQ(s.member.TakeEvent()->kind, Event::kRevoked);
  s.member.OnReleased(s.now);
  EXPECT_EQ(s.Expect(Step::kJoin).join.reason(), "new weights");
}

}  // namespace
}  // namespace sillok::client
