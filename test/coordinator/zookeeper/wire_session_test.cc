#include "coordinator/zookeeper/wire_session.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "proto/jute/records.h"
#include "test/coordinator/zookeeper/wire_fixture.h"

namespace sillok::coord {
namespace {

using jute::Op;

class WireSessionTest : public testing::Test {
 protected:
  static constexpr uint64_t kZxid = 0x100000007;

  // As a member answers a connect request.
  void Connect(const std::string& frame = jute::ConnectFrame()) {
    auto request = wire_.OnFrame(frame);
    ASSERT_TRUE(request.has_value() && request->has_connect());
    v1::SessionResponse message;
    message.set_zxid(kZxid);
    message.mutable_connect()->set_session_id(5);
    message.mutable_connect()->set_password("0123456789abcdef");
    message.mutable_connect()->set_timeout_ms(30'000);
    wire_.OnMessage(message);
    Taken();
  }

  // The answer to the request with this id.
  static v1::SessionResponse Answer(int32_t xid, v1::CoordCode code = v1::OK) {
    v1::SessionResponse message;
    message.set_request_id(static_cast<uint32_t>(xid));
    message.set_zxid(kZxid);
    message.mutable_response()->set_code(code);
    return message;
  }

  std::vector<std::string> Taken() {
    return jute::SplitFrames(wire_.TakeBytes());
  }
  std::vector<jute::ReplyHeader> Headers() {
    std::vector<jute::ReplyHeader> headers;
    for (const std::string& frame : Taken()) {
      headers.push_back(jute::HeaderOf(frame));
    }
    return headers;
  }

  WireSession wire_{100};
};

TEST_F(WireSessionTest, TheFirstFrameMustBeAConnectRequest) {
  EXPECT_FALSE(wire_.OnFrame(jute::Request(1, Op::kGetData,
                                           jute::PathWatch{"/", false}))
                   .has_value());
  EXPECT_TRUE(wire_.ended());
  EXPECT_FALSE(wire_.has_bytes());
}

TEST_F(WireSessionTest, ANewSessionIsToldItsIdPasswordAndTimeout) {
  auto request = wire_.OnFrame(
      jute::ConnectFrame(9, "fedcba9876543210", 0x200000001, 12'345));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->connect().session_id(), 9u);
  EXPECT_EQ(request->connect().password(), "fedcba9876543210");
  EXPECT_EQ(request->connect().last_zxid_seen(), 0x200000001u);
  EXPECT_EQ(request->connect().timeout_ms(), 12'345);
  v1::SessionResponse message;
  message.mutable_connect()->set_session_id(9);
  message.mutable_connect()->set_password("0123456789abcdef");
  message.mutable_connect()->set_timeout_ms(10'000);
  wire_.OnMessage(message);
  std::vector<std::string> frames = Taken();
  ASSERT_EQ(frames.size(), 1u);
  jute::ConnectResponse response;
  ASSERT_TRUE(jute::DecodeConnectResponse(frames[0], &response));
  EXPECT_EQ(response.session_id, 9);
  EXPECT_EQ(response.timeout_ms, 10'000);
  EXPECT_EQ(response.password.bytes, "0123456789abcdef");
  EXPECT_TRUE(response.has_read_only);
}

TEST_F(WireSessionTest, AClientThatKnowsNoReadOnlyModeIsNotToldOfIt) {
  std::string frame = jute::ConnectFrame();
  frame.pop_back();
  ASSERT_TRUE(wire_.OnFrame(frame).has_value());
  v1::SessionResponse message;
  message.mutable_connect()->set_timeout_ms(1);
  message.mutable_connect()->set_password(std::string(16, 'p'));
  wire_.OnMessage(message);
  std::vector<std::string> frames = Taken();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].size(), 36u);
}

TEST_F(WireSessionTest, AnExpiredSessionIsToldSoWithNoughts) {
  ASSERT_TRUE(wire_.OnFrame(jute::ConnectFrame(9)).has_value());
  v1::SessionResponse message;
  message.mutable_connect()->set_code(v1::SESSION_EXPIRED);
  wire_.OnMessage(message);
  wire_.OnEnd();
  std::vector<std::string> frames = Taken();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].size(), 37u);
  EXPECT_EQ(frames[0],
            std::string(16, '\0') + jute::Encode(int32_t{16}) +
                std::string(17, '\0'));
  EXPECT_TRUE(wire_.ended());
}

TEST_F(WireSessionTest, AnswersCarryTheNumbersOfTheirRequests) {
  Connect();
  for (int32_t xid : {1, 2, 0x7fffffff}) {
    auto request = wire_.OnFrame(
        jute::Request(xid, Op::kGetData, jute::PathWatch{"/a", true}));
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->request().get_data().path(), "/a");
    EXPECT_TRUE(request->request().get_data().watch());
  }
  wire_.OnMessage(Answer(1));
  wire_.OnMessage(Answer(2, v1::NO_NODE));
  wire_.OnMessage(Answer(0x7fffffff));
  EXPECT_EQ(Headers(), (std::vector<jute::ReplyHeader>{
                           {1, kZxid, 0},
                           {2, kZxid, v1::NO_NODE},
                           {0x7fffffff, kZxid, 0}}));
}

TEST_F(WireSessionTest, PingsAndAuthStandOutsideTheOrder) {
  Connect();
  ASSERT_TRUE(wire_.OnFrame(jute::Request(1, Op::kDelete,
                                          jute::PathVersion{"/a", -1})));
  auto ping = wire_.OnFrame(jute::Request(jute::kPingXid, Op::kPing));
  ASSERT_TRUE(ping.has_value() && ping->has_ping());
  auto auth = wire_.OnFrame(
      jute::Request(jute::kAuthXid, Op::kAuth,
                    jute::AuthPacket{0, "digest", {"u:p", false}}));
  ASSERT_TRUE(auth.has_value() && auth->has_auth());
  EXPECT_EQ(auth->auth().credentials(), "u:p");
  v1::SessionResponse pong;
  pong.set_zxid(kZxid);
  pong.mutable_ping();
  wire_.OnMessage(pong);
  v1::SessionResponse proved;
  proved.set_zxid(kZxid);
  proved.mutable_auth();
  wire_.OnMessage(proved);
  wire_.OnMessage(Answer(1));
  EXPECT_EQ(Headers(), (std::vector<jute::ReplyHeader>{
                           {jute::kPingXid, kZxid, 0},
                           {jute::kAuthXid, 0, 0},
                           {1, kZxid, 0}}));
}

TEST_F(WireSessionTest, AnEventCarriesTheZxidOfItsChange) {
  Connect();
  v1::SessionResponse event;
  event.mutable_event()->set_type(v1::NODE_CHILDREN_CHANGED);
  event.mutable_event()->set_path("/p");
  event.mutable_event()->set_zxid(0x100000009);
  wire_.OnMessage(event);
  std::vector<std::string> frames = Taken();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0],
            jute::Encode(jute::ReplyHeader{-1, 0x100000009, 0},
                         jute::WatcherEvent{4, 3, "/p"}));
}

TEST_F(WireSessionTest, WhatIsMalformedIsAnsweredInItsTurn) {
  Connect();
  ASSERT_TRUE(wire_.OnFrame(
      jute::Request(1, Op::kDelete, jute::PathVersion{"/a", -1})));
  EXPECT_FALSE(wire_.OnFrame(jute::Request(2, Op::kGetData)).has_value());
  ASSERT_TRUE(wire_.OnFrame(
      jute::Request(3, Op::kDelete, jute::PathVersion{"/b", -1})));
  EXPECT_FALSE(wire_.has_bytes());  // the write before it is not decided
  wire_.OnMessage(Answer(1));
  EXPECT_EQ(Headers(), (std::vector<jute::ReplyHeader>{
                           {1, kZxid, 0}, {2, kZxid, v1::MARSHALLING_ERROR}}));
  EXPECT_FALSE(wire_.ended());
  wire_.OnMessage(Answer(3));
  EXPECT_EQ(Headers(), (std::vector<jute::ReplyHeader>{{3, kZxid, 0}}));
}

TEST_F(WireSessionTest, KindsThatThereAreNotAreMalformed) {
  const jute::MultiHeader create = {1, false, -1};
  for (const std::string& frame : {
           jute::Request(1, Op::kAddWatch, jute::PathType{"/a", 2}),
           jute::Request(1, Op::kRemoveWatches, jute::PathType{"/a", 0}),
           jute::Request(1, Op::kMulti, jute::MultiHeader{7, false, -1},
                         jute::kMultiEnd),
           jute::Request(1, Op::kMulti, create, jute::OpenCreate("/a", "", 5),
                         jute::kMultiEnd)}) {
    wire_ = WireSession(100);
    Connect();
    EXPECT_FALSE(wire_.OnFrame(frame).has_value());
    EXPECT_EQ(Headers(), (std::vector<jute::ReplyHeader>{
                             {1, kZxid, v1::MARSHALLING_ERROR}}));
    EXPECT_FALSE(wire_.ended());
  }
}

TEST_F(WireSessionTest, WhatNoClientMayAskForEndsTheConnection) {
  for (Op op : {Op::kCheck, Op::kCreateSession, Op::kDeleteContainer,
                static_cast<Op>(42), static_cast<Op>(-7)}) {
    wire_ = WireSession(100);
    Connect();
    ASSERT_TRUE(wire_.OnFrame(
        jute::Request(1, Op::kDelete, jute::PathVersion{"/a", -1})));
    EXPECT_FALSE(
        wire_.OnFrame(jute::Request(2, op, jute::PathVersion{"/a", -1}))
            .has_value());
    EXPECT_FALSE(wire_.WantsFrame());
    EXPECT_FALSE(wire_.ended());
    EXPECT_FALSE(wire_.OnFrame(jute::Request(3, Op::kWhoAmI)).has_value());
    wire_.OnMessage(Answer(1));
    EXPECT_EQ(Headers(), (std::vector<jute::ReplyHeader>{
                             {1, kZxid, 0}, {2, -1, v1::UNIMPLEMENTED}}));
    EXPECT_TRUE(wire_.ended());
  }
}

TEST_F(WireSessionTest, ATooLongRequestIsToldSoInItsTurn) {
  Connect();
  ASSERT_TRUE(wire_.OnFrame(
      jute::Request(1, Op::kDelete, jute::PathVersion{"/a", -1})));
  wire_.OnOversizeFrame(jute::Request(2, Op::kSetData));
  EXPECT_FALSE(wire_.ended());
  wire_.OnMessage(Answer(1));
  EXPECT_EQ(Headers(), (std::vector<jute::ReplyHeader>{
                           {1, kZxid, 0}, {2, kZxid, v1::BAD_ARGUMENTS}}));
  EXPECT_TRUE(wire_.ended());
}

TEST_F(WireSessionTest, ATooLongConnectRequestIsNotAnswered) {
  wire_.OnOversizeFrame("12345678");
  EXPECT_TRUE(wire_.ended());
  EXPECT_FALSE(wire_.has_bytes());
}

TEST_F(WireSessionTest, AHeaderThatIsCutOffEndsTheConnection) {
  for (size_t size = 0; size < jute::RequestHeader::kBytes; ++size) {
    wire_ = WireSession(100);
    Connect();
    EXPECT_FALSE(wire_.OnFrame(std::string(size, '\1')).has_value());
    EXPECT_TRUE(wire_.ended());
    EXPECT_FALSE(wire_.has_bytes());
  }
}

TEST_F(WireSessionTest, EveryKindOfRequestGetsThroughWhole) {
  Connect();
  for (const std::string& frame : jute::EveryRequest(1)) {
    auto request = wire_.OnFrame(frame);
    EXPECT_TRUE(request.has_value());
  }
  EXPECT_FALSE(wire_.has_bytes());
}

// Each request cut off at each byte: answered with an error, or the connection
// ends; never taken for something else.
TEST_F(WireSessionTest, EveryKindOfRequestCutOffIsAnsweredOrEnds) {
  for (const std::string& frame : jute::EveryRequest(1)) {
    for (size_t size = 0; size < frame.size(); ++size) {
      wire_ = WireSession(100);
      Connect();
      EXPECT_FALSE(wire_.OnFrame(frame.substr(0, size)).has_value());
      if (wire_.ended()) continue;
      std::vector<jute::ReplyHeader> headers = Headers();
      ASSERT_EQ(headers.size(), 1u);
      EXPECT_EQ(headers[0].err, v1::MARSHALLING_ERROR);
    }
  }
}

TEST_F(WireSessionTest, ASessionThatMovedIsNotAnsweredButEnds) {
  Connect();
  ASSERT_TRUE(wire_.OnFrame(
      jute::Request(1, Op::kDelete, jute::PathVersion{"/a", -1})));
  wire_.OnMessage(Answer(1, v1::SESSION_MOVED));
  EXPECT_TRUE(wire_.ended());
  EXPECT_FALSE(wire_.has_bytes());
}

TEST_F(WireSessionTest, SoManyUnansweredRequestsAndNoMore) {
  wire_ = WireSession(3);
  Connect();
  for (int32_t xid = 1; xid <= 3; ++xid) {
    EXPECT_TRUE(wire_.WantsFrame());
    wire_.OnFrame(jute::Request(xid, Op::kWhoAmI));
  }
  EXPECT_FALSE(wire_.WantsFrame());
  wire_.OnMessage(Answer(1));
  EXPECT_TRUE(wire_.WantsFrame());
}

TEST_F(WireSessionTest, AnAnswerOutOfTurnIsNotPassedOn) {
  Connect();
  wire_.OnFrame(jute::Request(1, Op::kWhoAmI));
  wire_.OnMessage(Answer(2));
  EXPECT_TRUE(wire_.ended());
  EXPECT_FALSE(wire_.has_bytes());
}

// --- bodies ---

class BodyTest : public WireSessionTest {
 protected:
  // What follows the header of the answer to `frame`, whose xid is 1.
  std::string Body(const std::string& frame, v1::SessionResponse message) {
    wire_ = WireSession(100);
    Connect();
    EXPECT_TRUE(wire_.OnFrame(frame).has_value());
    wire_.OnMessage(message);
    std::vector<std::string> frames = Taken();
    if (frames.size() != 1) return "no answer";
    err_ = jute::HeaderOf(frames[0]).err;
    return std::string(jute::BodyOf(frames[0]));
  }
  static v1::WriteResult Written(v1::CoordCode code, const std::string& path,
                                 uint64_t czxid) {
    v1::WriteResult result;
    result.set_code(code);
    result.set_path(path);
    result.mutable_stat()->set_czxid(czxid);
    return result;
  }
  static jute::MultiHeader Part(Op op) {
    return {static_cast<int32_t>(op), false, -1};
  }
  static jute::MultiHeader Done(Op op) {
    return {static_cast<int32_t>(op), false, 0};
  }
  static jute::Stat StatWith(int64_t czxid) {
    jute::Stat stat;
    stat.czxid = czxid;
    return stat;
  }

