#include "coordinator/server/member.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/coordinator/server/fake_ensemble.h"

namespace sillok::coord {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class MemberTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ensemble_.Elect();
    leader_ = ensemble_.leader();
    follower_ = ensemble_.followers()[0];
    other_ = ensemble_.followers()[1];
  }

  FakeEnsemble ensemble_;
  int leader_ = 0, follower_ = 0, other_ = 0;
};

// --- the order within a session ---

TEST_F(MemberTest, PipelinedRequestsOfAFollowersClientAreAnsweredInOrder) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Send(client, Create("/a", "1"));
  ensemble_.Send(client, Get("/a"));
  ensemble_.Send(client, Set("/a", "2"));
  ensemble_.Send(client, Get("/a"));
  ensemble_.Send(client, Create("/a"));
  ensemble_.Send(client, Get("/a"));
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(),
              ElementsAre("1 OK", "2 OK data=1", "3 OK", "4 OK data=2",
                          "5 NODE_EXISTS", "6 OK data=2"));
}

TEST_F(MemberTest, AReadDoesNotWaitForTheWritesOfOtherSessions) {
  FakeClient* writer = ensemble_.Connect(follower_);
  FakeClient* reader = ensemble_.Connect(follower_);
  ensemble_.Call(writer, Create("/a", "1"));
  writer->TakeLines();
  ensemble_.Send(writer, Set("/a", "2"));
  ensemble_.Send(reader, Get("/a"));
  ensemble_.RunSteps(1);  // too little for anything to be committed
  EXPECT_THAT(reader->TakeLines(), ElementsAre("1 OK data=1"));
  EXPECT_THAT(writer->TakeLines(), IsEmpty());
}

// The refusal comes back later than the write behind it is applied; the read
// between the two must not see that write.
TEST_F(MemberTest, AReadBehindARefusedWriteDoesNotSeeALaterWrite) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Call(client, Create("/a", "1"));
  client->TakeLines();
  ensemble_.HoldForwardReplies(true);
  ensemble_.Send(client, Create("/a"));
  ensemble_.Send(client, Get("/a"));
  ensemble_.Send(client, Set("/a", "2"));
  ensemble_.Send(client, Get("/a"));
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(), IsEmpty());
  ensemble_.HoldForwardReplies(false);
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(),
              ElementsAre("2 NODE_EXISTS", "3 OK data=1", "4 OK",
                          "5 OK data=2"));
}

// As above, and the held read sets the watch that the later write fires: the
// client must learn of the watch before of its event.
TEST_F(MemberTest, AnEventNeverOvertakesTheHeldReadThatSetItsWatch) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Call(client, Create("/a", "1"));
  client->TakeLines();
  ensemble_.HoldForwardReplies(true);
  ensemble_.Send(client, Create("/a"));
  ensemble_.Send(client, Get("/a", true));
  ensemble_.Send(client, Set("/a", "2"));
  ensemble_.Run();
  ensemble_.HoldForwardReplies(false);
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(),
              ElementsAre("2 NODE_EXISTS", "3 OK data=1",
                          "event NODE_DATA_CHANGED /a", "4 OK"));
}

// The event belongs to the second write: nothing of it may be seen before the
// first one is answered. Events of later changes keep their place behind it.
TEST_F(MemberTest, TheEventOfAWriteWaitsForTheRefusalOfAnEarlierOne) {
  FakeClient* client = ensemble_.Connect(follower_);
  FakeClient* other = ensemble_.Connect(leader_);
  ensemble_.Call(client, Create("/a", "1"));
  ensemble_.Call(client, Create("/b", "1"));
  ensemble_.Call(client, Get("/a", true));
  ensemble_.Call(client, Get("/b", true));
  client->TakeLines();
  const size_t before = client->received.size();
  ensemble_.HoldForwardReplies(true);
  ensemble_.Send(client, Create("/a"));
  ensemble_.Send(client, Set("/a", "2"));
  ensemble_.Run();
  ensemble_.Send(other, Set("/b", "2"));
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(), IsEmpty());
  ensemble_.HoldForwardReplies(false);
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(),
              ElementsAre("5 NODE_EXISTS", "event NODE_DATA_CHANGED /a",
                          "6 OK", "event NODE_DATA_CHANGED /b"));
  // Nor does an answer say that it shows a change whose event comes later.
  ASSERT_EQ(client->received.size(), before + 4);
  EXPECT_LT(client->received[before].zxid(),
            client->received[before + 1].zxid());
  EXPECT_LT(client->received[before + 2].zxid(),
            client->received[before + 3].zxid());
}

