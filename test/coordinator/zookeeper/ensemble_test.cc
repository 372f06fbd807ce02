// Three real members through their ZooKeeper ports.

#include <filesystem>
#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "proto/coordinator.pb.h"
#include "test/coordinator/zookeeper/raw_client.h"
#include "test/support/zookeeper/ensemble.h"

namespace sillok::coord {
namespace {

using jute::Op;

class ZookeeperEnsembleTest : public testing::Test {
 protected:
  ZookeeperEnsembleTest() {
    const std::string directory = testing::TempDir() + "/zookeeper_ensemble";
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    zk::EnsembleSpec spec;
    spec.directory = directory;
    ensemble_ = std::make_unique<zk::Ensemble>(spec);
  }

  int follower() {
    const int leader = ensemble_->WaitForLeader();
    return leader % 3 + 1;
  }
  int other_follower() {
    const int leader = ensemble_->WaitForLeader();
    return (leader + 1) % 3 + 1;
  }
  std::unique_ptr<RawClient> Connect(int member, int64_t session = 0,
                                     std::string password = std::string(16, 0),
                                     int64_t zxid = 0) {
    auto client = std::make_unique<RawClient>(ensemble_->address(member));
    client->Connect(session, std::move(password), zxid);
    return client;
  }

  std::unique_ptr<zk::Ensemble> ensemble_;
};

TEST_F(ZookeeperEnsembleTest, WhatOneMemberTakesAllOthersShowAfterASync) {
  int64_t seen = 0;
  for (int writer = 1; writer <= 3; ++writer) {
    const std::string path = "/by-" + std::to_string(writer);
    auto client = Connect(writer);
    client->Ask(1, Op::kCreate, jute::OpenCreate(path, "data"));
    const jute::ReplyHeader created = client->Header();
    ASSERT_EQ(created.err, 0);
    EXPECT_GT(created.zxid, seen);
    seen = created.zxid;
    for (int reader = 1; reader <= 3; ++reader) {
      auto other = Connect(reader);
      other->Ask(1, Op::kSync, jute::PathOnly{path});
      other->Ask(2, Op::kGetData, jute::PathWatch{path, false});
      EXPECT_EQ(other->Header().err, 0);
      const std::string answer = other->Frame();
      EXPECT_EQ(jute::HeaderOf(answer).err, 0);
      EXPECT_GE(jute::HeaderOf(answer).zxid, created.zxid);
    }
  }
}

TEST_F(ZookeeperEnsembleTest, ASessionMovesWithItsEphemeralsAndItsWatches) {
  const int first = follower(), second = other_follower();
  auto client = Connect(first);
  client->Ask(1, Op::kCreate, jute::OpenCreate("/mine", "", 1));
  jute::ReplyHeader header = client->Header();
  ASSERT_EQ(header.err, 0);
  client->Ask(2, Op::kCreate, jute::OpenCreate("/watched", ""));
  header = client->Header();
  ASSERT_EQ(header.err, 0);
  const int64_t seen = header.zxid;
  const int64_t session = client->session_id();
  const std::string password = client->password();

  // Somebody changes what it will watch, unseen by it.
  client->socket().Close();
  auto writer = Connect(ensemble_->WaitForLeader());
  writer->Ask(1, Op::kSetData,
              jute::SetDataRequest{"/watched", {"new", false}, -1});
  const int64_t changed = writer->Header().zxid;

  auto moved = Connect(second, session, password, changed);
  EXPECT_EQ(moved->session_id(), session);
  moved->Ask(1, Op::kExists, jute::PathWatch{"/mine", false});
  EXPECT_EQ(moved->Header().err, 0);
  moved->Ask(jute::kSetWatchesXid, Op::kSetWatches,
             jute::SetWatchesRequest{seen, {"/watched"}, {}, {}});
  const std::string event = moved->Frame();
  EXPECT_EQ(jute::HeaderOf(event).xid, jute::kNotificationXid);
  EXPECT_EQ(jute::BodyOf(event),
            jute::Encode(jute::WatcherEvent{3, 3, "/watched"}));
  EXPECT_EQ(moved->Header().xid, jute::kSetWatchesXid);
}

TEST_F(ZookeeperEnsembleTest, TheOldConnectionOfAMovedSessionIsEnded) {
  auto old = Connect(follower());
  auto moved = Connect(other_follower(), old->session_id(), old->password());
  ASSERT_EQ(moved->session_id(), old->session_id());
  old->Ask(1, Op::kCreate, jute::OpenCreate("/too-late", ""));
  EXPECT_TRUE(old->Closed());
  moved->Ask(1, Op::kExists, jute::PathWatch{"/too-late", false});
  EXPECT_EQ(moved->Header().err, v1::NO_NODE);
}

TEST_F(ZookeeperEnsembleTest, AClientSurvivesTheDeathOfTheLeader) {
  const int leader = ensemble_->WaitForLeader();
  auto client = Connect(leader);
  client->Ask(1, Op::kCreate, jute::OpenCreate("/survivor", "", 1));
  const jute::ReplyHeader created = client->Header();
  ASSERT_EQ(created.err, 0);
  ensemble_->Kill(leader);
  EXPECT_TRUE(client->Closed());
  const int next = leader % 3 + 1;
  std::unique_ptr<RawClient> again;
  ASSERT_TRUE(zk::Ensemble::Eventually([&] {
    RawClient attempt(ensemble_->address(next));
    attempt.Send(jute::ConnectFrame(client->session_id(), client->password(),
                                    created.zxid));
    std::optional<std::string> answer = attempt.FrameOrClosed();
    if (!answer.has_value()) return false;  // it does not serve yet
    jute::ConnectResponse response;
    EXPECT_TRUE(jute::DecodeConnectResponse(*answer, &response));
    EXPECT_EQ(response.session_id, client->session_id());
    attempt.Ask(1, Op::kExists, jute::PathWatch{"/survivor", false});
    EXPECT_EQ(attempt.Header().err, 0);
    return true;
  }));
  ensemble_->Start(leader);
}

TEST_F(ZookeeperEnsembleTest, AMemberWithoutAQuorumHangsUp) {
  const int leader = ensemble_->WaitForLeader();
  ensemble_->Kill(leader);
  ensemble_->Kill(leader % 3 + 1);
  const int alone = (leader + 1) % 3 + 1;
  EXPECT_TRUE(zk::Ensemble::Eventually([&] {
    RawClient client(ensemble_->address(alone));
    client.Send(jute::ConnectFrame());
    return !client.FrameOrClosed().has_value();
  }));
  EXPECT_EQ(zk::FourLetterWord(ensemble_->address(alone), "ruok",
                               RawClient::kPatienceMs),
            "imok");
  EXPECT_EQ(zk::FourLetterWord(ensemble_->address(alone), "isro",
                               RawClient::kPatienceMs),
            "null");
  EXPECT_EQ(zk::FourLetterWord(ensemble_->address(alone), "mntr",
                               RawClient::kPatienceMs),
            "This ZooKeeper instance is not currently serving requests\n");
}

// What killed a whole ensemble of an older ZooKeeper for good.
TEST_F(ZookeeperEnsembleTest, ALoneCheckHarmsNobody) {
  for (int member = 1; member <= 3; ++member) {
    auto client = Connect(member);
    client->Ask(1, Op::kCheck, jute::PathVersion{"/", -1});
    EXPECT_EQ(client->Header().err, v1::UNIMPLEMENTED);
    EXPECT_TRUE(client->Closed());
  }
  for (int member = 1; member <= 3; ++member) ensemble_->Kill(member);
  for (int member = 1; member <= 3; ++member) ensemble_->Start(member);
  auto client = Connect(ensemble_->WaitForLeader());
  client->Ask(1, Op::kCreate, jute::OpenCreate("/alive", ""));
  EXPECT_EQ(client->Header().err, 0);
}

}  // namespace
}  // namespace sillok::coord
