#include "coordinator/client/session_core.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok::coord {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Show(const v1::SessionRequest& request) {
  switch (request.kind_case()) {
    case v1::SessionRequest::kConnect:
      return "connect session=" +
             std::to_string(request.connect().session_id()) +
             " zxid=" + std::to_string(request.connect().last_zxid_seen());
    case v1::SessionRequest::kPing:
      return "ping";
    case v1::SessionRequest::kClose:
      return "close";
    case v1::SessionRequest::kSetWatches: {
      std::string text = "set_watches zxid=" +
                         std::to_string(request.set_watches().last_zxid_seen());
      for (auto& path : request.set_watches().data()) text += " data:" + path;
      for (auto& path : request.set_watches().exists()) {
        text += " exists:" + path;
      }
      for (auto& path : request.set_watches().children()) {
        text += " children:" + path;
      }
      for (auto& path : request.set_watches().persistent()) {
        text += " persistent:" + path;
      }
      for (auto& path : request.set_watches().persistent_recursive()) {
        text += " recursive:" + path;
      }
      return text;
    }
    case v1::SessionRequest::kAuth:
      return "auth " + request.auth().scheme() + " " +
             request.auth().credentials();
    case v1::SessionRequest::kRequest: {
      const v1::CoordRequest& call = request.request();
      std::string id = std::to_string(request.request_id());
      if (call.has_get_data()) return id + " get " + call.get_data().path();
      if (call.has_exists()) return id + " exists " + call.exists().path();
      if (call.has_get_children()) {
        return id + " children " + call.get_children().path();
      }
      if (call.has_write()) {
        return id + " create " + call.write().create().path();
      }
      if (call.has_multi()) {
        std::string text = id + " multi";
        for (const v1::WriteOp& op : call.multi().ops()) {
          text += " " + op.delete_().path();
        }
        return text;
      }
      if (call.has_add_watch()) {
        return id + " add_watch " + call.add_watch().path();
      }
      if (call.has_remove_watches()) {
        return id + " remove_watches " + call.remove_watches().path() + " " +
               v1::WatcherType_Name(call.remove_watches().type());
      }
      return id + " other";
    }
    case v1::SessionRequest::KIND_NOT_SET:
      break;
  }
  return "nothing";
}

// Prints what the core wants done; plays the server.
class SessionCoreTest : public ::testing::Test {
 protected:
  SessionCoreTest() { Make({}); }
  void Make(SessionCore::Options options) {
    if (options.servers == 1) options.servers = 2;
    options.session_timeout_ms = 6'000;
    core_ = std::make_unique<SessionCore>(options);
  }

  std::vector<std::string> Take() {
    std::vector<std::string> lines;
    for (const SessionCore::Action& action : core_->TakeOutput()) {
      if (auto* open = std::get_if<SessionCore::OpenStream>(&action)) {
        stream_ = open->stream;
        lines.push_back("open");
      } else if (auto* send = std::get_if<SessionCore::Send>(&action)) {
        EXPECT_EQ(send->stream, stream_);
        lines.push_back(Show(send->message));
      } else if (std::get_if<SessionCore::CloseStream>(&action)) {
        lines.push_back("drop");
      } else if (auto* done = std::get_if<SessionCore::Complete>(&action)) {
        std::string line = "call " + std::to_string(done->call) + " " +
                           v1::CoordCode_Name(done->response.code());
        if (!done->response.write().path().empty()) {
          line += " " + done->response.write().path();
        }
        if (done->dropped != 0) line += " unwatched";
        lines.push_back(line);
      } else if (auto* fire = std::get_if<SessionCore::FireWatch>(&action)) {
        std::string line = "fire " + fire->event.path();
        for (auto id : fire->watchers) line += " " + std::to_string(id);
        for (auto id : fire->lasting) line += " +" + std::to_string(id);
        lines.push_back(line);
      } else if (auto* f = std::get_if<SessionCore::ForgetWatchers>(&action)) {
        std::string line = "forget";
        for (auto id : f->watchers) line += " " + std::to_string(id);
        lines.push_back(line);
      } else if (auto* auth = std::get_if<SessionCore::AuthDone>(&action)) {
        lines.push_back("auth " + std::to_string(auth->call) + " " +
                        v1::CoordCode_Name(auth->code));
      } else if (auto* state = std::get_if<SessionCore::ChangeState>(&action)) {
        lines.push_back(std::string(StateName(state->state)));
      } else if (auto* closed = std::get_if<SessionCore::Closed>(&action)) {
        lines.push_back("closed " + v1::CoordCode_Name(closed->code));
      }
    }
    return lines;
  }

