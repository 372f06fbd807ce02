// Who a stream is, what it may see, its watches that stay, and what operators
// are told of it.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "coordinator/server/member.h"
#include "coordinator/tree/auth.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test/coordinator/server/fake_ensemble.h"

namespace sillok::coord {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

FakeEnsemble::Options WithSuper() {
  FakeEnsemble::Options options;
  options.super_digest = DigestId("root:secret");
  options.reaper.check_interval_ms = 100;
  options.reaper.max_never_used_ms = 500;
  return options;
}

v1::Acl Rule(uint32_t permissions, const std::string& scheme,
             const std::string& id) {
  v1::Acl rule;
  rule.set_permissions(permissions);
  rule.set_scheme(scheme);
  rule.set_id(id);
  return rule;
}

v1::CoordRequest CreateFor(const std::string& path,
                           const std::vector<v1::Acl>& rules) {
  v1::CoordRequest request = Create(path, "secret");
  request.mutable_write()->mutable_create()->mutable_acl()->Assign(
      rules.begin(), rules.end());
  return request;
}

v1::CoordRequest Watch(const std::string& path, v1::AddWatchMode mode) {
  v1::CoordRequest request;
  request.mutable_add_watch()->set_path(path);
  request.mutable_add_watch()->set_mode(mode);
  return request;
}

v1::CoordRequest WhoAmI() {
  v1::CoordRequest request;
  request.mutable_who_am_i();
  return request;
}

std::vector<std::string> Identities(const v1::CoordResponse& response) {
  std::vector<std::string> all;
  for (const v1::Identity& identity : response.identities()) {
    all.push_back(identity.scheme() + ":" + identity.id());
  }
  return all;
}

class StreamsTest : public ::testing::Test {
 protected:
  explicit StreamsTest(FakeEnsemble::Options options = WithSuper())
      : ensemble_(options) {
    ensemble_.Elect();
    leader_ = ensemble_.leader();
    follower_ = ensemble_.followers()[0];
    other_ = ensemble_.followers()[1];
  }

  FakeClient* ConnectFrom(int member, const std::string& ip) {
    FakeClient* client = ensemble_.Open(member, ip);
    ensemble_.SendConnect(client, 0, "", 1'000, 0);
    ensemble_.Run();
    return client;
  }
  v1::CoordCode Code(FakeClient* client, v1::CoordRequest request) {
    const auto response = ensemble_.Call(client, std::move(request));
    return response ? response->code() : v1::CONNECTION_LOSS;
  }

  FakeEnsemble ensemble_;
  int leader_ = 0, follower_ = 0, other_ = 0;
};

// --- identities ---

TEST_F(StreamsTest, AStreamBeginsWithItsAddressAndMayAddToIt) {
  FakeClient* client = ConnectFrom(follower_, "10.9.8.7");
  EXPECT_THAT(Identities(*ensemble_.Call(client, WhoAmI())),
              ElementsAre("ip:10.9.8.7"));
  ensemble_.Auth(client, "digest", "alice:secret");
  EXPECT_THAT(Identities(*ensemble_.Call(client, WhoAmI())),
              ElementsAre("ip:10.9.8.7", "digest:alice"));
}

TEST_F(StreamsTest, AuthIsAnsweredInPlaceAndNotBehindWrites) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Send(client, Create("/a"));
  ensemble_.Auth(client, "digest", "alice:secret");
  ensemble_.RunSteps(1);
  EXPECT_THAT(client->TakeLines(), ElementsAre("auth OK"));
}

TEST_F(StreamsTest, AnUnknownSchemeEndsTheStreamAfterItsAnswer) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Auth(client, "sasl", "alice");
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(), ElementsAre("auth AUTH_FAILED"));
  EXPECT_EQ(client->end, StreamEnd::kAuthFailed);
  // The session lives on.
  EXPECT_NE(ensemble_.Reattach(*client, other_)->session_id, 0u);
}