TEST_F(MemberTest, PingsAreAnsweredAtOnceAndNotBehindWrites) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Send(client, Create("/a"));
  ensemble_.Ping(client);
  ensemble_.RunSteps(1);
  EXPECT_THAT(client->TakeLines(), ElementsAre("pong"));
}

// --- watches ---

TEST_F(MemberTest, TheEventOfAnOwnWriteComesBeforeItsReply) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Call(client, Create("/a", "1"));
  ensemble_.Call(client, Get("/a", true));
  client->TakeLines();
  ensemble_.Call(client, Set("/a", "2"));
  EXPECT_THAT(client->TakeLines(),
              ElementsAre("event NODE_DATA_CHANGED /a", "3 OK"));
}

TEST_F(MemberTest, AClientOfAnotherMemberSeesTheEventBeforeTheNewData) {
  FakeClient* writer = ensemble_.Connect(leader_);
  FakeClient* watcher = ensemble_.Connect(other_);
  ensemble_.Call(writer, Create("/a", "1"));
  ensemble_.Call(watcher, Sync());
  ensemble_.Call(watcher, Get("/a", true));
  watcher->TakeLines();
  ensemble_.Call(writer, Set("/a", "2"));
  ensemble_.Call(watcher, Sync());
  ensemble_.Call(watcher, Get("/a"));
  EXPECT_THAT(watcher->TakeLines(),
              ElementsAre("event NODE_DATA_CHANGED /a", "3 OK",
                          "4 OK data=2"));
}

TEST_F(MemberTest, SetWatchesOnANewStreamFiresWhatWasMissed) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Call(client, Create("/a", "1"));
  ensemble_.Call(client, Create("/b", "1"));
  ensemble_.Drop(client);
  FakeClient* writer = ensemble_.Connect(leader_);
  ensemble_.Call(writer, Set("/a", "2"));
  ensemble_.Call(writer, Create("/c"));

  FakeClient* again = ensemble_.Reattach(*client, other_);
  ASSERT_EQ(again->session_id, client->session_id);
  v1::SessionRequest request;
  request.set_request_id(9);
  v1::SetWatchesRequest* set = request.mutable_set_watches();
  set->set_last_zxid_seen(client->last_zxid);
  set->add_data("/a");
  set->add_data("/b");
  set->add_exists("/c");
  ensemble_.SendRaw(again, request);
  ensemble_.Run();
  EXPECT_THAT(again->TakeLines(),
              ElementsAre("event NODE_DATA_CHANGED /a",
                          "event NODE_CREATED /c", "9 set_watches"));
  ensemble_.Call(writer, Set("/b", "2"));
  EXPECT_THAT(again->TakeLines(),
              ElementsAre("event NODE_DATA_CHANGED /b"));
}

// --- sync and freshness ---

TEST_F(MemberTest, AReadBehindASyncSeesWhatWasCommittedBefore) {
  FakeClient* writer = ensemble_.Connect(leader_);
  FakeClient* reader = ensemble_.Connect(follower_);
  ensemble_.Call(writer, Create("/a", "1"));
  // The follower hears nothing of the next write for a while.
  ensemble_.Cut(leader_, follower_);
  ensemble_.Call(writer, Set("/a", "2"));
  ensemble_.Call(reader, Get("/a"));
  EXPECT_THAT(reader->TakeLines(), ElementsAre("1 OK data=1"));
  ensemble_.Heal(leader_, follower_);
  if (reader->end.has_value()) reader = ensemble_.Connect(follower_);
  uint64_t sync = ensemble_.Send(reader, Sync());
  uint64_t get = ensemble_.Send(reader, Get("/a"));
  ensemble_.Advance(500);
  EXPECT_THAT(reader->TakeLines(),
              ElementsAre(std::to_string(sync) + " OK",
                          std::to_string(get) + " OK data=2"));
}