  void Connected(uint64_t session = 7, int64_t timeout_ms = 6'000,
                 v1::CoordCode code = v1::OK) {
    v1::SessionResponse response;
    response.set_zxid(zxid_);
    response.mutable_connect()->set_code(code);
    response.mutable_connect()->set_session_id(session);
    response.mutable_connect()->set_password("secret");
    response.mutable_connect()->set_timeout_ms(timeout_ms);
    core_->OnMessage(stream_, response, now_);
  }
  void StartConnected() {
    core_->Start(now_);
    Take();
    Connected();
    Take();
  }
  void Answer(uint64_t request, v1::CoordCode code = v1::OK,
              const std::string& path = "") {
    v1::SessionResponse response;
    response.set_request_id(request);
    response.set_zxid(++zxid_);
    response.mutable_response()->set_code(code);
    if (!path.empty()) response.mutable_response()->mutable_write()->set_path(path);
    core_->OnMessage(stream_, response, now_);
  }
  void Event(v1::WatchEventType type, const std::string& path) {
    v1::SessionResponse response;
    response.set_zxid(++zxid_);
    response.mutable_event()->set_type(type);
    response.mutable_event()->set_path(path);
    core_->OnMessage(stream_, response, now_);
  }
  void Get(uint64_t call, const std::string& path, uint64_t watcher = 0) {
    v1::CoordRequest request;
    request.mutable_get_data()->set_path(path);
    core_->Call(call, request, watcher, now_);
  }
  void Exists(uint64_t call, const std::string& path, uint64_t watcher = 0) {
    v1::CoordRequest request;
    request.mutable_exists()->set_path(path);
    core_->Call(call, request, watcher, now_);
  }
  void Children(uint64_t call, const std::string& path, uint64_t watcher = 0) {
    v1::CoordRequest request;
    request.mutable_get_children()->set_path(path);
    core_->Call(call, request, watcher, now_);
  }
  void AddWatch(uint64_t call, const std::string& path, uint64_t watcher,
                v1::AddWatchMode mode = v1::PERSISTENT_RECURSIVE_WATCH) {
    v1::CoordRequest request;
    request.mutable_add_watch()->set_path(path);
    request.mutable_add_watch()->set_mode(mode);
    core_->Call(call, request, watcher, now_);
  }
  void AddAuth(uint64_t call, const std::string& credentials) {
    v1::AuthRequest auth;
    auth.set_scheme("digest");
    auth.set_credentials(credentials);
    core_->AddAuth(call, auth, now_);
  }
  void AnswerAuth(uint64_t request, v1::CoordCode code = v1::OK) {
    v1::SessionResponse response;
    response.set_request_id(request);
    response.mutable_auth()->set_code(code);
    core_->OnMessage(stream_, response, now_);
  }
  void Create(uint64_t call, const std::string& path) {
    v1::CoordRequest request;
    request.mutable_write()->mutable_create()->set_path(path);
    core_->Call(call, request, 0, now_);
  }

  std::unique_ptr<SessionCore> core_;
  SessionCore::StreamId stream_ = 0;
  int64_t now_ = 1'000;
  uint64_t zxid_ = 100;
};

TEST_F(SessionCoreTest, CallsWaitForTheFirstConnectionAndGoOutInOrder) {
  core_->Start(now_);
  Get(1, "/a");
  Create(2, "/b");
  EXPECT_THAT(Take(), ElementsAre("open", "connect session=0 zxid=0"));
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected", "1 get /a", "2 create /b"));
  Answer(1);
  Answer(2, v1::NODE_EXISTS);
  EXPECT_THAT(Take(), ElementsAre("call 1 OK", "call 2 NODE_EXISTS"));
}

TEST_F(SessionCoreTest, WhatWasSentOnABrokenStreamHasAnUnknownOutcome) {
  StartConnected();
  Create(1, "/a");
  Create(2, "/b");
  Take();
  Answer(1);
  core_->OnStreamClosed(stream_, now_);
  Create(3, "/c");
  EXPECT_THAT(Take(), ElementsAre("call 1 OK", "drop",
                                  "call 2 CONNECTION_LOSS", "connecting",
                                  "open", "connect session=7 zxid=101"));
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected", "3 create /c"));
}