TEST_F(StreamsTest, TheLeaderKnowsWhoAsksThroughAFollower) {
  FakeClient* alice = ensemble_.Connect(follower_);
  ensemble_.Auth(alice, "digest", "alice:secret");
  EXPECT_EQ(Code(alice, CreateFor("/a", {Rule(31, "auth", "")})), v1::OK);
  FakeClient* bob = ensemble_.Connect(other_);
  ensemble_.Auth(bob, "digest", "bob:secret");
  EXPECT_EQ(Code(bob, Set("/a", "x")), v1::NO_AUTH);
  EXPECT_EQ(Code(bob, Sync()), v1::OK);
  EXPECT_EQ(Code(bob, Get("/a")), v1::NO_AUTH);
  EXPECT_EQ(Code(alice, Set("/a", "x")), v1::OK);
  ensemble_.Auth(bob, "digest", "alice:secret");
  EXPECT_EQ(Code(bob, Get("/a")), v1::OK);
  FakeClient* root = ensemble_.Connect(other_);
  ensemble_.Auth(root, "digest", "root:secret");
  EXPECT_EQ(Code(root, Set("/a", "y")), v1::OK);
  EXPECT_EQ(Code(root, Get("/a")), v1::OK);
}

TEST_F(StreamsTest, ANewStreamOfTheSessionHasToProveItselfAgain) {
  FakeClient* alice = ensemble_.Connect(follower_);
  ensemble_.Auth(alice, "digest", "alice:secret");
  EXPECT_EQ(Code(alice, CreateFor("/a", {Rule(31, "auth", "")})), v1::OK);
  FakeClient* again = ensemble_.Reattach(*alice, other_);
  EXPECT_EQ(Code(again, Set("/a", "x")), v1::NO_AUTH);
}

TEST_F(StreamsTest, AddressesCountAsTheMemberSeesThem) {
  FakeClient* inside = ConnectFrom(follower_, "10.1.2.3");
  FakeClient* outside = ConnectFrom(follower_, "11.1.2.3");
  EXPECT_EQ(Code(inside, CreateFor("/a", {Rule(31, "ip", "10.0.0.0/8")})),
            v1::OK);
  EXPECT_EQ(Code(outside, Set("/a", "x")), v1::NO_AUTH);
  EXPECT_EQ(Code(outside, Get("/a")), v1::NO_AUTH);
  EXPECT_EQ(Code(inside, Set("/a", "x")), v1::OK);
}

// --- events ---

void WatchASecret(FakeEnsemble& ensemble, int member,
                  std::vector<std::string>* lines) {
  FakeClient* alice = ensemble.Connect(member);
  ensemble.Auth(alice, "digest", "alice:secret");
  FakeClient* bob = ensemble.Connect(member);
  ensemble.Call(bob, Exists("/a", true));
  ensemble.Call(bob, Watch("/", v1::PERSISTENT_RECURSIVE_WATCH));
  bob->TakeLines();
  ensemble.Call(alice, CreateFor("/a", {Rule(31, "auth", "")}));
  ensemble.Call(alice, Set("/a", "2"));
  ensemble.Call(alice, Create("/open"));
  ensemble.Call(alice, Delete("/a"));
  *lines = bob->TakeLines();
}

TEST_F(StreamsTest, EventsAreForThoseWhoMayRead) {
  std::vector<std::string> lines;
  WatchASecret(ensemble_, follower_, &lines);
  EXPECT_THAT(lines, ElementsAre("event NODE_CREATED /open"));
}

TEST(PlantedStreamBugTest, AnEventForEverybodyIsNoticed) {
  FakeEnsemble::Options options = WithSuper();
  options.faults.events_for_all = true;
  FakeEnsemble ensemble(options);
  ensemble.Elect();
  std::vector<std::string> lines;
  WatchASecret(ensemble, ensemble.leader(), &lines);
  EXPECT_GT(lines.size(), 1u);
}

TEST_F(StreamsTest, PersistentWatchesFireBeforeTheAnswerAndStay) {
  FakeClient* client = ensemble_.Connect(follower_);
  EXPECT_EQ(Code(client, Watch("/a", v1::PERSISTENT_WATCH)), v1::OK);
  EXPECT_EQ(Code(client, Watch("/", v1::PERSISTENT_RECURSIVE_WATCH)), v1::OK);
  client->TakeLines();
  ensemble_.Call(client, Create("/a", "1"));
  ensemble_.Call(client, Create("/a/b", "1"));
  EXPECT_THAT(client->TakeLines(),
              ElementsAre("event NODE_CREATED /a", "3 OK",
                          "event NODE_CREATED /a/b",
                          "event NODE_CHILDREN_CHANGED /a", "4 OK"));
}

