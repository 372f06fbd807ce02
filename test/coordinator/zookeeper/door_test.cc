// The ZooKeeper door of a real member, by a client that knows only bytes.

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "httplib.h"
#include "nlohmann/json.hpp"
#include "proto/coordinator.pb.h"
#include "test/coordinator/zookeeper/raw_client.h"
#include "test/support/zookeeper/ensemble.h"

namespace sillok::coord {
namespace {

using jute::Op;
using testing::HasSubstr;
using testing::StartsWith;

constexpr int kMaxFrame = 0xfffff;

// One member for all tests; each works below a znode of its own.
class DoorTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::filesystem::remove_all(Directory());
    std::filesystem::create_directories(Directory());
    zk::EnsembleSpec spec;
    spec.directory = Directory();
    spec.members = 1;
    spec.settings = {"jute.maxbuffer=1048575"};
    member_ = new zk::Ensemble(spec);
  }
  static void TearDownTestSuite() {
    delete member_;
    member_ = nullptr;
  }

  static std::string Directory() { return testing::TempDir() + "/door_test"; }
  static zk::Address address() { return member_->address(1); }
  static std::string Word(const std::string& word) {
    return zk::FourLetterWord(address(), word, RawClient::kPatienceMs);
  }
  // Memory of the member's process.
  static int64_t ResidentBytes() {
    std::ifstream file("/proc/" + std::to_string(member_->pid(1)) + "/statm");
    int64_t total = 0, resident = 0;
    file >> total >> resident;
    return resident * 4096;
  }
  // The member answers others as before.
  static void ExpectServing() {
    RawClient other(address());
    EXPECT_GT(other.Connect().timeout_ms, 0);
    other.Ask(1, Op::kExists, jute::PathWatch{"/", false});
    EXPECT_EQ(other.Header().err, 0);
  }

  static zk::Ensemble* member_;
};
zk::Ensemble* DoorTest::member_ = nullptr;

TEST_F(DoorTest, EveryKindOfRequestIsAnsweredInOrder) {
  RawClient client(address());
  client.Connect();
  const std::vector<std::string> requests = jute::EveryRequest(1);
  std::string all;
  std::vector<int32_t> expected;
  for (const std::string& frame : requests) {
    all += jute::WithLength(frame);
    jute::RequestHeader header;
    ASSERT_TRUE(jute::Decode(frame, &header));
    // These two stand outside the order.
    if (header.xid != jute::kPingXid && header.xid != jute::kAuthXid) {
      expected.push_back(header.xid);
    }
  }
  ASSERT_TRUE(client.socket().SendBytes(all));
  std::vector<int32_t> answered;
  int outside = 0;
  while (answered.size() < expected.size() || outside < 2) {
    const jute::ReplyHeader header = client.Header();
    if (testing::Test::HasFailure()) return;
    if (header.xid == jute::kPingXid || header.xid == jute::kAuthXid) {
      ++outside;
    } else if (header.xid != jute::kNotificationXid) {
      answered.push_back(header.xid);
    }
  }
  EXPECT_EQ(answered, expected);
}

TEST_F(DoorTest, WhatIsSentBehindTheConnectRequestWaitsForTheSession) {
  RawClient client(address());
  std::string all = jute::WithLength(jute::ConnectFrame());
  for (int32_t xid = 1; xid <= 20; ++xid) {
    all += jute::WithLength(
        jute::Request(xid, Op::kExists, jute::PathWatch{"/", false}));
  }
  ASSERT_TRUE(client.socket().SendBytes(all));
  EXPECT_GT(client.ReadConnected().timeout_ms, 0);
  for (int32_t xid = 1; xid <= 20; ++xid) {
    const jute::ReplyHeader header = client.Header();
    EXPECT_EQ(header.xid, xid);
    EXPECT_EQ(header.err, 0);
  }
}

TEST_F(DoorTest, BytesMayComeOneByOne) {
  RawClient client(address());
  const std::string all =
      jute::WithLength(jute::ConnectFrame()) +
      jute::WithLength(jute::Request(1, Op::kGetData, jute::PathWatch{"/", true}));
  for (char byte : all) {
    ASSERT_TRUE(client.socket().SendBytes(std::string(1, byte)));
  }
  EXPECT_GT(client.ReadConnected().timeout_ms, 0);
  EXPECT_EQ(client.Header().xid, 1);
}