TEST_F(MemberTest, ARefusalIsNotGivenByALeaderThatLostItsQuorum) {
  FakeClient* client = ensemble_.Connect(leader_);
  ensemble_.Call(client, Create("/a", "1"));
  client->TakeLines();
  ensemble_.Cut(leader_, follower_);
  ensemble_.Cut(leader_, other_);
  // Version 7 does not exist in this leader's view; only a quorum may say so.
  ensemble_.Send(client, Set("/a", "x", 7));
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(), IsEmpty());
  ensemble_.Advance(3'000);
  EXPECT_THAT(client->TakeLines(), IsEmpty());
  EXPECT_EQ(client->end, StreamEnd::kUnavailable);
}

TEST_F(MemberTest, AClientThatHasSeenMoreThanThisMemberIsSentAway) {
  FakeClient* client = ensemble_.Connect(follower_);
  FakeClient* ahead = ensemble_.Open(other_);
  ensemble_.SendConnect(ahead, client->session_id, client->password, 1'000,
                        client->last_zxid + 1'000);
  ensemble_.Run();
  EXPECT_EQ(ahead->end, StreamEnd::kTooNew);
  EXPECT_EQ(ahead->session_id, 0u);
}

// --- sessions ---

TEST_F(MemberTest, TimeoutsAreClampedToTwoAndTwentyTicks) {
  EXPECT_EQ(ensemble_.Connect(follower_, 1)->timeout_ms, 400);
  EXPECT_EQ(ensemble_.Connect(leader_, 1'000)->timeout_ms, 1'000);
  EXPECT_EQ(ensemble_.Connect(follower_, 1'000'000)->timeout_ms, 4'000);
}

TEST_F(MemberTest, ASilentSessionExpiresAndItsEphemeralsVanishEverywhere) {
  FakeClient* silent = ensemble_.Connect(follower_, 1'000);
  FakeClient* watcher = ensemble_.Connect(other_, 4'000);
  ensemble_.Call(silent, Create("/e", "", v1::EPHEMERAL));
  ensemble_.Call(watcher, Sync());
  ensemble_.Call(watcher, Exists("/e", true));
  watcher->TakeLines();
  ensemble_.Advance(600);
  EXPECT_THAT(watcher->TakeLines(), IsEmpty());
  ensemble_.Advance(1'400);
  EXPECT_THAT(watcher->TakeLines(), ElementsAre("event NODE_DELETED /e"));
  EXPECT_EQ(silent->end, StreamEnd::kSessionGone);
  for (int member : {1, 2, 3}) {
    EXPECT_EQ(ensemble_.member(member).tree().Exists("/e", nullptr),
              v1::NO_NODE);
  }
  FakeClient* back = ensemble_.Reattach(*silent, leader_);
  ASSERT_EQ(back->received.size(), 1u);
  EXPECT_EQ(back->received[0].connect().code(), v1::SESSION_EXPIRED);
  EXPECT_EQ(back->end, StreamEnd::kSessionGone);
}

TEST_F(MemberTest, ABrokenStreamEndsTheSessionsThatAskedForIt) {
  for (int member : {follower_, leader_}) {
    ensemble_.set_disconnect_timeout_ms(600);
    FakeClient* hasty = ensemble_.Connect(member, 4'000);
    ensemble_.set_disconnect_timeout_ms(0);
    FakeClient* patient = ensemble_.Connect(member, 4'000);
    ensemble_.Call(hasty, Create("/hasty", "", v1::EPHEMERAL));
    ensemble_.Call(patient, Create("/patient", "", v1::EPHEMERAL));
    ensemble_.Drop(hasty);
    ensemble_.Drop(patient);
    ensemble_.Advance(300);
    EXPECT_EQ(ensemble_.member(leader_).tree().Exists("/hasty", nullptr),
              v1::OK);
    ensemble_.Advance(600);
    EXPECT_EQ(ensemble_.member(leader_).tree().Exists("/hasty", nullptr),
              v1::NO_NODE);
    EXPECT_EQ(ensemble_.member(leader_).tree().Exists("/patient", nullptr),
              v1::OK);
    FakeClient* back = ensemble_.Reattach(*patient, other_);
    ensemble_.Call(back, Delete("/patient"));
  }
}

TEST_F(MemberTest, ASessionThatComesBackInTimeOutlivesItsBrokenStream) {
  ensemble_.set_disconnect_timeout_ms(300);
  FakeClient* client = ensemble_.Connect(follower_, 4'000);
  ensemble_.Call(client, Create("/e", "", v1::EPHEMERAL));
  ensemble_.Drop(client);
  ensemble_.Advance(100);
  FakeClient* moved = ensemble_.Reattach(*client, other_);
  ensemble_.Advance(1'000);
  EXPECT_EQ(ensemble_.member(leader_).tree().Exists("/e", nullptr), v1::OK);
  // Attached elsewhere before the old stream is known to be broken.
  FakeClient* again = ensemble_.Reattach(*moved, follower_);
  ensemble_.Drop(moved);
  ensemble_.Advance(1'000);
  EXPECT_EQ(ensemble_.member(leader_).tree().Exists("/e", nullptr), v1::OK);
  ensemble_.Drop(again);
  ensemble_.Advance(600);
  EXPECT_EQ(ensemble_.member(leader_).tree().Exists("/e", nullptr),
            v1::NO_NODE);
}

TEST_F(MemberTest, PingsThroughAFollowerKeepASessionAlive) {
  FakeClient* client = ensemble_.Connect(follower_, 400);
  ensemble_.Call(client, Create("/e", "", v1::EPHEMERAL));
  for (int i = 0; i < 40; ++i) {
    ensemble_.Advance(100);
    ensemble_.Ping(client);
  }
  EXPECT_FALSE(client->end.has_value());
  EXPECT_EQ(ensemble_.member(leader_).tree().Exists("/e", nullptr), v1::OK);
}

TEST_F(MemberTest, ASessionMovesToAnotherMemberWithItsEphemerals) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Call(client, Create("/e", "", v1::EPHEMERAL));
  FakeClient* moved = ensemble_.Reattach(*client, other_);
  EXPECT_EQ(moved->session_id, client->session_id);
  EXPECT_EQ(ensemble_.Call(moved, Delete("/e"))->code(), v1::OK);
  // The old stream is told at its next write, and ended.
  ensemble_.Send(client, Create("/f"));
  ensemble_.Run();
  EXPECT_EQ(client->received.back().response().code(), v1::SESSION_MOVED);
  EXPECT_EQ(client->end, StreamEnd::kSessionGone);
}

TEST_F(MemberTest, AnIdleOldStreamOfAMovedSessionIsEndedAtItsNextPing) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Reattach(*client, leader_);
  ensemble_.Ping(client);
  ensemble_.Advance(300);
  EXPECT_EQ(client->end, StreamEnd::kSessionGone);
}

TEST_F(MemberTest, ANewStreamAtTheSameMemberEndsTheOldOne) {
  FakeClient* client = ensemble_.Connect(follower_);
  FakeClient* again = ensemble_.Reattach(*client, follower_);
  EXPECT_EQ(client->end, StreamEnd::kSessionGone);
  EXPECT_EQ(ensemble_.Call(again, Create("/a"))->code(), v1::OK);
}

TEST_F(MemberTest, AWrongPasswordIsAnsweredLikeAnUnknownSession) {
  FakeClient* client = ensemble_.Connect(follower_);
  FakeClient* thief = ensemble_.Open(other_);
  ensemble_.SendConnect(thief, client->session_id, "guess", 1'000, 0);
  ensemble_.Run();
  ASSERT_EQ(thief->received.size(), 1u);
  EXPECT_EQ(thief->received[0].connect().code(), v1::SESSION_EXPIRED);
  EXPECT_EQ(ensemble_.Call(client, Create("/a"))->code(), v1::OK);
}

TEST_F(MemberTest, ACloseIsAnsweredThoughTheSessionIsTouchedMeanwhile) {
  // The leader knows the session no more as soon as its end is proposed.
  for (int member : {leader_, follower_}) {
    FakeClient* client = ensemble_.Connect(member);
    client->TakeLines();
    for (int id : {1, 2, 3}) ensemble_.HoldDisk(id, true);
    v1::SessionRequest close;
    close.set_request_id(77);
    close.mutable_close();
    ensemble_.SendRaw(client, close);
    ensemble_.Advance(300);
    EXPECT_FALSE(client->end.has_value());
    for (int id : {1, 2, 3}) ensemble_.HoldDisk(id, false);
    ensemble_.Run();
    EXPECT_THAT(client->TakeLines(), ElementsAre("77 closed"));
    EXPECT_EQ(client->end, StreamEnd::kDone);
  }
}

TEST_F(MemberTest, ClosingASessionRemovesItsEphemeralsBeforeTheAnswer) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Call(client, Create("/e", "", v1::EPHEMERAL));
  client->TakeLines();
  v1::SessionRequest close;
  close.set_request_id(77);
  close.mutable_close();
  ensemble_.SendRaw(client, close);
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(), ElementsAre("77 closed"));
  EXPECT_EQ(client->end, StreamEnd::kDone);
  EXPECT_EQ(ensemble_.member(leader_).tree().Exists("/e", nullptr),
            v1::NO_NODE);
  EXPECT_EQ(ensemble_.member(leader_).tree().sessions().size(), 0u);
}

// --- the leader changes ---

TEST_F(MemberTest, WhatWasAnsweredSurvivesTheLeadersCrashAndSessionsMove) {
  FakeClient* client = ensemble_.Connect(follower_, 4'000);
  ASSERT_EQ(ensemble_.Call(client, Create("/a", "1"))->code(), v1::OK);
  ASSERT_EQ(
      ensemble_.Call(client, Create("/e", "", v1::EPHEMERAL))->code(), v1::OK);
  ensemble_.Crash(leader_);
  EXPECT_EQ(client->end, StreamEnd::kUnavailable);
  ensemble_.Elect();
  ASSERT_NE(ensemble_.leader(), leader_);
  FakeClient* back = ensemble_.Reattach(*client, ensemble_.leader());
  ASSERT_EQ(back->session_id, client->session_id);
  EXPECT_EQ(ensemble_.Call(back, Get("/a"))->data(), "1");
  EXPECT_EQ(ensemble_.Call(back, Exists("/e"))->code(), v1::OK);
  // The old leader comes back as a follower and has it all.
  ensemble_.Start(leader_);
  ensemble_.Elect();
  EXPECT_EQ(ensemble_.member(leader_).tree().digest(),
            ensemble_.member(ensemble_.leader()).tree().digest());
}

TEST_F(MemberTest, AMemberWithoutAQuorumSendsItsClientsAway) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Cut(follower_, leader_);
  ensemble_.Cut(follower_, other_);
  ensemble_.Advance(3'000);
  EXPECT_EQ(client->end, StreamEnd::kUnavailable);
  FakeClient* late = ensemble_.Open(follower_);
  ensemble_.SendConnect(late, 0, "", 1'000, 0);
  ensemble_.Run();
  EXPECT_EQ(late->end, StreamEnd::kUnavailable);
}

TEST_F(MemberTest, ABrokenLinkToTheLeaderEndsOnlyStreamsThatWait) {
  FakeClient* waiting = ensemble_.Connect(follower_);
  FakeClient* idle = ensemble_.Connect(follower_);
  ensemble_.Send(waiting, Create("/a"));
  ensemble_.member(follower_).OnLinkReset(MemberId(leader_));
  ensemble_.Run();
  EXPECT_EQ(waiting->end, StreamEnd::kUnavailable);
  EXPECT_FALSE(idle->end.has_value());
  EXPECT_EQ(ensemble_.Call(idle, Create("/b"))->code(), v1::OK);
}

TEST_F(MemberTest, AMemberWithAnEmptyDiskIsFilledBySnapshot) {
  FakeClient* client = ensemble_.Connect(leader_, 4'000);
  for (int i = 0; i < 20; ++i) {
    ensemble_.Call(client, Create("/n" + std::to_string(i), "data"));
  }
  ensemble_.Crash(follower_);
  ensemble_.Wipe(follower_);
  for (int id : {leader_, other_}) {
    ensemble_.disk(id).TrimTo(ensemble_.disk(id).applied);
  }
  ensemble_.Start(follower_);
  ensemble_.Elect();
  EXPECT_EQ(ensemble_.member(follower_).tree().digest(),
            ensemble_.member(ensemble_.leader()).tree().digest());
  FakeClient* reader = ensemble_.Connect(follower_);
  EXPECT_EQ(ensemble_.Call(reader, Get("/n19"))->data(), "data");
}

TEST_F(MemberTest, ARestartOfAllMembersKeepsEverything) {
  FakeClient* client = ensemble_.Connect(follower_, 4'000);
  ensemble_.Call(client, Create("/a", "1"));
  ensemble_.Call(client, Create("/e", "", v1::EPHEMERAL));
  for (int id : {1, 2, 3}) ensemble_.Crash(id);
  for (int id : {1, 2, 3}) ensemble_.Start(id);
  ensemble_.Elect();
  FakeClient* back = ensemble_.Reattach(*client, ensemble_.leader());
  ASSERT_EQ(back->session_id, client->session_id);
  EXPECT_EQ(ensemble_.Call(back, Get("/a"))->data(), "1");
  EXPECT_EQ(ensemble_.Call(back, Exists("/e"))->code(), v1::OK);
}

// --- bounds ---

TEST(MemberBoundsTest, AStreamIsNotReadOnWhileItHasTooMuchUnanswered) {
  FakeEnsemble::Options options;
  options.max_requests_per_connection = 2;
  FakeEnsemble ensemble(options);
  ensemble.Elect();
  int leader = ensemble.leader();
  FakeClient* client = ensemble.Connect(leader);
  FakeClient* other = ensemble.Connect(leader);
  ensemble.Send(client, Create("/a"));
  EXPECT_TRUE(ensemble.member(leader).WantsRequests(client->id));
  ensemble.Send(client, Create("/b"));
  EXPECT_FALSE(ensemble.member(leader).WantsRequests(client->id));
  EXPECT_TRUE(ensemble.member(leader).WantsRequests(other->id));
  ensemble.Run();
  EXPECT_TRUE(ensemble.member(leader).WantsRequests(client->id));
}

TEST(MemberBoundsTest, AStreamThatDoesNotBeginWithConnectIsEnded) {
  FakeEnsemble ensemble;
  ensemble.Elect();
  FakeClient* client = ensemble.Open(ensemble.leader());
  ensemble.Send(client, Create("/a"));
  ensemble.Run();
  EXPECT_EQ(client->end, StreamEnd::kBadRequest);
}

TEST(MemberBoundsTest, ASingleMemberServesAlone) {
  FakeEnsemble::Options options;
  options.members = 1;
  FakeEnsemble ensemble(options);
  ensemble.Elect();
  FakeClient* client = ensemble.Connect(1);
  EXPECT_EQ(ensemble.Call(client, Create("/a", "1"))->code(), v1::OK);
  EXPECT_EQ(ensemble.Call(client, Create("/a"))->code(), v1::NODE_EXISTS);
  EXPECT_EQ(ensemble.Call(client, Sync())->code(), v1::OK);
}

}  // namespace
}  // namespace sillok::coord
