#include "base/net/frame_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <random>

#include "base/metrics.h"
#include "gtest/gtest.h"
#include "test/base/net/frame_test_support.h"

namespace sillok::net {
namespace {

OutFrame Text(std::string text) {
  return OutFrame::FromString(std::move(text));
}

TEST(FrameServerTest, AnswersLeaveInTheOrderOfRequestsWhateverTheOrderOfCalls) {
  TestServer server;
  Client client(server.port());
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    std::string all;
    for (int i = 0; i < 50; ++i) all += Framed(std::to_string(i));
    client.Write(all);
    std::vector<Request> requests;
    for (int i = 0; i < 50; ++i) requests.push_back(server.Next());
    std::shuffle(requests.begin(), requests.end(), random);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        for (size_t i = t; i < requests.size(); i += 2) {
          requests[i].reply->Send(Text("re " + requests[i].text));
        }
      });
    }
    for (auto& thread : threads) thread.join();
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(client.ReadFrame(), "re " + std::to_string(i));
    }
  }
}

TEST(FrameServerTest, AnswersGivenInsideTheCallNeedNoWakeUp) {
  TestServer server;
  server.on_frame = [](const auto&, Bytes frame, ReplyPtr reply) {
    reply->Send(OutFrame(frame));
  };
  Client client(server.port());
  ASSERT_TRUE(client.SendFrame("first"));
  ASSERT_EQ(client.ReadFrame(), "first");
  int64_t before = server.server->stats().wakeups;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client.SendFrame(std::to_string(i)));
    ASSERT_EQ(client.ReadFrame(), std::to_string(i));
  }
  EXPECT_EQ(server.server->stats().wakeups, before);
}

TEST(FrameServerTest, AnAnswerOfAnotherThreadToOneWhoWaitsNeedsNoWakeUp) {
  FrameServerOptions options;
  options.loop_threads = 1;
  TestServer server(options);
  Mailbox<ReplyPtr> parked;
  server.on_frame = [&](const auto&, Bytes frame, ReplyPtr reply) {
    if (frame.ToString() == "park") return parked.Put(std::move(reply));
    reply->Send(OutFrame(frame));
  };
  Client waiting(server.port());
  Client other(server.port());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(waiting.SendFrame("park"));
    ReplyPtr reply = *parked.Take();
    // When this is answered, the turn that parked the other is over.
    ASSERT_TRUE(other.SendFrame("x"));
    ASSERT_EQ(other.ReadFrame(), "x");
    const int64_t before = server.server->stats().wakeups;
    reply->Send(Text(std::to_string(i)));
    ASSERT_EQ(waiting.ReadFrame(), std::to_string(i));
    ASSERT_EQ(server.server->stats().wakeups, before);
  }
  // What borrowers send is counted, too; at the next turn of the connection.
  ASSERT_TRUE(waiting.SendFrame("on the loop"));
  ASSERT_TRUE(waiting.ReadFrame().has_value());
  EXPECT_TRUE(Eventually([&] {
    return server.server->stats().sent_bytes ==
           50 * (4 + 1) + 10 * (4 + 1) + 40 * (4 + 2) + 4 + 11;
  }));
}

TEST(FrameServerTest, AnswersOfOtherThreadsToAPeerThatReadsLaterArriveWhole) {
  TestServer server;
  Client client(server.port(), /*receive_buffer=*/4096);
  constexpr int kAnswers = 100;  // below what stops reading
  const auto text = [](int i) {
    return std::string(static_cast<size_t>(1000 + 150 * i),
                       static_cast<char>('a' + i % 26));
  };
  for (int i = 0; i < kAnswers; ++i) {
    ASSERT_TRUE(client.SendFrame("go"));
    server.Next().reply->Send(Text(text(i)));
  }
  for (int i = 0; i < kAnswers; ++i) ASSERT_EQ(client.ReadFrame(), text(i));
}