TEST_F(DoorTest, AnUnknownSessionIsToldThatItHasExpired) {
  RawClient client(address());
  const jute::ConnectResponse response = client.Connect(0x1234);
  EXPECT_EQ(response.timeout_ms, 0);
  EXPECT_EQ(response.session_id, 0);
  EXPECT_EQ(response.password.bytes, std::string(16, '\0'));
  EXPECT_TRUE(client.Closed());
}

TEST_F(DoorTest, AWrongPasswordLooksTheSame) {
  RawClient first(address());
  first.Connect();
  RawClient second(address());
  EXPECT_EQ(second.Connect(first.session_id(), "0123456789abcdef").timeout_ms,
            0);
  EXPECT_TRUE(second.Closed());
}

TEST_F(DoorTest, ASessionIsTakenUpAgainAndTheOldConnectionEnds) {
  RawClient first(address());
  first.Connect();
  first.Ask(1, Op::kCreate, jute::OpenCreate("/taken-up", "", 1));
  ASSERT_EQ(first.Header().err, 0);
  RawClient second(address());
  const jute::ConnectResponse response =
      second.Connect(first.session_id(), first.password());
  EXPECT_GT(response.timeout_ms, 0);
  EXPECT_EQ(response.session_id, first.session_id());
  EXPECT_TRUE(first.Closed());
  second.Ask(1, Op::kExists, jute::PathWatch{"/taken-up", false});
  EXPECT_EQ(second.Header().err, 0);
}

TEST_F(DoorTest, AClientThatHasSeenMoreIsTurnedAwayWithoutAWord) {
  RawClient client(address());
  client.Send(jute::ConnectFrame(0, std::string(16, '\0'),
                                 int64_t{1} << 62));
  EXPECT_TRUE(client.Closed());
}

TEST_F(DoorTest, ClosingASessionIsAnsweredWhenItsEphemeralsAreGone) {
  RawClient client(address());
  client.Connect();
  client.Ask(1, Op::kCreate, jute::OpenCreate("/closing", "", 1));
  ASSERT_EQ(client.Header().err, 0);
  client.Ask(2, Op::kCloseSession);
  const jute::ReplyHeader header = client.Header();
  EXPECT_EQ(header.xid, 2);
  EXPECT_EQ(header.err, 0);
  EXPECT_TRUE(client.Closed());
  RawClient other(address());
  other.Connect();
  other.Ask(1, Op::kExists, jute::PathWatch{"/closing", false});
  EXPECT_EQ(other.Header().err, v1::NO_NODE);
  RawClient again(address());
  EXPECT_EQ(again.Connect(client.session_id(), client.password()).timeout_ms,
            0);
}

TEST_F(DoorTest, AnEventComesBeforeTheAnswerThatShowsItsChange) {
  RawClient client(address());
  client.Connect();
  client.Ask(1, Op::kCreate, jute::OpenCreate("/event", "a"));
  ASSERT_EQ(client.Header().err, 0);
  client.Ask(2, Op::kGetData, jute::PathWatch{"/event", true});
  ASSERT_EQ(client.Header().err, 0);
  client.Ask(3, Op::kSetData, jute::SetDataRequest{"/event", {"b", false}, -1});
  const std::string event = client.Frame();
  EXPECT_EQ(jute::HeaderOf(event).xid, jute::kNotificationXid);
  EXPECT_EQ(jute::BodyOf(event),
            jute::Encode(jute::WatcherEvent{3, 3, "/event"}));
  const jute::ReplyHeader answer = client.Header();
  EXPECT_EQ(answer.xid, 3);
  EXPECT_EQ(answer.zxid, jute::HeaderOf(event).zxid);
}

TEST_F(DoorTest, AFailedMultiHasExactlyZooKeepersBytes) {
  RawClient client(address());
  client.Connect();
  auto part = [](Op op) {
    return jute::MultiHeader{static_cast<int32_t>(op), false, -1};
  };
  client.Ask(1, Op::kMulti, part(Op::kCreate), jute::OpenCreate("/m1", ""),
             part(Op::kDelete), jute::PathVersion{"/no-such", -1},
             part(Op::kCheck), jute::PathVersion{"/m1", 0}, jute::kMultiEnd);
  const std::string answer = client.Frame();
  EXPECT_EQ(jute::HeaderOf(answer).err, 0);
  auto failed = [](int32_t code) {
    return jute::Encode(jute::MultiHeader{-1, false, code}, code);
  };
  EXPECT_EQ(jute::BodyOf(answer), failed(0) + failed(-101) + failed(-2) +
                                      jute::Encode(jute::kMultiEnd));
  client.Ask(2, Op::kMulti, jute::kMultiEnd);
  const std::string empty = client.Frame();
  EXPECT_EQ(jute::HeaderOf(empty).err, 0);
  EXPECT_EQ(jute::BodyOf(empty), jute::Encode(jute::kMultiEnd));
}