TEST_F(SessionCoreTest, WatchesAreArmedAgainBeforeNewCallsAfterAReconnect) {
  StartConnected();
  Get(1, "/data", 11);
  Exists(2, "/there", 12);
  Exists(3, "/missing", 13);
  Children(4, "/parent", 14);
  Get(5, "/gone", 15);
  Answer(1);
  Answer(2);
  Answer(3, v1::NO_NODE);
  Answer(4);
  Answer(5, v1::NO_NODE);
  EXPECT_THAT(Take(), testing::Contains("call 5 NO_NODE unwatched"));
  core_->OnStreamClosed(stream_, now_);
  Get(6, "/x");
  Take();
  Connected();
  EXPECT_THAT(Take(),
              ElementsAre("connected",
                          "set_watches zxid=105 data:/data data:/there "
                          "exists:/missing children:/parent",
                          "7 get /x"));
  Event(v1::NODE_CREATED, "/missing");
  EXPECT_THAT(Take(), ElementsAre("fire /missing 13"));
}

TEST_F(SessionCoreTest, WatchesAskFromTheLastReplyNotFromConnectPingOrEvent) {
  StartConnected();
  Get(1, "/a", 11);
  Get(2, "/b", 12);
  Answer(1);
  Answer(2);
  uint64_t replied = zxid_;
  Event(v1::NODE_DATA_CHANGED, "/a");
  core_->OnStreamClosed(stream_, now_);
  EXPECT_THAT(Take(), testing::Contains("connect session=7 zxid=" +
                                        std::to_string(replied + 1)));
  zxid_ += 50;  // the new server is far ahead
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected", "set_watches zxid=" +
                                                   std::to_string(replied) +
                                                   " data:/b"));
}

TEST_F(SessionCoreTest, ManyWatchesGoOutInSeveralMessages) {
  SessionCore::Options options;
  options.set_watches_bytes = 20;
  Make(options);
  StartConnected();
  for (uint64_t i = 1; i <= 3; ++i) {
    Get(i, "/path" + std::to_string(i), 10 + i);
    Answer(i);
  }
  core_->OnStreamClosed(stream_, now_);
  Take();
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected",
                                  "set_watches zxid=103 data:/path1 "
                                  "data:/path2",
                                  "set_watches zxid=103 data:/path3"));
}

TEST_F(SessionCoreTest, AnEventFiresTheWatchersOfItsKindsOnce) {
  struct Case {
    v1::WatchEventType type;
    std::vector<std::string> fires;
  };
  for (const Case& c : std::vector<Case>{
           {v1::NODE_DATA_CHANGED, {"fire /a 11"}},
           {v1::NODE_CHILDREN_CHANGED, {"fire /a 12"}},
           {v1::NODE_DELETED, {"fire /a 11 12"}}}) {
    Make({});
    StartConnected();
    Get(1, "/a", 11);
    Children(2, "/a", 12);
    Answer(1);
    Answer(2);
    Take();
    Event(c.type, "/a");
    Event(c.type, "/a");
    Event(c.type, "/b");
    EXPECT_EQ(Take(), c.fires) << c.type;
  }
}

TEST_F(SessionCoreTest, SeveralWatchersOfOnePathAllFire) {
  StartConnected();
  Get(1, "/a", 11);
  Exists(2, "/a", 12);
  Answer(1);
  Answer(2);
  Take();
  EXPECT_EQ(core_->armed_watches(), 2u);
  Event(v1::NODE_DATA_CHANGED, "/a");
  EXPECT_THAT(Take(), ElementsAre("fire /a 11 12"));
  EXPECT_EQ(core_->armed_watches(), 0u);
}

