// Members that come and go, in one thread: what each of them knows and tells.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/coordinator/server/fake_ensemble.h"

namespace sillok::coord {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kConfig[] = "/zookeeper/config";

FakeEnsemble::Options ThreeAndTwo() {
  FakeEnsemble::Options options;
  options.spares = 2;
  options.prepare.skip_acl = true;
  return options;
}

v1::CoordRequest Reconfig(const std::vector<std::string>& joining,
                          const std::vector<int>& leaving) {
  v1::CoordRequest request;
  v1::ReconfigOp* op = request.mutable_reconfig();
  for (const std::string& line : joining) op->add_joining(line);
  for (const int id : leaving) op->add_leaving(id);
  op->set_from_version(-1);
  return request;
}

class MemberReconfigTest : public testing::Test {
 protected:
  void SetUp() override {
    ensemble_.Elect();
    leader_ = ensemble_.leader();
    follower_ = ensemble_.followers()[0];
    other_ = ensemble_.followers()[1];
    client_ = ensemble_.Connect(follower_, 4'000);
  }

  v1::CoordCode Ask(const std::vector<std::string>& joining,
                    const std::vector<int>& leaving) {
    const auto response =
        ensemble_.Call(client_, Reconfig(joining, leaving));
    return response.has_value() ? response->code() : v1::CONNECTION_LOSS;
  }
  std::string Role(int id) {
    v1::MemberStatusResponse status;
    ensemble_.member(id).FillStatus(&status);
    return status.role();
  }
  std::vector<int> Voters(int id) {
    v1::MemberStatusResponse status;
    ensemble_.member(id).FillStatus(&status);
    std::vector<int> voters;
    for (const v1::MemberAddress& member : status.members()) {
      if (!member.observer()) voters.push_back(member.member_id());
    }
    return voters;
  }
  std::string Text(int id) {
    std::string text;
    ensemble_.member(id).tree().GetData(kConfig, &text, nullptr);
    return text;
  }

  FakeEnsemble ensemble_{ThreeAndTwo()};
  int leader_ = 0, follower_ = 0, other_ = 0;
  FakeClient* client_ = nullptr;
};

TEST_F(MemberReconfigTest, TheAnswerIsTheTextAndComesBehindTheEvent) {
  FakeClient* watcher = ensemble_.Connect(other_);
  ensemble_.Call(watcher, Get(kConfig, true));
  ensemble_.Call(client_, Get(kConfig, true));
  watcher->TakeLines();
  client_->TakeLines();
  EXPECT_EQ(Ask({FakeEnsemble::Line(4, true)}, {}), v1::OK);
  const std::string text = Text(leader_);
  EXPECT_THAT(text, HasSubstr("server.4=h4:1:1001:observer\nversion="));
  for (int id = 1; id <= 3; ++id) EXPECT_EQ(Text(id), text);
  EXPECT_THAT(client_->TakeLines(),
              ElementsAre("event NODE_DATA_CHANGED /zookeeper/config",
                          HasSubstr("OK data=server.1=")));
  EXPECT_THAT(watcher->TakeLines(),
              ElementsAre("event NODE_DATA_CHANGED /zookeeper/config"));
}

TEST_F(MemberReconfigTest, OneThatJoinsFillsUpAndThenVotes) {
  for (int i = 0; i < 20; ++i) {
    ensemble_.Call(client_, Create("/n" + std::to_string(i), "x"));
  }
  ensemble_.Start(4);
  ensemble_.Advance(500);
  EXPECT_EQ(Role(4), "looking");
  ASSERT_EQ(Ask({FakeEnsemble::Line(4, true)}, {}), v1::OK);
  ensemble_.Advance(500);
  EXPECT_EQ(Role(4), "observing");
  EXPECT_EQ(ensemble_.member(4).tree().znodes(), 24u);
  EXPECT_EQ(ensemble_.member(4).tree().digest(),
            ensemble_.member(leader_).tree().digest());
  ASSERT_EQ(Ask({FakeEnsemble::Line(4)}, {}), v1::OK);
  ensemble_.Advance(200);
  EXPECT_EQ(Role(4), "following");
  EXPECT_THAT(Voters(4), ElementsAre(1, 2, 3, 4));
  // Three of four are a majority, two are not.
  ensemble_.Crash(other_);
  EXPECT_EQ(ensemble_.Call(client_, Create("/more"))->code(), v1::OK);
  ensemble_.Crash(4);
  ensemble_.Send(client_, Create("/none"));
  ensemble_.Advance(200);
  EXPECT_FALSE(ensemble_.member(leader_).tree().Find("/none").has_value());
}

TEST_F(MemberReconfigTest, WhoGetsASnapshotGetsTheMembersWithIt) {
  ensemble_.Start(4);
  ASSERT_EQ(Ask({FakeEnsemble::Line(4)}, {}), v1::OK);
  ensemble_.Advance(500);
  ASSERT_EQ(Role(4), "following");
  ASSERT_EQ(Ask({}, {other_}), v1::OK);
  ensemble_.Advance(500);
  ensemble_.Crash(other_);
  for (int i = 0; i < 20; ++i) {
    ensemble_.Call(client_, Create("/n" + std::to_string(i), "x"));
  }
  ensemble_.Crash(follower_);
  ensemble_.Wipe(follower_);
  ensemble_.disk(leader_).TrimTo(ensemble_.member(leader_).tree().applied());
  ensemble_.disk(4).TrimTo(ensemble_.member(4).tree().applied());
  ensemble_.Start(follower_);  // its file knows neither of 4 nor of the change
  ensemble_.Advance(2'000);
  EXPECT_EQ(Role(follower_), "following");
  EXPECT_EQ(Text(follower_), Text(leader_));
  EXPECT_EQ(ensemble_.member(follower_).zab().membership(),
            ensemble_.member(leader_).zab().membership());
}

TEST_F(MemberReconfigTest, ARestartGoesOnWithTheMembersOnDisk) {
  ensemble_.Start(4);
  ASSERT_EQ(Ask({FakeEnsemble::Line(4)}, {other_}), v1::OK);
  ensemble_.Advance(500);
  const std::string text = Text(leader_);
  ensemble_.Crash(other_);
  for (const int id : {leader_, follower_, 4}) ensemble_.Crash(id);
  for (const int id : {leader_, follower_, 4}) ensemble_.Start(id);
  ensemble_.Elect();
  for (const int id : {leader_, follower_, 4}) {
    EXPECT_EQ(Text(id), text);
    EXPECT_EQ(ensemble_.member(id).zab().membership().members.size(), 3u);
    EXPECT_FALSE(ensemble_.member(id).zab().membership().Votes(
        MemberId(other_)));
  }
}

TEST_F(MemberReconfigTest, WhoIsRemovedHearsOfIt) {
  ASSERT_EQ(Ask({}, {other_}), v1::OK);
  ensemble_.Advance(1'000);
  EXPECT_TRUE(ensemble_.removed(other_));
  EXPECT_FALSE(ensemble_.removed(leader_));
  EXPECT_EQ(ensemble_.member(other_).tree().ensemble().Find(MemberId(other_)),
            nullptr);
}

TEST_F(MemberReconfigTest, ALeaderThatIsRemovedHandsOver) {
  ASSERT_EQ(Ask({}, {leader_}), v1::OK);
  ensemble_.Advance(1'000);
  EXPECT_TRUE(ensemble_.removed(leader_));
  ensemble_.Crash(leader_);
  ensemble_.Advance(500);
  EXPECT_NE(ensemble_.leader(), 0);
  FakeClient* again = ensemble_.Reattach(*client_, follower_);
  ASSERT_FALSE(again->end.has_value());
  EXPECT_EQ(ensemble_.Call(again, Create("/after"))->code(), v1::OK);
}

TEST_F(MemberReconfigTest, WhatWouldStandStillIsRefused) {
  ensemble_.Crash(other_);
  ensemble_.Advance(1'000);
  client_ = ensemble_.Connect(ensemble_.leader());
  EXPECT_EQ(Ask({FakeEnsemble::Line(4), FakeEnsemble::Line(5)}, {}),
            v1::NEW_CONFIG_NO_QUORUM);
  EXPECT_EQ(Ask({FakeEnsemble::Line(4), FakeEnsemble::Line(5)}, {other_}),
            v1::NEW_CONFIG_NO_QUORUM);
  EXPECT_EQ(Ask({}, {follower_}), v1::NEW_CONFIG_NO_QUORUM);
  EXPECT_EQ(Ask({}, {1, 2, 3}), v1::BAD_ARGUMENTS);
  EXPECT_EQ(Ask({}, {other_}), v1::OK);
}

TEST_F(MemberReconfigTest, ASessionIsKilledWhoeverHasIt) {
  FakeClient* owner = ensemble_.Connect(other_, 4'000);
  ensemble_.Call(owner, Create("/e", "", v1::EPHEMERAL));
  ensemble_.Call(client_, Exists("/e", true));
  client_->TakeLines();
  const SessionId session(owner->session_id);
  EXPECT_EQ(ensemble_.member(other_).KillSession(session, {}),
            KillStart::kNotLeading);
  Member& leader = ensemble_.member(leader_);
  EXPECT_EQ(leader.KillSession(SessionId(77), {}), KillStart::kNoSession);
  EXPECT_EQ(leader.KillSession(session, {ensemble_.now_ms(), 1}),
            KillStart::kStarted);
  // Twice is once.
  EXPECT_EQ(leader.KillSession(session, {ensemble_.now_ms(), 1}),
            KillStart::kStarted);
  ensemble_.Run();
  EXPECT_EQ(owner->end, StreamEnd::kSessionGone);
  EXPECT_FALSE(leader.tree().sessions().Contains(session));
  EXPECT_THAT(client_->TakeLines(), ElementsAre("event NODE_DELETED /e"));
  EXPECT_THAT(client_->TakeLines(), IsEmpty());
}

}  // namespace
}  // namespace sillok::coord