TEST_F(DoorTest, ACheckOutsideAMultiIsRefusedAndHarmless) {
  for (Op op : {Op::kCheck, Op::kCreateSession, Op::kDeleteContainer,
                static_cast<Op>(99)}) {
    RawClient client(address());
    client.Connect();
    client.Ask(1, op, jute::PathVersion{"/", -1});
    const jute::ReplyHeader header = client.Header();
    EXPECT_EQ(header.xid, 1);
    EXPECT_EQ(header.zxid, -1);
    EXPECT_EQ(header.err, v1::UNIMPLEMENTED);
    EXPECT_TRUE(client.Closed());
  }
  ExpectServing();
}

TEST_F(DoorTest, ARefusedIdentityEndsTheConnection) {
  RawClient client(address());
  client.Connect();
  client.Ask(jute::kAuthXid, Op::kAuth,
             jute::AuthPacket{0, "no-such-scheme", {"x", false}});
  const jute::ReplyHeader header = client.Header();
  EXPECT_EQ(header.xid, jute::kAuthXid);
  EXPECT_EQ(header.err, v1::AUTH_FAILED);
  EXPECT_TRUE(client.Closed());
}

TEST_F(DoorTest, TextThatIsNotUtf8IsNoPath) {
  RawClient client(address());
  client.Connect();
  client.Ask(1, Op::kCreate, jute::OpenCreate("/bad\xff", ""));
  EXPECT_EQ(client.Header().err, v1::BAD_ARGUMENTS);
  client.Ask(2, Op::kCreate, jute::OpenCreate("/g\xc3\xbct", ""));
  EXPECT_EQ(client.Header().err, 0);
}

// --- lengths ---

TEST_F(DoorTest, ATooLongRequestIsToldSo) {
  for (int32_t length : {kMaxFrame + 1, 100 << 20, 0x70000000}) {
    RawClient client(address());
    client.Connect();
    client.Ask(1, Op::kExists, jute::PathWatch{"/", false});
    // Only the beginning: the rest never comes.
    ASSERT_TRUE(client.socket().SendBytes(
        jute::Encode(length) + jute::Request(2, Op::kSetData)));
    EXPECT_EQ(client.Header().xid, 1);
    const jute::ReplyHeader header = client.Header();
    EXPECT_EQ(header.xid, 2);
    EXPECT_EQ(header.err, v1::BAD_ARGUMENTS);
    EXPECT_TRUE(client.Closed());
  }
}

TEST_F(DoorTest, AClientThatStillSendsATooLongRequestHearsTheAnswer) {
  RawClient client(address());
  client.Connect();
  const std::string data(2 << 20, 'x');
  client.Send(jute::Request(1, Op::kSetData,
                            jute::SetDataRequest{"/", {data, false}, -1}));
  EXPECT_EQ(client.Header().err, v1::BAD_ARGUMENTS);
  EXPECT_TRUE(client.Closed());
}

TEST_F(DoorTest, TheLongestRequestIsTaken) {
  RawClient client(address());
  client.Connect();
  client.Ask(1, Op::kCreate, jute::OpenCreate("/long", ""));
  ASSERT_EQ(client.Header().err, 0);
  const std::string around =
      jute::Request(2, Op::kSetData, jute::SetDataRequest{"/long", {"", false}, -1});
  const std::string data(kMaxFrame - around.size(), 'x');
  client.Ask(2, Op::kSetData, jute::SetDataRequest{"/long", {data, false}, -1});
  EXPECT_EQ(client.Header().err, 0);
  client.Ask(3, Op::kGetData, jute::PathWatch{"/long", false});
  const std::string answer = client.Frame();
  jute::DataStat read;
  ASSERT_TRUE(jute::Decode(jute::BodyOf(answer), &read));
  EXPECT_EQ(read.data.bytes, data);
}

TEST_F(DoorTest, LengthsThatMakeNoSenseEndTheConnection) {
  for (int32_t length : {-1, -2, static_cast<int32_t>(0x80000000)}) {
    RawClient fresh(address());
    ASSERT_TRUE(fresh.socket().SendBytes(jute::Encode(length)));
    EXPECT_TRUE(fresh.Closed());
    RawClient client(address());
    client.Connect();
    ASSERT_TRUE(client.socket().SendBytes(jute::Encode(length)));
    EXPECT_TRUE(client.Closed());
  }
  RawClient empty(address());
  ASSERT_TRUE(empty.socket().SendBytes(jute::Encode(int32_t{0})));
  EXPECT_TRUE(empty.Closed());
  ExpectServing();
}