  int32_t err_ = 0;
};

TEST_F(BodyTest, AStatKeepsItsNumbers) {
  v1::SessionResponse message = Answer(1);
  v1::Stat* stat = message.mutable_response()->mutable_stat();
  stat->set_czxid(1);
  stat->set_mzxid(2);
  stat->set_pzxid(3);
  stat->set_ctime_ms(4);
  stat->set_mtime_ms(5);
  stat->set_version(6);
  stat->set_cversion((int64_t{1} << 32) + 7);
  stat->set_aversion(8);
  stat->set_ephemeral_owner(0x8000000000000009);
  stat->set_data_length(10);
  stat->set_num_children(11);
  jute::Stat expected = {
      1, 2, 4, 5, 6, 7, 8, static_cast<int64_t>(0x8000000000000009), 10, 11, 3};
  EXPECT_EQ(Body(jute::Request(1, Op::kExists, jute::PathWatch{"/a", false}),
                 message),
            jute::Encode(expected));
}

TEST_F(BodyTest, CreatesSayThePathAndWhoAskedForItTheStat) {
  v1::SessionResponse message = Answer(1);
  *message.mutable_response()->mutable_write() = Written(v1::OK, "/a1", 9);
  EXPECT_EQ(Body(jute::Request(1, Op::kCreate, jute::OpenCreate("/a", "", 2)),
                 message),
            jute::Encode(std::string_view("/a1")));
  for (Op op : {Op::kCreate2, Op::kCreateContainer}) {
    EXPECT_EQ(Body(jute::Request(1, op, jute::OpenCreate("/a", "", 2)),
                   message),
              jute::Encode(std::string_view("/a1"), StatWith(9)));
  }
}

TEST_F(BodyTest, NullDataComesBackAsNull) {
  v1::SessionResponse message = Answer(1);
  message.mutable_response()->mutable_stat();
  message.mutable_response()->set_null_data(true);
  const std::string request =
      jute::Request(1, Op::kGetData, jute::PathWatch{"/a", false});
  EXPECT_EQ(Body(request, message),
            jute::Encode(int32_t{-1}, jute::Stat{}));
  message.mutable_response()->set_null_data(false);
  EXPECT_EQ(Body(request, message), jute::Encode(int32_t{0}, jute::Stat{}));
}

TEST_F(BodyTest, AnErrorHasNoBody) {
  EXPECT_EQ(Body(jute::Request(1, Op::kGetData, jute::PathWatch{"/a", false}),
                 Answer(1, v1::NO_NODE)),
            "");
  EXPECT_EQ(err_, v1::NO_NODE);
}

TEST_F(BodyTest, SyncSaysItsPathAgain) {
  EXPECT_EQ(Body(jute::Request(1, Op::kSync, jute::PathOnly{"/x"}), Answer(1)),
            jute::Encode(std::string_view("/x")));
}

TEST_F(BodyTest, WhoAmIShowsOnlyTheUserOfADigest) {
  v1::SessionResponse message = Answer(1);
  v1::Identity* digest = message.mutable_response()->add_identities();
  digest->set_scheme("digest");
  digest->set_id("bob:hash");
  v1::Identity* ip = message.mutable_response()->add_identities();
  ip->set_scheme("ip");
  ip->set_id("::1");
  EXPECT_EQ(Body(jute::Request(1, Op::kWhoAmI), message),
            jute::Encode(jute::WhoAmIResponse{{{"digest", "bob"},
                                               {"ip", "::1"}}}));
}

TEST_F(BodyTest, AMultiThatSucceedsHasAResultOfEachKind) {
  const std::string frame = jute::Request(
      1, Op::kMulti, Part(Op::kCreate), jute::OpenCreate("/a", ""),
      Part(Op::kCreate2), jute::OpenCreate("/b", ""), Part(Op::kSetData),
      jute::SetDataRequest{"/a", {"", false}, 0}, Part(Op::kCheck),
      jute::PathVersion{"/a", 1}, Part(Op::kDelete),
      jute::PathVersion{"/a", 1}, jute::kMultiEnd);
  v1::SessionResponse message = Answer(1);
  for (int i = 0; i < 5; ++i) {
    *message.mutable_response()->add_multi() =
        Written(v1::OK, "/" + std::to_string(i), 10 + static_cast<uint64_t>(i));
  }
  EXPECT_EQ(Body(frame, message),
            jute::Encode(Done(Op::kCreate), std::string_view("/0"),
                         Done(Op::kCreate2), std::string_view("/1"),
                         StatWith(11), Done(Op::kSetData), StatWith(12),
                         Done(Op::kCheck), Done(Op::kDelete),
                         jute::kMultiEnd));
}

TEST_F(BodyTest, AMultiThatFailsHasAnErrorForEachPartAndIsItselfOk) {
  const std::string frame = jute::Request(
      1, Op::kMulti, Part(Op::kCreate), jute::OpenCreate("/a", ""),
      Part(Op::kDelete), jute::PathVersion{"/x", 1}, Part(Op::kCheck),
      jute::PathVersion{"/a", 1}, jute::kMultiEnd);
  v1::SessionResponse message = Answer(1, v1::NO_NODE);
  message.mutable_response()->add_multi()->set_code(v1::OK);
  message.mutable_response()->add_multi()->set_code(v1::NO_NODE);
  message.mutable_response()->add_multi()->set_code(v1::RUNTIME_INCONSISTENCY);
  auto failed = [](int32_t code) {
    return jute::Encode(jute::MultiHeader{-1, false, code}, code);
  };
  EXPECT_EQ(Body(frame, message), failed(0) + failed(v1::NO_NODE) +
                                      failed(v1::RUNTIME_INCONSISTENCY) +
                                      jute::Encode(jute::kMultiEnd));
  EXPECT_EQ(err_, 0);
}

TEST_F(BodyTest, AnEmptyMultiIsItsEnd) {
  EXPECT_EQ(Body(jute::Request(1, Op::kMulti, jute::kMultiEnd), Answer(1)),
            jute::Encode(jute::kMultiEnd));
  EXPECT_EQ(err_, 0);
}

TEST_F(BodyTest, AMultiWhoseSessionIsGoneFailsAsARequest) {
  EXPECT_EQ(Body(jute::Request(1, Op::kMulti, Part(Op::kCheck),
                               jute::PathVersion{"/a", 1}, jute::kMultiEnd),
                 Answer(1, v1::SESSION_EXPIRED)),
            "");
  EXPECT_EQ(err_, v1::SESSION_EXPIRED);
}

TEST_F(BodyTest, AMultiReadHasItsFailuresAmongItsResults) {
  const std::string frame = jute::Request(
      1, Op::kMultiRead, Part(Op::kGetData), jute::PathWatch{"/a", false},
      Part(Op::kGetChildren), jute::PathWatch{"/b", false},
      Part(Op::kGetChildren), jute::PathWatch{"/c", false}, jute::kMultiEnd);
  v1::SessionResponse message = Answer(1);
  v1::CoordResponse* data = message.mutable_response()->add_reads();
  data->set_data("d");
  data->mutable_stat()->set_czxid(3);
  message.mutable_response()->add_reads()->set_code(v1::NO_NODE);
  message.mutable_response()->add_reads()->add_children("kid");
  const std::vector<std::string_view> kid = {"kid"};
  EXPECT_EQ(
      Body(frame, message),
      jute::Encode(Done(Op::kGetData), std::string_view("d"), StatWith(3),
                   jute::MultiHeader{-1, false, v1::NO_NODE},
                   static_cast<int32_t>(v1::NO_NODE), Done(Op::kGetChildren),
                   kid, jute::kMultiEnd));
}

// --- text ---

TEST(MendUtf8Test, LeavesUtf8AlonePutsU_FFFDForTheRest) {
  EXPECT_EQ(MendUtf8("plain"), "plain");
  EXPECT_EQ(MendUtf8("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"),
            "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(MendUtf8("a\xff" "b"), "a" + bad + "b");
  EXPECT_EQ(MendUtf8("\xc3"), bad);                  // cut off
  EXPECT_EQ(MendUtf8("\xc0\x80"), bad + bad);        // overlong
  EXPECT_EQ(MendUtf8("\xed\xa0\x80"), bad + bad + bad);  // a surrogate
  EXPECT_EQ(MendUtf8("\xf4\x90\x80\x80"), bad + bad + bad + bad);
}

}  // namespace
}  // namespace sillok::coord