TEST(FrameServerTest, PeersThatLeaveWhileTheyAreAnsweredHarmNobody) {
  FrameServerOptions options;
  options.loop_threads = 2;
  TestServer server(options);
  std::atomic<bool> over{false};
  std::vector<std::thread> answerers;
  for (int t = 0; t < 2; ++t) {
    answerers.emplace_back([&] {
      while (!over) {
        auto request = server.requests.Take(std::chrono::milliseconds(1));
        if (request.has_value()) request->reply->Send(OutFrame(request->bytes));
      }
    });
  }
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c) {
    clients.emplace_back([&, c] {
      std::mt19937 random(static_cast<unsigned>(c));
      for (int connection = 0; connection < 50; ++connection) {
        Client client(server.port());
        for (int n = 0; n < 20; ++n) {
          const std::string text(random() % 20'000, 'x');
          ASSERT_TRUE(client.SendFrame(text));
          if (random() % 30 == 0) break;  // leaves with a request open
          ASSERT_EQ(client.ReadFrame(), text);
        }
      }
    });
  }
  for (auto& client : clients) client.join();
  over = true;
  for (auto& answerer : answerers) answerer.join();
}

TEST(FrameServerTest, FramesMayComeByteByByte) {
  TestServer server;
  Client client(server.port());
  std::string sent = Framed("abc") + Framed("") + Framed("defgh");
  for (char c : sent) ASSERT_TRUE(client.Write(std::string(1, c)));
  Request first = server.Next(), second = server.Next(), third = server.Next();
  EXPECT_EQ(first.text, "abc");
  EXPECT_EQ(second.text, "");
  EXPECT_EQ(third.text, "defgh");
}

TEST(FrameServerTest, FramesOfAllSizesComeWhole) {
  TestServer server;
  server.on_frame = [](const auto&, Bytes frame, ReplyPtr reply) {
    EXPECT_LE(frame.pieces().size(), 1u);
    reply->Send(OutFrame(frame));
  };
  Client client(server.port());
  std::mt19937 random(2);
  std::vector<std::string> sent;
  for (size_t size : {0, 1, 507, 508, 509, 4000, 16380, 16384, 32768, 40000,
                      100, 1 << 20, 3, 3 << 20, 65536, 65536, 10}) {
    std::string payload(size, '\0');
    for (char& c : payload) c = static_cast<char>(random());
    sent.push_back(payload);
  }
  std::thread writer([&] {
    for (const std::string& payload : sent) client.SendFrame(payload);
  });
  for (const std::string& payload : sent) {
    auto got = client.ReadFrame();
    ASSERT_TRUE(got.has_value());
    ASSERT_TRUE(*got == payload) << payload.size();
  }
  writer.join();
}

TEST(FrameServerTest, ARequestMayHaveNoAnswer) {
  TestServer server;
  Client client(server.port());
  client.Write(Framed("quiet") + Framed("loud"));
  Request quiet = server.Next();
  Request loud = server.Next();
  loud.reply->Send(Text("heard"));
  quiet.reply->SendNothing();
  EXPECT_EQ(client.ReadFrame(), "heard");
}

TEST(FrameServerTest, AnAnswerMayEndTheConnectionAfterAllBeforeIt) {
  TestServer server;
  Client client(server.port());
  client.Write(Framed("1") + Framed("2") + Framed("3"));
  Request one = server.Next(), two = server.Next(), three = server.Next();
  three.reply->Send(Text("never"));
  two.reply->SendAndClose(Text("last"));
  one.reply->Send(Text("first"));
  EXPECT_EQ(client.ReadFrame(), "first");
  EXPECT_EQ(client.ReadFrame(), "last");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(server.closes.Take(), CloseReason::kHandler);
}