// Each kind of request, cut off at each byte (its length says so) and followed
// by a good one: an error with its number, or the end; the next is answered.
TEST_F(DoorTest, EveryKindOfRequestCutOffAnywhereIsAnsweredOrEnds) {
  auto client = std::make_unique<RawClient>(address());
  client->Connect();
  int ends = 0;
  for (const std::string& frame : jute::EveryRequest(1)) {
    for (size_t size = 0; size < frame.size(); ++size) {
      client->Send(frame.substr(0, size));
      client->Ask(77, Op::kExists, jute::PathWatch{"/", false});
      std::optional<std::string> answer = client->FrameOrClosed();
      if (answer.has_value()) {
        EXPECT_EQ(jute::HeaderOf(*answer).err, v1::MARSHALLING_ERROR);
        answer = client->FrameOrClosed();
      }
      if (answer.has_value()) {
        EXPECT_EQ(jute::HeaderOf(*answer).xid, 77);
        continue;
      }
      ++ends;
      client = std::make_unique<RawClient>(address());
      client->Connect();
    }
  }
  // Those without a whole header, and auth.
  EXPECT_GE(ends, 8 * 20);
}

// --- bounds ---

TEST_F(DoorTest, NonsenseCostsNoMemory) {
  RawClient client(address());
  client.Connect();
  auto round = [&] {
    for (int32_t i = 1; i <= 200; ++i) {
      // Counts and lengths that promise what is not there.
      client.Send(jute::Request(i, Op::kSetWatches, int64_t{0},
                                int32_t{0x7fffffff}));
      EXPECT_EQ(client.Header().err, v1::MARSHALLING_ERROR);
      client.Send(jute::Request(i, Op::kCreate, std::string_view("/x"),
                                int32_t{0x7ffffff0}));
      EXPECT_EQ(client.Header().err, v1::MARSHALLING_ERROR);
    }
  };
  round();
  const int64_t before = ResidentBytes();
  for (int i = 0; i < 20; ++i) round();
  EXPECT_LT(ResidentBytes() - before, 16 << 20);
}