TEST_F(SessionCoreTest, ExpiryEndsCallsAndWatchesAndIsReportedOnce) {
  StartConnected();
  Get(1, "/a", 11);
  Answer(1);
  core_->OnStreamClosed(stream_, now_);
  Create(2, "/b");
  Take();
  Connected(0, 0, v1::SESSION_EXPIRED);
  EXPECT_THAT(Take(),
              ElementsAre("call 2 SESSION_EXPIRED", "drop", "expired"));
  EXPECT_EQ(core_->armed_watches(), 0u);
  core_->OnTime(now_ + 100'000);
  Create(3, "/c");
  EXPECT_THAT(Take(), ElementsAre("call 3 SESSION_EXPIRED"));
  core_->Restart(now_);
  EXPECT_THAT(Take(), ElementsAre("connecting", "open",
                                  "connect session=0 zxid=101"));
  Connected(8);
  EXPECT_THAT(Take(), ElementsAre("connected"));
  EXPECT_EQ(core_->session_id(), 8u);
}

TEST_F(SessionCoreTest, AnIdleStreamIsPingedAtAThirdAndDroppedAtTwoThirds) {
  StartConnected();
  EXPECT_EQ(core_->next_time_ms(), now_ + 2'000);
  core_->OnTime(now_ + 1'999);
  EXPECT_THAT(Take(), IsEmpty());
  core_->OnTime(now_ + 2'000);
  EXPECT_THAT(Take(), ElementsAre("ping"));
  core_->OnTime(now_ + 3'999);
  EXPECT_THAT(Take(), IsEmpty());
  core_->OnTime(now_ + 4'000);
  EXPECT_THAT(Take(), ElementsAre("drop", "connecting", "open",
                                  "connect session=7 zxid=100"));
}

TEST_F(SessionCoreTest, APongKeepsTheStream) {
  StartConnected();
  core_->OnTime(now_ + 2'000);
  v1::SessionResponse pong;
  pong.mutable_ping();
  core_->OnMessage(stream_, pong, now_ + 2'100);
  Take();
  core_->OnTime(now_ + 4'000);
  EXPECT_THAT(Take(), ElementsAre("ping"));
}

TEST_F(SessionCoreTest, LastContactIsWhenAnAnsweredMessageWasSent) {
  core_->Start(now_);
  EXPECT_EQ(core_->last_contact_ms(), -1);
  Take();
  Connected();
  EXPECT_EQ(core_->last_contact_ms(), 1'000);
  core_->OnTime(now_ + 2'000);  // a ping goes out
  Create(1, "/a");
  v1::SessionResponse pong;
  pong.mutable_ping();
  // The process slept: the answer is old when it is read.
  core_->OnMessage(stream_, pong, now_ + 60'000);
  EXPECT_EQ(core_->last_contact_ms(), 3'000);
  // An answer that nothing was sent for says nothing, nor does an event.
  core_->OnMessage(stream_, pong, now_ + 60'001);
  Event(v1::NODE_CREATED, "/b");
  EXPECT_EQ(core_->last_contact_ms(), 3'000);
  now_ = 4'000;
  Create(2, "/c");
  Answer(1);
  EXPECT_EQ(core_->last_contact_ms(), 3'000);
  Answer(2);
  EXPECT_EQ(core_->last_contact_ms(), 4'000);
}

TEST_F(SessionCoreTest, AShortDisconnectTimeoutIsAskedForAndPingedAt) {
  SessionCore::Options options;
  options.disconnect_timeout_ms = 900;
  Make(options);
  core_->Start(now_);
  for (const SessionCore::Action& action : core_->TakeOutput()) {
    if (auto* open = std::get_if<SessionCore::OpenStream>(&action)) {
      stream_ = open->stream;
    } else if (auto* send = std::get_if<SessionCore::Send>(&action)) {
      EXPECT_EQ(send->message.connect().disconnect_timeout_ms(), 900);
    }
  }
  Connected();
  Take();
  EXPECT_EQ(core_->next_time_ms(), now_ + 300);
  core_->OnTime(now_ + 300);
  EXPECT_THAT(Take(), ElementsAre("ping"));
}

TEST_F(SessionCoreTest, TheNegotiatedTimeoutSetsThePace) {
  core_->Start(now_);
  Connected(7, 600);
  Take();
  Connected(7, 600);
  core_->OnTime(now_ + 200);
  Take();
  EXPECT_EQ(core_->next_time_ms(), now_ + 400);
}

TEST_F(SessionCoreTest, AServerThatDoesNotAnswerIsLeftForTheNext) {
  core_->Start(now_);
  Take();
  EXPECT_EQ(core_->next_time_ms(), now_ + 200);
  core_->OnTime(now_ + 199);
  EXPECT_THAT(Take(), IsEmpty());
  core_->OnTime(now_ + 200);
  EXPECT_THAT(Take(),
              ElementsAre("drop", "open", "connect session=0 zxid=0"));
}

TEST_F(SessionCoreTest, AServerThatDidNotAnswerInItsTimeGetsMoreTheNextTime) {
  core_->Start(now_);
  Take();
  // Up to 2/3 of the session's time over two servers.
  for (int64_t limit : {200, 400, 800, 1'600, 2'000}) {
    EXPECT_EQ(core_->next_time_ms(), now_ + limit);
    core_->OnTime(now_ += limit);
    Take();
    core_->OnStreamClosed(stream_, now_);  // the other one refuses at once
    // There may be a pause behind a round.
    while (Take().size() < 2) core_->OnTime(now_ = core_->next_time_ms());
  }
}

TEST_F(SessionCoreTest, ASilentServerIsLeftSoonWhileACallWaits) {
  StartConnected();
  now_ += 1'000;
  Create(1, "/a");
  Take();
  EXPECT_EQ(core_->next_time_ms(), now_ + 200);
  core_->OnTime(now_ += 200);
  EXPECT_THAT(Take(), ElementsAre("ping"));
  core_->OnTime(now_ += 399);
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_EQ(core_->next_time_ms(), now_ + 1);
  core_->OnTime(now_ += 1);
  EXPECT_THAT(Take(),
              ElementsAre("drop", "call 1 CONNECTION_LOSS", "connecting",
                          "open", "connect session=7 zxid=100"));
}

TEST_F(SessionCoreTest, AServerThatAnswersPingsIsGivenTimeForTheCall) {
  StartConnected();
  Create(1, "/a");
  Take();
  v1::SessionResponse pong;
  pong.mutable_ping();
  for (int i = 0; i < 100; ++i) {
    core_->OnTime(now_ += 200);
    EXPECT_THAT(Take(), ElementsAre("ping"));
    core_->OnMessage(stream_, pong, now_);
  }
  Answer(1);
  EXPECT_THAT(Take(), ElementsAre("call 1 OK"));
  EXPECT_EQ(core_->next_time_ms(), now_ + 2'000);
}

TEST_F(SessionCoreTest, WhenThisProcessStoodStillTheServerIsAskedAnew) {
  StartConnected();
  Create(1, "/a");
  core_->OnTime(now_ += 200);
  Take();
  core_->OnTime(now_ += 1'000);
  EXPECT_THAT(Take(), ElementsAre("ping"));
  core_->OnTime(now_ += 400);
  EXPECT_THAT(Take(),
              ElementsAre("drop", "call 1 CONNECTION_LOSS", "connecting",
                          "open", "connect session=7 zxid=100"));
}

TEST_F(SessionCoreTest, TheOnlyServerIsNotLeftBecauseItIsSilent) {
  SessionCore::Options options;
  options.servers = 1;
  options.session_timeout_ms = 6'000;
  core_ = std::make_unique<SessionCore>(options);
  core_->Start(now_);
  EXPECT_EQ(core_->next_time_ms(), now_ + 4'000);
  Take();
  Connected();
  Create(1, "/a");
  Take();
  core_->OnTime(now_ + 1'999);
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(SessionCoreTest, AServerWithManyCallsOfOursIsNotPingedForThem) {
  StartConnected();
  for (uint64_t call = 1; call <= 501; ++call) Create(call, "/a");
  Take();
  core_->OnTime(now_ + 1'999);
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(SessionCoreTest, AfterARoundOverAllServersItPausesLongerEachTime) {
  core_->Start(now_);
  int64_t last_pause = 0;
  for (int round = 0; round < 4; ++round) {
    while (true) {
      Take();
      core_->OnStreamClosed(stream_, now_);
      auto lines = Take();
      if (lines == std::vector<std::string>{"drop"}) break;
      EXPECT_THAT(lines, ElementsAre("drop", "open",
                                     "connect session=0 zxid=0"));
    }
    int64_t pause = core_->next_time_ms() - now_;
    EXPECT_GE(pause, (50 << (round + 1)) / 4);
    EXPECT_LE(pause, 50 << (round + 1));
    EXPECT_GE(pause, last_pause / 2);
    last_pause = pause;
    core_->OnTime(now_ += pause - 1);
    EXPECT_THAT(Take(), IsEmpty());
    core_->OnTime(++now_);
  }
}

TEST_F(SessionCoreTest, CallsThatWereNeverSentTimeOutAsNotDone) {
  core_->Start(now_);
  Create(1, "/a");
  Take();
  core_->OnTime(now_ + 5'999);
  Create(2, "/b");
  core_->OnStreamClosed(stream_, now_ + 5'999);
  Take();
  core_->OnTime(now_ + 6'000);
  std::vector<std::string> lines = Take();
  EXPECT_THAT(lines, testing::Contains("call 1 OPERATION_TIMEOUT"));
  EXPECT_THAT(lines, testing::Contains("call 2 OPERATION_TIMEOUT"));
}

TEST_F(SessionCoreTest, MoreCallsThanAllowedFailAtOnce) {
  SessionCore::Options options;
  options.max_outstanding = 2;
  Make(options);
  StartConnected();
  Create(1, "/a");
  Create(2, "/b");
  Create(3, "/c");
  EXPECT_THAT(Take(), ElementsAre("1 create /a", "2 create /b",
                                  "call 3 OPERATION_TIMEOUT"));
}

TEST_F(SessionCoreTest, ChrootIsAddedToRequestsAndTakenOffAnswersAndEvents) {
  SessionCore::Options options;
  options.chroot = "/root";
  Make(options);
  StartConnected();
  Get(1, "/", 11);
  Create(2, "/a");
  v1::CoordRequest multi;
  multi.mutable_multi()->add_ops()->mutable_delete_()->set_path("/b");
  core_->Call(3, multi, 0, now_);
  EXPECT_THAT(Take(), ElementsAre("1 get /root", "2 create /root/a",
                                  "3 multi /root/b"));
  Answer(1);
  Answer(2, v1::OK, "/root/a0000000001");
  EXPECT_THAT(Take(), ElementsAre("call 1 OK", "call 2 OK /a0000000001"));
  Event(v1::NODE_DATA_CHANGED, "/root");
  EXPECT_THAT(Take(), ElementsAre("fire / 11"));
}

TEST_F(SessionCoreTest, CloseIsSentBehindTheCallsAndEndsTheSession) {
  StartConnected();
  Create(1, "/a");
  core_->Close(now_);
  Create(2, "/b");
  EXPECT_THAT(Take(), ElementsAre("1 create /a", "close",
                                  "call 2 SESSION_EXPIRED"));
  Answer(1);
  v1::SessionResponse closed;
  closed.mutable_close();
  core_->OnMessage(stream_, closed, now_);
  EXPECT_THAT(Take(), ElementsAre("call 1 OK", "drop", "closed", "closed OK"));
}

TEST_F(SessionCoreTest, ACloseWhoseStreamBreaksIsSentAgain) {
  StartConnected();
  core_->Close(now_);
  core_->OnStreamClosed(stream_, now_);
  Take();
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected", "close"));
  core_->OnStreamClosed(stream_, now_);
  Take();
  // The first one had worked: there is no such session any more.
  Connected(0, 0, v1::SESSION_EXPIRED);
  EXPECT_THAT(Take(), ElementsAre("drop", "closed", "closed OK"));
}

TEST_F(SessionCoreTest, ACloseThatReachesNobodyGivesUpAfterTheTimeout) {
  StartConnected();
  core_->Close(now_);
  core_->OnStreamClosed(stream_, now_);
  Take();
  core_->OnTime(now_ + 6'000);
  EXPECT_THAT(Take(), ElementsAre("drop", "closed", "closed CONNECTION_LOSS"));
}

TEST_F(SessionCoreTest, AMovedSessionComesBackWithANewStream) {
  StartConnected();
  Create(1, "/a");
  Take();
  Answer(1, v1::SESSION_MOVED);
  EXPECT_THAT(Take(), ElementsAre("call 1 CONNECTION_LOSS", "drop",
                                  "connecting", "open",
                                  "connect session=7 zxid=101"));
}

TEST_F(SessionCoreTest, AnAnswerOutOfOrderDropsTheStream) {
  StartConnected();
  Create(1, "/a");
  Create(2, "/b");
  Take();
  Answer(2);
  EXPECT_THAT(Take(), ElementsAre("drop", "call 1 CONNECTION_LOSS",
                                  "call 2 CONNECTION_LOSS",
                                  "connecting", "open",
                                  "connect session=7 zxid=101"));
}

TEST_F(SessionCoreTest, APersistentWatchFiresAgainAndAgain) {
  StartConnected();
  AddWatch(1, "/a", 11, v1::PERSISTENT_WATCH);
  Get(2, "/a", 12);
  Answer(1);
  Answer(2);
  Take();
  Event(v1::NODE_DATA_CHANGED, "/a");
  Event(v1::NODE_CHILDREN_CHANGED, "/a");
  Event(v1::NODE_DATA_CHANGED, "/a/below");
  EXPECT_THAT(Take(), ElementsAre("fire /a 12 +11", "fire /a +11"));
}

TEST_F(SessionCoreTest, ARecursiveWatchHearsOfAllBelowButNotOfChildLists) {
  StartConnected();
  AddWatch(1, "/a", 11);
  AddWatch(2, "/", 12);
  Answer(1);
  Answer(2);
  Take();
  Event(v1::NODE_CREATED, "/a/b/c");
  Event(v1::NODE_DATA_CHANGED, "/a");
  Event(v1::NODE_CHILDREN_CHANGED, "/a");
  Event(v1::NODE_DELETED, "/ab");
  EXPECT_THAT(Take(), ElementsAre("fire /a/b/c +11 +12", "fire /a +11 +12",
                                  "fire /ab +12"));
}

TEST_F(SessionCoreTest, PersistentWatchesAreArmedAgainAfterAReconnect) {
  StartConnected();
  AddWatch(1, "/a", 11);
  AddWatch(2, "/b", 12, v1::PERSISTENT_WATCH);
  Answer(1);
  Answer(2);
  Event(v1::NODE_DATA_CHANGED, "/a");
  core_->OnStreamClosed(stream_, now_);
  Take();
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected",
                                  "set_watches zxid=102 persistent:/b "
                                  "recursive:/a"));
  Event(v1::NODE_CREATED, "/a/x");
  EXPECT_THAT(Take(), ElementsAre("fire /a/x +11"));
}

TEST_F(SessionCoreTest, AWatchThatWasNotAddedIsForgotten) {
  StartConnected();
  AddWatch(1, "/a", 11);
  Answer(1, v1::NO_AUTH);
  AddWatch(2, "/b", 12);
  core_->OnStreamClosed(stream_, now_);
  std::vector<std::string> lines = Take();
  EXPECT_THAT(lines, testing::Contains("call 1 NO_AUTH unwatched"));
  EXPECT_THAT(lines, testing::Contains("call 2 CONNECTION_LOSS unwatched"));
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected"));
}

TEST_F(SessionCoreTest, TheMemberIsToldWhenTheLastWatcherGoes) {
  StartConnected();
  AddWatch(1, "/a", 11);
  AddWatch(2, "/a", 12);
  Answer(1);
  Answer(2);
  Take();
  core_->RemoveWatcher(11, now_);
  EXPECT_THAT(Take(), ElementsAre("forget 11"));
  Event(v1::NODE_CREATED, "/a/x");
  EXPECT_THAT(Take(), ElementsAre("fire /a/x +12"));
  core_->RemoveWatcher(12, now_);
  core_->RemoveWatcher(12, now_);
  EXPECT_THAT(Take(), ElementsAre("forget 12",
                                  "3 remove_watches /a "
                                  "PERSISTENT_RECURSIVE_WATCHER"));
  Answer(3);  // nobody asked for it, so nobody hears of it
  Event(v1::NODE_CREATED, "/a/y");
  EXPECT_THAT(Take(), IsEmpty());
  EXPECT_EQ(core_->armed_watches(), 0u);
}

TEST_F(SessionCoreTest, AWatcherRemovedBeforeItIsArmedNeverIs) {
  StartConnected();
  AddWatch(1, "/a", 11);
  core_->RemoveWatcher(11, now_);
  Take();
  Answer(1);
  EXPECT_THAT(Take(), ElementsAre("2 remove_watches /a "
                                  "PERSISTENT_RECURSIVE_WATCHER",
                                  "call 1 OK unwatched"));
}

TEST_F(SessionCoreTest, ARemoveDoesNotOvertakeAnAddOnTheWay) {
  StartConnected();
  AddWatch(1, "/a", 11);
  Answer(1);
  AddWatch(2, "/a", 12);
  Take();
  core_->RemoveWatcher(11, now_);
  EXPECT_THAT(Take(), ElementsAre("forget 11"));
  Answer(2);
  Take();
  Event(v1::NODE_CREATED, "/a");
  EXPECT_THAT(Take(), ElementsAre("fire /a +12"));
}

TEST_F(SessionCoreTest, RemovedTypesOfWatchesFireNoMore) {
  StartConnected();
  Get(1, "/a", 11);
  Children(2, "/a", 12);
  AddWatch(3, "/a", 13);
  for (uint64_t id : {1, 2, 3}) Answer(id);
  v1::CoordRequest remove;
  remove.mutable_remove_watches()->set_path("/a");
  remove.mutable_remove_watches()->set_type(v1::DATA_WATCHER);
  core_->Call(4, remove, 0, now_);
  Take();
  Answer(4);
  EXPECT_THAT(Take(), ElementsAre("forget 11", "call 4 OK"));
  remove.mutable_remove_watches()->set_type(v1::ANY_WATCHER);
  core_->Call(5, remove, 0, now_);
  core_->Call(6, remove, 0, now_);
  Take();
  Answer(5);
  Answer(6, v1::NO_WATCHER);
  EXPECT_THAT(Take(), ElementsAre("forget 12 13", "call 5 OK",
                                  "call 6 NO_WATCHER"));
}

TEST_F(SessionCoreTest, IdentitiesGoOutBeforeWatchesAndCallsOnEachStream) {
  core_->Start(now_);
  AddAuth(1, "ann:secret");
  Get(2, "/a", 12);
  Take();
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected", "auth digest ann:secret",
                                  "2 get /a"));
  AnswerAuth(1);
  Answer(2);
  EXPECT_THAT(Take(), ElementsAre("auth 1 OK", "call 2 OK"));
  core_->OnStreamClosed(stream_, now_);
  Create(3, "/b");
  Take();
  Connected();
  EXPECT_THAT(Take(),
              ElementsAre("connected", "auth digest ann:secret",
                          "set_watches zxid=101 data:/a", "5 create /b"));
  AnswerAuth(3);  // nobody waits for it any more
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(SessionCoreTest, ARefusedIdentityEndsTheSession) {
  StartConnected();
  AddAuth(1, "good");
  AnswerAuth(1);
  Get(2, "/a", 12);
  Answer(2);
  Create(3, "/b");
  AddAuth(4, "bad");
  Create(9, "/behind");
  Take();
  AnswerAuth(4, v1::AUTH_FAILED);
  EXPECT_THAT(Take(), ElementsAre("auth 4 AUTH_FAILED",
                                  "call 3 CONNECTION_LOSS",
                                  "call 9 AUTH_FAILED", "drop",
                                  "auth failed"));
  Create(5, "/c");
  AddAuth(6, "more");
  core_->OnStreamClosed(stream_, now_);
  core_->OnTime(now_ + 100'000);
  EXPECT_THAT(Take(), ElementsAre("call 5 AUTH_FAILED", "auth 6 AUTH_FAILED"));
  core_->Restart(now_);
  Take();
  Connected(8);
  EXPECT_THAT(Take(), ElementsAre("connected", "auth digest good"));
}

TEST_F(SessionCoreTest, AnIdentityThatReachesNobodyIsReportedAndStillSent) {
  core_->Start(now_);
  AddAuth(1, "ann");
  Take();
  core_->OnTime(now_ + 6'000);
  EXPECT_THAT(Take(), testing::Contains("auth 1 OPERATION_TIMEOUT"));
  Connected();
  EXPECT_THAT(Take(), ElementsAre("connected", "auth digest ann"));
}

TEST_F(SessionCoreTest, ChrootAppliesToEveryKindOfRequest) {
  SessionCore::Options options;
  options.chroot = "/r";
  Make(options);
  StartConnected();
  v1::CoordRequest reads;
  reads.mutable_multi_read()->add_reads()->mutable_get_data()->set_path("/a");
  core_->Call(1, reads, 0, now_);
  v1::CoordRequest acl;
  acl.mutable_write()->mutable_set_acl()->set_path("/b");
  core_->Call(2, acl, 0, now_);
  v1::CoordRequest mine;
  mine.mutable_get_ephemerals()->set_prefix("/");
  core_->Call(3, mine, 0, now_);
  AddWatch(4, "/", 14);
  std::vector<v1::CoordRequest> sent;
  for (const SessionCore::Action& action : core_->TakeOutput()) {
    sent.push_back(std::get<SessionCore::Send>(action).message.request());
  }
  ASSERT_EQ(sent.size(), 4u);
  EXPECT_EQ(sent[0].multi_read().reads(0).get_data().path(), "/r/a");
  EXPECT_EQ(sent[1].write().set_acl().path(), "/r/b");
  EXPECT_EQ(sent[2].get_ephemerals().prefix(), "/r/");
  EXPECT_EQ(sent[3].add_watch().path(), "/r");
  Answer(1);
  Answer(2);
  v1::SessionResponse response;
  response.set_request_id(3);
  response.mutable_response()->add_children("/r/e");
  core_->OnMessage(stream_, response, now_);
  Answer(4);
  for (const SessionCore::Action& action : core_->TakeOutput()) {
    auto& done = std::get<SessionCore::Complete>(action);
    if (done.call != 3) continue;
    EXPECT_EQ(done.response.children(0), "/e");
  }
  Event(v1::NODE_CREATED, "/r/x/y");
  EXPECT_THAT(Take(), ElementsAre("fire /x/y +14"));
}

TEST_F(SessionCoreTest, WhatComesFromAnOldStreamIsIgnored) {
  StartConnected();
  SessionCore::StreamId old = stream_;
  core_->OnStreamClosed(old, now_);
  Take();
  v1::SessionResponse response;
  response.mutable_event()->set_path("/a");
  core_->OnMessage(old, response, now_);
  core_->OnStreamClosed(old, now_);
  EXPECT_THAT(Take(), IsEmpty());
}

}  // namespace
}  // namespace sillok::coord