TEST(FrameServerTest, TheLastAnswerArrivesAlthoughThePeerIsStillSending) {
  // An end with unread bytes would be a reset, which may overtake the answer.
  FrameServerOptions options;
  options.max_frame_bytes = 1000;
  TestServer server(options);
  server.on_bad_length = [](int32_t length, ReplyPtr reply) {
    reply->Send(Text("too large: " + std::to_string(length)));
  };
  Client client(server.port());
  client.Write(Framed(std::string(200'000, 'x')));
  EXPECT_EQ(client.ReadFrame(), "too large: 200000");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(server.closes.Take(), CloseReason::kBadFrame);
}

TEST(FrameServerTest, ABadLengthEndsTheConnectionAfterEarlierAnswers) {
  TestServer server;
  for (const char* bad : {"\xff\xff\xff\xff", "\x7f\xff\xff\xff"}) {
    Client client(server.port());
    client.Write(Framed("good") + std::string(bad, 4));
    server.Next().reply->Send(Text("answer"));
    EXPECT_EQ(client.ReadFrame(), "answer");
    EXPECT_TRUE(client.ReadsEnd());
    EXPECT_EQ(server.closes.Take(), CloseReason::kBadFrame);
  }
}

TEST(FrameServerTest, AFourLetterWordIsABadLengthThatMayBeAnsweredRaw) {
  TestServer server;
  server.on_bad_length = [](int32_t length, ReplyPtr reply) {
    EXPECT_EQ(length, 0x72756f6b);
    reply->Send(OutFrame::Raw(Bytes::FromString("imok")));
  };
  Client client(server.port());
  client.Write("ruok\n");
  client.ShutdownWrite();
  EXPECT_EQ(client.Read(100), "imok");
}

TEST(FrameServerTest, APeerThatEndedItsSideStillGetsItsAnswers) {
  TestServer server;
  Client client(server.port());
  client.SendFrame("question");
  client.ShutdownWrite();
  server.Next().reply->Send(Text("answer"));
  EXPECT_EQ(client.ReadFrame(), "answer");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(server.closes.Take(), CloseReason::kPeerClosed);
}

TEST(FrameServerTest, APeerThatIsGoneIsNotWaitedForLong) {
  FrameServerOptions options;
  options.peer_closed_grace_ms = 20;
  TestServer server(options);
  Client client(server.port());
  client.SendFrame("question");
  Request request = server.Next();
  client.Close();
  EXPECT_EQ(server.closes.Take(), CloseReason::kPeerClosed);
  request.reply->Send(Text("too late"));
}

TEST(FrameServerTest, RepliesOutliveTheirHandlerAndTheirServer) {
  std::vector<Request> requests;
  {
    TestServer server;
    Client client(server.port());
    client.Write(Framed("1") + Framed("2") + Framed("3"));
    for (int i = 0; i < 3; ++i) requests.push_back(server.Next());
    requests[0].connection->Close("test");
    ASSERT_TRUE(client.ReadsEnd());
    ASSERT_EQ(server.closes.Take(), CloseReason::kHandler);
    ASSERT_TRUE(Eventually([&] { return server.handlers_alive == 0; }));
    requests[1].reply->Send(Text("nobody hears"));
  }
  requests[0].reply->Send(Text("nobody hears"));
  requests[2].connection->Send(Text("nobody hears"));
  requests[2].connection->Close("again");
  requests[2].connection->Post([] { FAIL(); });
  EXPECT_EQ(requests[2].bytes.ToString(), "3");
}

TEST(FrameServerTest, ADroppedReplyEndsTheConnection) {
  TestServer server;
  Client client(server.port());
  client.SendFrame("question");
  server.Next();
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(server.closes.Take(), CloseReason::kUnanswered);
}

TEST(FrameServerTest, AHandlerMayCloseInsideItsOwnCall) {
  TestServer server;
  std::atomic<int> frames{0};
  server.on_frame = [&](const auto& connection, Bytes, ReplyPtr reply) {
    ++frames;
    reply->Send(Text("dropped"));
    connection->Close("enough");
  };
  Client client(server.port());
  client.Write(Framed("1") + Framed("2"));
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(server.closes.Take(), CloseReason::kHandler);
  EXPECT_EQ(frames, 1);
}

TEST(FrameServerTest, UnsolicitedFramesKeepTheirPlaceAmongAnswers) {
  TestServer server;
  Client client(server.port());
  client.Write(Framed("1") + Framed("2"));
  Request one = server.Next(), two = server.Next();
  one.connection->Send(Text("event a"));
  one.reply->Send(Text("answer 1"));
  one.connection->Send(Text("event b"));
  two.reply->Send(Text("answer 2"));
  one.connection->Send(Text("event c"));
  for (const char* text :
       {"event a", "answer 1", "event b", "answer 2", "event c"}) {
    ASSERT_EQ(client.ReadFrame(), text);
  }
}

TEST(FrameServerTest, CallsOfOtherThreadsAndOfTheLoopKeepTheirOrder) {
  // The loop's own call could act at once; it must not overtake what another
  // thread has called before it.
  TestServer server;
  Client client(server.port());
  for (int i = 0; i < 200; ++i) {
    client.SendFrame("go");
    Request request = server.Next();
    Mailbox<bool> posted;
    request.connection->Post([&] {
      posted.Put(true);
      request.connection->Send(Text("from the loop"));
      request.reply->Send(Text("answer"));
    });
    request.connection->Send(Text("from outside"));
    std::vector<std::string> got;
    for (int n = 0; n < 3; ++n) got.push_back(*client.ReadFrame());
    ASSERT_TRUE(posted.Take());
    auto at = [&](const char* text) {
      return std::find(got.begin(), got.end(), text) - got.begin();
    };
    ASSERT_LT(at("from the loop"), at("answer"));
    ASSERT_LT(at("from outside"), 3);
  }
}

TEST(FrameServerTest, PostedTasksRunOnTheLoopThreadInOrder) {
  TestServer server;
  Client client(server.port());
  client.SendFrame("x");
  Request request = server.Next();
  Mailbox<int> ran;
  for (int i = 0; i < 100; ++i) {
    request.connection->Post([&ran, i] { ran.Put(i); });
  }
  for (int i = 0; i < 100; ++i) ASSERT_EQ(ran.Take(), i);
  request.reply->SendNothing();
}

TEST(FrameServerTest, ReadingStopsAtTheBoundOfRequestsInWork) {
  FrameServerOptions options;
  options.max_in_flight = 3;
  TestServer server(options);
  Client client(server.port());
  for (int i = 0; i < 10; ++i) client.SendFrame(std::to_string(i));
  std::deque<Request> open;
  for (int i = 0; i < 3; ++i) open.push_back(server.Next());
  for (int i = 0; i < 10; ++i) {
    // Whoever else came in by mistake would be here by now: a round trip over
    // the same loop.
    Mailbox<bool> round_trip;
    open.front().connection->Post([&] { round_trip.Put(true); });
    ASSERT_TRUE(round_trip.Take());
    ASSERT_EQ(server.requests.size(), 0u);
    open.front().reply->Send(Text(open.front().text));
    open.pop_front();
    ASSERT_EQ(client.ReadFrame(), std::to_string(i));
    if (i + 3 < 10) open.push_back(server.Next());
  }
}

TEST(FrameServerTest, APausedConnectionHandsOutNothingUntilThePauseEnds) {
  TestServer server;
  server.on_frame = [&](const auto& connection, Bytes frame, ReplyPtr reply) {
    std::string text = frame.ToString();
    if (text == "throttle me") connection->PauseReading(60);
    reply->Send(Text(text));
  };
  Client client(server.port());
  auto begin = std::chrono::steady_clock::now();
  client.Write(Framed("throttle me") + Framed("later"));
  EXPECT_EQ(client.ReadFrame(), "throttle me");
  EXPECT_EQ(client.ReadFrame(), "later");
  EXPECT_GE(std::chrono::steady_clock::now() - begin,
            std::chrono::milliseconds(60));
  // Another connection is not concerned, and the pause is over.
  client.SendFrame("again");
  EXPECT_EQ(client.ReadFrame(), "again");
}

TEST(FrameServerTest, RequestMemoryHoldsUpReadingAndLetsGoOn) {
  FrameServerOptions options;
  options.max_request_memory_bytes = 1000;
  TestServer server(options);
  Client first(server.port()), second(server.port());
  first.SendFrame(std::string(800, 'a'));
  Request held = server.Next();
  second.SendFrame(std::string(800, 'b'));
  ASSERT_TRUE(Eventually(
      [&] { return server.server->stats().request_memory_waits == 1; }));
  EXPECT_EQ(server.requests.size(), 0u);
  EXPECT_EQ(server.server->stats().request_memory_bytes, 800);
  held.reply->SendNothing();
  held.bytes = {};  // the memory, not the answer, is what counts
  Request next = server.Next();
  EXPECT_EQ(next.text, std::string(800, 'b'));
  next.reply->Send(Text("done"));
  EXPECT_EQ(second.ReadFrame(), "done");
}

TEST(FrameServerTest, AFrameLargerThanTheRequestMemoryPassesAlone) {
  FrameServerOptions options;
  options.max_request_memory_bytes = 100;
  TestServer server(options);
  server.on_frame = [](const auto&, Bytes frame, ReplyPtr reply) {
    reply->Send(Text(std::to_string(frame.size())));
  };
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      Client client(server.port());
      for (int n = 0; n < 20; ++n) {
        client.SendFrame(std::string(50'000, 'x'));
        ASSERT_EQ(client.ReadFrame(), "50000");
      }
    });
  }
  for (auto& client : clients) client.join();
}

TEST(FrameServerTest, AConnectionThatEndsWhileItWaitsForMemoryLeavesTheLine) {
  FrameServerOptions options;
  options.max_request_memory_bytes = 100;
  TestServer server(options);
  Client first(server.port()), second(server.port()), third(server.port());
  first.SendFrame(std::string(100, 'a'));
  Request held = server.Next();
  second.SendFrame("hello");
  ASSERT_TRUE(Eventually(
      [&] { return server.server->stats().request_memory_waits == 1; }));
  third.SendFrame("third");
  ASSERT_TRUE(Eventually(
      [&] { return server.server->stats().request_memory_waits == 2; }));
  second.Close();
  held.reply->SendNothing();
  held.bytes = {};
  // The second's frame may still come, or not; what was granted is given back.
  bool third_came = false;
  EXPECT_TRUE(Eventually([&] {
    if (auto request = server.requests.Take(std::chrono::milliseconds(0))) {
      third_came |= request->text == "third";
      request->reply->SendNothing();
    }
    return third_came && server.server->stats().request_memory_bytes == 0;
  }));
}

TEST(FrameServerTest, ASlowReaderGetsEverythingAndHoldsUpItsOwnRequestsOnly) {
  // Many times what the kernel's buffers hold.
  constexpr int kFrames = 100;
  const std::string payload(400'000, 's');
  FrameServerOptions options;
  options.pause_reading_at_unsent_bytes = 100'000;
  TestServer server(options);
  server.on_frame = [](const auto&, Bytes frame, ReplyPtr reply) {
    reply->Send(OutFrame(frame));
  };
  Client slow(server.port(), 64 << 10);
  std::thread writer([&] {
    for (int i = 0; i < kFrames; ++i) slow.SendFrame(payload);
  });
  Client quick(server.port());
  for (int i = 0; i < 10; ++i) {
    quick.SendFrame("quick");
    ASSERT_EQ(quick.ReadFrame(), "quick");
  }
  EXPECT_LT(server.server->stats().requests, kFrames);
  for (int i = 0; i < kFrames; ++i) ASSERT_TRUE(slow.ReadFrame() == payload);
  writer.join();
}

TEST(FrameServerTest, APeerThatTakesNothingIsClosed) {
  FrameServerOptions options;
  options.write_stall_timeout_ms = 50;
  TestServer server(options);
  Client client(server.port(), 4096);
  client.SendFrame("much please");
  server.Next().reply->Send(Text(std::string(32 << 20, 'm')));
  EXPECT_EQ(server.closes.Take(), CloseReason::kStalled);
}

TEST(FrameServerTest, EventsForAPeerThatTakesNothingAreBounded) {
  FrameServerOptions options;
  options.max_unsent_bytes = 10 << 20;
  TestServer server(options);
  Client client(server.port(), 4096);
  client.SendFrame("watch");
  Request request = server.Next();
  std::string event(1 << 20, 'e');
  for (int i = 0; i < 40; ++i) request.connection->Send(Text(event));
  EXPECT_EQ(server.closes.Take(), CloseReason::kOverflow);
}

TEST(FrameServerTest, APeerThatStopsInsideAFrameIsClosed) {
  FrameServerOptions options;
  options.read_stall_timeout_ms = 50;
  options.idle_timeout_ms = 0;
  TestServer server(options);
  Client client(server.port());
  client.Write(Framed("whole") + std::string("\0\0\0\x09half", 8));
  server.Next().reply->Send(Text("answer"));
  EXPECT_EQ(client.ReadFrame(), "answer");
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(server.closes.Take(), CloseReason::kStalled);
}

TEST(FrameServerTest, AnIdleConnectionIsClosedButNotOneWithWorkToDo) {
  FrameServerOptions options;
  options.idle_timeout_ms = 50;
  TestServer server(options);
  Client busy(server.port());
  busy.SendFrame("long work");
  Request request = server.Next();
  Client idle(server.port());
  EXPECT_TRUE(idle.ReadsEnd());
  EXPECT_EQ(server.closes.Take(), CloseReason::kIdle);
  request.reply->Send(Text("done"));
  EXPECT_EQ(busy.ReadFrame(), "done");
}

TEST(FrameServerTest, ConnectionsBeyondTheLimitOfAnAddressAreClosed) {
  FrameServerOptions options;
  options.max_connections_per_ip = 2;
  TestServer server(options);
  server.on_frame = [](const auto&, Bytes frame, ReplyPtr reply) {
    reply->Send(OutFrame(frame));
  };
  auto first = std::make_unique<Client>(server.port());
  Client second(server.port());
  Client third(server.port());
  EXPECT_TRUE(third.ReadsEnd());
  second.SendFrame("still here");
  EXPECT_EQ(second.ReadFrame(), "still here");
  first.reset();
  ASSERT_TRUE(
      Eventually([&] { return server.server->stats().connections_open == 1; }));
  Client fourth(server.port());
  fourth.SendFrame("room again");
  EXPECT_EQ(fourth.ReadFrame(), "room again");
  auto closed = server.server->stats().connections_closed;
  EXPECT_EQ(closed[static_cast<size_t>(CloseReason::kTooManyFromIp)], 1);
}

TEST(FrameServerTest, AnAddressMayHaveALimitOfItsOwn) {
  FrameServerOptions options;
  options.max_connections_per_ip = 5;
  options.max_connections_per_ip_overrides["127.0.0.1"] = 0;
  TestServer server(options);
  Client client(server.port());
  EXPECT_TRUE(client.ReadsEnd());
}

TEST(FrameServerTest, ConnectionsBeyondTheLimitOfAllAreClosed) {
  FrameServerOptions options;
  options.max_connections = 1;
  TestServer server(options);
  Client first(server.port());
  Client second(server.port());
  EXPECT_TRUE(second.ReadsEnd());
  first.SendFrame("in");
  EXPECT_EQ(server.Next().text, "in");
}

TEST(FrameServerTest, StopLetsRequestsInWorkBeAnswered) {
  TestServer server;
  Client busy(server.port()), idle(server.port());
  busy.SendFrame("question");
  Request request = server.Next();
  std::thread stopper([&] { server.server->Stop(20'000); });
  EXPECT_TRUE(idle.ReadsEnd());  // it is under way
  request.reply->Send(Text("answer"));
  EXPECT_EQ(busy.ReadFrame(), "answer");
  EXPECT_TRUE(busy.ReadsEnd());
  busy.Close();
  stopper.join();
  EXPECT_EQ(server.handlers_alive, 0);
}

TEST(FrameServerTest, StopEndsWhatIsNotAnsweredInTime) {
  TestServer server;
  Client client(server.port());
  client.SendFrame("question");
  Request request = server.Next();
  server.server->Stop(20);
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(server.handlers_alive, 0);
  EXPECT_EQ(server.closes.Take(), CloseReason::kServerStopped);
  request.reply->Send(Text("too late"));
}

TEST(FrameServerTest, StopWhileBusyIsClean) {
  for (int round = 0; round < 5; ++round) {
    FrameServerOptions options;
    options.loop_threads = 3;
    TestServer server(options);
    std::atomic<int> answered{0};
    Mailbox<ReplyPtr> later;
    server.on_frame = [&](const auto&, Bytes frame, ReplyPtr reply) {
      if (frame.size() % 2 == 0) {
        reply->Send(OutFrame(frame));
      } else {
        later.Put(std::move(reply));
      }
    };
    std::atomic<bool> over{false};
    std::thread answerer([&] {
      while (!over) {
        auto reply = later.Take(std::chrono::milliseconds(1));
        if (reply.has_value()) (*reply)->Send(Text("later"));
      }
    });
    std::vector<std::thread> clients;
    for (int c = 0; c < 4; ++c) {
      clients.emplace_back([&, c] {
        Client client(server.port());
        for (size_t n = static_cast<size_t>(c);; ++n) {
          if (!client.SendFrame(std::string(n % 3000, 'x'))) return;
          if (!client.ReadFrame().has_value()) return;
          ++answered;
        }
      });
    }
    ASSERT_TRUE(Eventually([&] { return answered > 200; }));
    server.server->Stop(0);
    for (auto& client : clients) client.join();
    over = true;
    answerer.join();
    EXPECT_EQ(server.handlers_alive, 0);
  }
}

TEST(FrameServerTest, ListenersAreToldApart) {
  FrameServerOptions options;
  options.listeners = {{"INSIDE", "127.0.0.1", 0}, {"OUTSIDE", "", 0}};
  TestServer server(options);
  Client inside(server.server->port(0)), outside(server.server->port(1));
  inside.SendFrame("x");
  Request request = server.Next();
  EXPECT_EQ(request.connection->info().listener, "INSIDE");
  EXPECT_EQ(request.connection->info().local_port, server.server->port(0));
  EXPECT_EQ(request.connection->info().peer_host, "127.0.0.1");
  uint64_t id = request.connection->info().id;
  request.reply->SendNothing();
  outside.SendFrame("y");
  Request other = server.Next();
  EXPECT_EQ(other.connection->info().listener, "OUTSIDE");
  EXPECT_EQ(other.connection->info().peer_host, "127.0.0.1");
  EXPECT_NE(other.connection->info().id, id);
  other.reply->SendNothing();
}

TEST(FrameServerTest, AHostNameAndAnIpv6AddressAreListenedOn) {
  FrameServerOptions options;
  options.listeners = {{"NAME", "localhost", 0}};
  TestServer server(options);
  Client client(server.port());
  client.SendFrame("by name");
  EXPECT_EQ(server.Next().text, "by name");

  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  bool has_ipv6 = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address),
                                  sizeof(address)) == 0;
  if (fd >= 0) close(fd);
  if (!has_ipv6) GTEST_SKIP() << "no IPv6 here";
  options.listeners = {{"SIX", "::1", 0}};
  TestServer six(options);
  fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin6_port = htons(static_cast<uint16_t>(six.port()));
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
            0);
  ASSERT_EQ(send(fd, "\0\0\0\1!", 5, MSG_NOSIGNAL), 5);
  Request request = six.Next();
  EXPECT_EQ(request.connection->info().peer_host, "::1");
  EXPECT_EQ(request.connection->info().peer,
            "[::1]:" + std::to_string(request.connection->info().peer_port));
  request.reply->SendNothing();
  close(fd);
}

TEST(FrameServerTest, WithoutFreeDescriptorsConnectionsAreClosedNotLeftHanging) {
  TestServer server;
  server.on_frame = [](const auto&, Bytes frame, ReplyPtr reply) {
    reply->Send(OutFrame(frame));
  };
  Client before(server.port());
  before.SendFrame("in");
  ASSERT_EQ(before.ReadFrame(), "in");

  int early = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit low = limit;
  low.rlim_cur = static_cast<rlim_t>(early) + 20;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  std::vector<int> taken;
  for (int fd = dup(early); fd >= 0; fd = dup(early)) taken.push_back(fd);
  {
    Client refused(early, server.port(), 0);
    // Its duplicates keep it open on our side only.
    EXPECT_TRUE(refused.ReadsEnd());
    before.SendFrame("still served");
    EXPECT_EQ(before.ReadFrame(), "still served");
  }
  for (int fd : taken) close(fd);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  Client after(server.port());
  after.SendFrame("room again");
  EXPECT_EQ(after.ReadFrame(), "room again");
}

TEST(FrameServerTest, AnAddressThatCannotBeHadIsNamed) {
  TestServer server;
  FrameServerOptions options;
  options.listeners = {{"A", "127.0.0.1", 0}, {"B", "127.0.0.1", server.port()}};
  auto second = FrameServer::Start(options, nullptr);
  ASSERT_FALSE(second.ok());
  std::string message(second.status().message());
  EXPECT_NE(message.find("127.0.0.1:" + std::to_string(server.port())),
            std::string::npos)
      << message;
  options.listeners = {{"C", "no.such.host.invalid", 0}};
  EXPECT_FALSE(FrameServer::Start(options, nullptr).ok());
}

TEST(FrameServerTest, MetricsSayWhatHappened) {
  MetricsRegistry registry;
  {
    FrameServerOptions options;
    options.name = "kafka";
    options.metrics = &registry;
    TestServer server(options);
    server.on_frame = [](const auto&, Bytes frame, ReplyPtr reply) {
      reply->Send(OutFrame(frame));
    };
    Client client(server.port());
    client.SendFrame("12345");
    EXPECT_EQ(client.ReadFrame(), "12345");
    ASSERT_TRUE(
        Eventually([&] { return server.server->stats().sent_bytes == 9; }));
    FrameServerStats stats = server.server->stats();
    EXPECT_EQ(stats.received_bytes, 9);
    EXPECT_EQ(stats.requests, 1);
    EXPECT_EQ(stats.connections_open, 1);
    EXPECT_EQ(stats.connections_accepted, 1);
  }
  std::string text = registry.Text();
  for (const char* line :
       {"sillok_net_requests_total{server=\"kafka\"} 1",
        "sillok_net_sent_bytes_total{server=\"kafka\"} 9",
        "sillok_net_connections{listener=\"TEST\",server=\"kafka\"} 0"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

}  // namespace
}  // namespace sillok::net