TEST_F(StreamsTest, ATakenWatchIsSilentFromItsAnswerOn) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Send(client, Watch("/a", v1::PERSISTENT_WATCH));
  ensemble_.Send(client, Create("/a"));
  v1::CoordRequest remove;
  remove.mutable_remove_watches()->set_path("/a");
  remove.mutable_remove_watches()->set_type(v1::ANY_WATCHER);
  ensemble_.Send(client, remove);
  ensemble_.Send(client, Set("/a", "1"));
  ensemble_.Send(client, remove);
  ensemble_.Run();
  EXPECT_THAT(client->TakeLines(),
              ElementsAre("1 OK", "event NODE_CREATED /a", "2 OK", "3 OK",
                          "4 OK", "5 NO_WATCHER"));
}

// --- lifetimes ---

TEST_F(StreamsTest, AnUnusedContainerGoesOnEveryMember) {
  FakeClient* client = ensemble_.Connect(follower_, 4'000);
  ensemble_.Call(client, Create("/c", "", v1::CONTAINER));
  ensemble_.Call(client, Create("/c/x"));
  ensemble_.Advance(1'000);
  EXPECT_EQ(Code(client, Exists("/c", true)), v1::OK);
  client->TakeLines();
  ensemble_.Call(client, Delete("/c/x"));
  ensemble_.Advance(1'000);
  EXPECT_THAT(client->TakeLines(),
              ElementsAre("4 OK", "event NODE_DELETED /c"));
  for (int id = 1; id <= 3; ++id) {
    EXPECT_FALSE(ensemble_.member(id).tree().Find("/c")) << id;
  }
  EXPECT_EQ(ensemble_.member(leader_).sequencer()->counters().reaped, 1u);
}

TEST_F(StreamsTest, ANewLeaderReapsToo) {
  FakeClient* client = ensemble_.Connect(follower_, 4'000);
  ensemble_.Call(client, Create("/c", "", v1::CONTAINER));
  ensemble_.Crash(leader_);
  ensemble_.Elect();
  ensemble_.Advance(1'000);
  EXPECT_FALSE(ensemble_.member(follower_).tree().Find("/c"));
}

// --- what operators are told ---

TEST_F(StreamsTest, StreamsAreDescribed) {
  FakeClient* client = ConnectFrom(follower_, "10.9.8.7");
  ensemble_.Call(client, Create("/a", "1", v1::EPHEMERAL));
  ensemble_.Call(client, Get("/a", true));
  ensemble_.Ping(client);
  FakeClient* silent = ensemble_.Open(follower_, "10.9.8.6");
  const Member& member = ensemble_.member(follower_);
  const std::vector<StreamFacts> streams =
      member.DescribeStreams({ensemble_.now_ms() + 7, 0});
  ASSERT_EQ(streams.size(), 2u);
  EXPECT_EQ(streams[0].id, client->id);
  EXPECT_EQ(streams[0].client_ip, "10.9.8.7");
  EXPECT_EQ(streams[0].session.value(), client->session_id);
  EXPECT_EQ(streams[0].timeout_ms, 1'000);
  EXPECT_EQ(streams[0].age_ms, 7);
  EXPECT_EQ(streams[0].pending, 0u);
  EXPECT_EQ(streams[0].watches, 1u);
  EXPECT_EQ(streams[0].traffic.received, 4u);  // connect, create, get, ping
  EXPECT_EQ(streams[0].traffic.sent, 4u);
  EXPECT_STREQ(streams[0].last_operation, "PING");
  EXPECT_EQ(streams[0].last_zxid, client->last_zxid);
  EXPECT_EQ(streams[1].session.value(), 0u);
  EXPECT_STREQ(streams[1].last_operation, "NA");
  EXPECT_EQ(streams[1].id, silent->id);
  EXPECT_EQ(member.traffic().received, 4u);
}

TEST_F(StreamsTest, CountersStartAgainWhenTheyAreReset) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Call(client, Create("/a"));
  Member& member = ensemble_.member(follower_);
  member.ResetTraffic();
  member.ResetStreamTraffic();
  EXPECT_EQ(member.traffic().received, 0u);
  EXPECT_EQ(member.DescribeStreams({})[0].traffic.sent, 0u);
  ensemble_.Call(client, Get("/a"));
  EXPECT_EQ(member.traffic().sent, 1u);
  EXPECT_EQ(member.traffic().answered, 1u);
}

TEST_F(StreamsTest, LatenciesRunFromTheRequestToItsAnswer) {
  FakeClient* client = ensemble_.Connect(leader_, 4'000);
  Member& member = ensemble_.member(leader_);
  member.ResetTraffic();
  for (const int id : {1, 2, 3}) ensemble_.HoldDisk(id, true);
  ensemble_.Send(client, Create("/a"));
  ensemble_.Send(client, Get("/a"));  // waits behind it
  ensemble_.Advance(100);
  EXPECT_EQ(member.DescribeStreams({})[0].pending, 2u);
  for (const int id : {1, 2, 3}) ensemble_.HoldDisk(id, false);
  ensemble_.Run();
  EXPECT_EQ(member.traffic().answered, 2u);
  EXPECT_EQ(member.traffic().min_latency_ms, 100);
  EXPECT_EQ(member.traffic().max_latency_ms, 100);
}

TEST_F(StreamsTest, WatchesAndEphemeralsAreListed) {
  FakeClient* one = ensemble_.Connect(follower_);
  FakeClient* two = ensemble_.Connect(follower_);
  ensemble_.Call(one, Create("/a", "", v1::EPHEMERAL));
  ensemble_.Call(one, Get("/a", true));
  ensemble_.Call(one, Children("/", true));
  ensemble_.Call(two, Watch("/a", v1::PERSISTENT_WATCH));
  const Member& member = ensemble_.member(follower_);
  const SessionId first(one->session_id), second(two->session_id);
  EXPECT_EQ(member.WatchesByPath(),
            (std::map<std::string, std::set<SessionId>>{
                {"/", {first}}, {"/a", {first, second}}}));
  EXPECT_EQ(member.WatchesBySession(),
            (std::map<SessionId, std::set<std::string>>{
                {first, {"/", "/a"}}, {second, {"/a"}}}));
  EXPECT_EQ(member.CountWatches().connections, 2u);
  EXPECT_EQ(member.CountWatches().paths, 2u);
  EXPECT_EQ(member.CountWatches().watches, 3u);
  EXPECT_EQ(ensemble_.member(other_).EphemeralsBySession(),
            (std::map<SessionId, std::set<std::string>>{{first, {"/a"}}}));
}

TEST_F(StreamsTest, SessionsAreListedWithWhereTheyAre) {
  FakeClient* client = ConnectFrom(follower_, "10.9.8.7");
  ensemble_.Call(client, Create("/a", "", v1::EPHEMERAL));
  v1::ListSessionsResponse here, there;
  ensemble_.member(follower_).FillSessions(&here);
  ensemble_.member(other_).FillSessions(&there);
  ASSERT_EQ(here.sessions_size(), 1);
  EXPECT_EQ(here.sessions(0).session_id(), client->session_id);
  EXPECT_EQ(here.sessions(0).timeout_ms(), 1'000);
  EXPECT_EQ(here.sessions(0).ephemerals(), 1);
  EXPECT_TRUE(here.sessions(0).here());
  EXPECT_EQ(here.sessions(0).client_address(), "10.9.8.7");
  EXPECT_FALSE(there.sessions(0).here());
}

TEST_F(StreamsTest, AStreamWithoutASessionIsEndedAfterAWhile) {
  FakeClient* silent = ensemble_.Open(follower_);
  FakeClient* alive = ensemble_.Connect(follower_, 4'000);
  ensemble_.Advance(2'000);
  ensemble_.Ping(alive);
  ensemble_.Advance(2'000);
  ensemble_.Ping(alive);
  ensemble_.Advance(1'000);
  EXPECT_EQ(silent->end, StreamEnd::kUnavailable);
  EXPECT_FALSE(alive->end.has_value());
}

// --- without a quorum ---

FakeEnsemble::Options WithReadOnly() {
  FakeEnsemble::Options options;
  options.read_only_mode = true;
  return options;
}

class ReadOnlyTest : public StreamsTest {
 protected:
  ReadOnlyTest() : StreamsTest(WithReadOnly()) {}
  // Only follower_ is left.
  void LoseQuorum() {
    ensemble_.Crash(other_);
    ensemble_.Crash(leader_);
    ensemble_.Advance(2'000);
    ASSERT_TRUE(ensemble_.member(follower_).read_only());
  }
  // The stream's answer to connect says so.
  static bool IsReadOnly(const FakeClient& client) {
    return !client.received.empty() &&
           client.received[0].connect().read_only();
  }
};

TEST_F(ReadOnlyTest, AMemberWithAQuorumIsNot) {
  EXPECT_FALSE(ensemble_.member(follower_).read_only());
  EXPECT_FALSE(IsReadOnly(*ensemble_.ConnectReadOnly(follower_)));
}

TEST_F(ReadOnlyTest, WhoAsksForItMayReadAndNotWrite) {
  FakeClient* client = ensemble_.Connect(follower_);
  ensemble_.Call(client, Create("/a", "1"));
  LoseQuorum();
  EXPECT_EQ(client->end, StreamEnd::kUnavailable);
  FakeClient* reader = ensemble_.ConnectReadOnly(follower_);
  ASSERT_TRUE(IsReadOnly(*reader));
  EXPECT_NE(reader->session_id, 0u);
  ensemble_.Send(reader, Create("/b"));
  ensemble_.Send(reader, Sync());
  ensemble_.Send(reader, Get("/a", true));
  ensemble_.Ping(reader);
  ensemble_.Run();
  EXPECT_THAT(reader->TakeLines(),
              ElementsAre("1 NOT_READ_ONLY", "2 NOT_READ_ONLY",
                          "3 OK data=1", "pong"));
  FakeClient* other = ensemble_.Connect(follower_);
  EXPECT_EQ(other->end, StreamEnd::kUnavailable);
}

TEST_F(ReadOnlyTest, AKnownSessionIsShownAndComesBackToTheQuorum) {
  FakeClient* client = ensemble_.Connect(follower_, 4'000);
  ensemble_.Call(client, Create("/e", "1", v1::EPHEMERAL));
  LoseQuorum();
  FakeClient* reader = ensemble_.ConnectReadOnly(follower_, client);
  ASSERT_TRUE(IsReadOnly(*reader));
  EXPECT_EQ(reader->session_id, client->session_id);
  FakeClient forger = *client;
  forger.password = "another";
  EXPECT_EQ(ensemble_.ConnectReadOnly(follower_, &forger)->end,
            StreamEnd::kUnavailable);
  FakeClient ahead = *client;
  ahead.last_zxid += 1'000;
  EXPECT_EQ(ensemble_.ConnectReadOnly(follower_, &ahead)->end,
            StreamEnd::kTooNew);
  ensemble_.Start(leader_);
  ensemble_.Elect();
  EXPECT_EQ(reader->end, StreamEnd::kUnavailable);
  EXPECT_FALSE(ensemble_.member(follower_).read_only());
  FakeClient* again = ensemble_.Reattach(*reader, follower_);
  EXPECT_EQ(Code(again, Set("/e", "2")), v1::OK);
}

TEST_F(ReadOnlyTest, ClosingThereEndsTheStreamAlone) {
  LoseQuorum();
  FakeClient* reader = ensemble_.ConnectReadOnly(follower_);
  v1::SessionRequest close;
  close.mutable_close();
  ensemble_.SendRaw(reader, close);
  ensemble_.Run();
  EXPECT_EQ(reader->end, StreamEnd::kDone);
}

TEST_F(StreamsTest, WithoutTheOptionAMemberAloneServesNobody) {
  ensemble_.Crash(other_);
  ensemble_.Crash(leader_);
  ensemble_.Advance(2'000);
  EXPECT_EQ(ensemble_.ConnectReadOnly(follower_)->end,
            StreamEnd::kUnavailable);
}

}  // namespace
}  // namespace sillok::coord