TEST_F(DoorTest, WhoAsksAndDoesNotReadIsNotReadFrom) {
  RawClient client(address());
  client.Connect();
  const std::string data(500'000, 'x');
  client.Ask(1, Op::kCreate, jute::OpenCreate("/heavy", data));
  ASSERT_EQ(client.Header().err, 0);
  const int64_t before = ResidentBytes();
  constexpr int32_t kAsked = 1'000;  // half a gigabyte of answers
  std::string all;
  for (int32_t xid = 2; xid < 2 + kAsked; ++xid) {
    all += jute::WithLength(
        jute::Request(xid, Op::kGetData, jute::PathWatch{"/heavy", false}));
  }
  ASSERT_TRUE(client.socket().SendBytes(all));
  // Others are served, and by then what this one asked has been seen.
  for (int i = 0; i < 20; ++i) ExpectServing();
  EXPECT_LT(ResidentBytes() - before, 64 << 20);
  for (int32_t xid = 2; xid < 2 + kAsked; ++xid) {
    const std::string frame = client.Frame();
    ASSERT_EQ(jute::HeaderOf(frame).xid, xid);
    ASSERT_GT(frame.size(), data.size());
  }
}

TEST_F(DoorTest, ALongPipelineOfWritesIsAnsweredWholeAndInOrder) {
  RawClient client(address());
  client.Connect();
  client.Ask(1, Op::kCreate, jute::OpenCreate("/pipeline", ""));
  ASSERT_EQ(client.Header().err, 0);
  constexpr int32_t kAsked = 5'000;  // more than may be unanswered
  std::string all;
  for (int32_t xid = 2; xid < 2 + kAsked; ++xid) {
    // Every third is a read that must see the write before it.
    all += jute::WithLength(
        xid % 3 == 0
            ? jute::Request(xid, Op::kGetData,
                            jute::PathWatch{"/pipeline", false})
            : jute::Request(xid, Op::kSetData,
                            jute::SetDataRequest{
                                "/pipeline", {std::to_string(xid), false}, -1}));
  }
  ASSERT_TRUE(client.socket().SendBytes(all));
  for (int32_t xid = 2; xid < 2 + kAsked; ++xid) {
    const std::string frame = client.Frame();
    ASSERT_EQ(jute::HeaderOf(frame).xid, xid);
    if (xid % 3 != 0) continue;
    jute::DataStat read;
    ASSERT_TRUE(jute::Decode(jute::BodyOf(frame), &read));
    if (xid > 3) {
      ASSERT_EQ(read.data.bytes, std::to_string(xid - 1));
    }
  }
}

TEST_F(DoorTest, ConnectionsThatSayNothingDoNoHarm) {
  std::vector<std::unique_ptr<RawClient>> silent;
  for (int i = 0; i < 200; ++i) {
    silent.push_back(std::make_unique<RawClient>(address()));
  }
  ExpectServing();
}

// --- words ---

TEST_F(DoorTest, FourLetterWordsAreAnswered) {
  EXPECT_EQ(Word("ruok"), "imok");
  EXPECT_EQ(Word("isro"), "rw");
  EXPECT_THAT(Word("srvr"), StartsWith("Zookeeper version: 3."));
  EXPECT_THAT(Word("srvr"), HasSubstr("\nMode: standalone\n"));
  EXPECT_THAT(Word("stat"), StartsWith("Zookeeper version: 3."));
  RawClient client(address());
  client.Connect();
  client.Ask(1, Op::kCreate, jute::OpenCreate("/words", "", 1));
  ASSERT_EQ(client.Header().err, 0);
  client.Ask(2, Op::kGetData, jute::PathWatch{"/words", true});
  ASSERT_EQ(client.Header().err, 0);
  char session[32];
  snprintf(session, sizeof(session), "0x%llx",
           static_cast<unsigned long long>(client.session_id()));
  EXPECT_THAT(Word("cons"), HasSubstr(std::string("sid=") + session));
  EXPECT_THAT(Word("dump"), HasSubstr(std::string(session) + ":\n\t/words\n"));
  EXPECT_THAT(Word("wchp"), HasSubstr(std::string("/words\n\t") + session));
  EXPECT_THAT(Word("wchc"), HasSubstr(std::string(session) + "\n\t/words"));
  EXPECT_THAT(Word("mntr"), HasSubstr("zk_server_state\tstandalone\n"));
  EXPECT_THAT(Word("conf"), HasSubstr("tickTime=2000\n"));
  EXPECT_THAT(Word("envi"), HasSubstr("zookeeper.version=3."));
  EXPECT_THAT(Word("dirs"), HasSubstr("datadir_size: "));
  EXPECT_EQ(Word(std::string("stmk\0\0\0\0\0\0\0\7", 12)), "7");
  EXPECT_EQ(Word("gtmk"), "7");
  EXPECT_EQ(Word("crst"), "Connection stats reset.\n");
  EXPECT_EQ(Word("srst"), "Server stats reset.\n");
}

TEST_F(DoorTest, AdminCommandsAreAnsweredOverHttp) {
  std::ifstream file(Directory() + "/member-1/ports.json");
  const auto ports = nlohmann::json::parse(file);
  EXPECT_EQ(ports["zookeeper"], address().port);
  httplib::Client http("127.0.0.1", ports["http"].get<int>());
  auto get = [&](const std::string& path) {
    auto reply = http.Get(path);
    EXPECT_TRUE(reply && reply->status == 200) << path;
    return nlohmann::json::parse(reply ? reply->body : "{}");
  };
  EXPECT_GT(get("/commands")["commands"].size(), 10u);
  EXPECT_EQ(get("/commands/ruok")["command"], "ruok");
  EXPECT_EQ(get("/commands/monitor")["server_state"], "standalone");
  EXPECT_EQ(get("/commands/mntr")["server_state"], "standalone");
  EXPECT_TRUE(get("/commands/stats")["error"].is_null());
  auto missing = http.Get("/commands/no-such");
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
}

TEST_F(DoorTest, AWordThatIsNoneIsALengthThatMakesNoSense) {
  EXPECT_EQ(Word("abcd"), "");
  RawClient client(address());
  client.Connect();
  // Behind a connect request it is a length, too.
  ASSERT_TRUE(client.socket().SendBytes("ruok12345678"));
  const std::optional<std::string> answer = client.FrameOrClosed();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(jute::HeaderOf(*answer).err, v1::BAD_ARGUMENTS);
  EXPECT_TRUE(client.Closed());
}

}  // namespace
}  // namespace sillok::coord
