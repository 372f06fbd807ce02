// Turns that another thread takes while the loop thread waits.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/net/frame_server.h"
#include "base/net/loop.h"
#include "gtest/gtest.h"
#include "test/base/net/frame_test_support.h"

namespace sillok::net {
namespace {

OutFrame Text(std::string text) { return OutFrame::FromString(std::move(text)); }

// Answers nothing by itself: frames and connections are kept for whoever has the
// turn. Nothing in it is guarded but by the turns.
class Kept {
 public:
  Kept() {
    FrameServerOptions options;
    options.listeners = {{"TEST", "127.0.0.1", 0}};
    options.loop = loop;
    auto started = FrameServer::Start(
        options, [this](const std::shared_ptr<Connection>& connection) {
          return std::make_unique<Handler>(this, connection);
        });
    CHECK(started.ok()) << started.status();
    server = *std::move(started);
  }
  ~Kept() {
    if (started_) server->Stop(0);
    loop->Join();
  }
  void Start() {
    started_ = true;
    loop->Start();
  }
  void AnswerAll(const std::string& prefix) {
    for (auto& [connection, text] : std::exchange(frames, {})) {
      connection->Send(Text(prefix + text));
      ++answered;
    }
  }

  std::shared_ptr<Loop> loop = std::make_shared<Loop>("kept", 64);
  std::unique_ptr<FrameServer> server;
  std::vector<std::pair<std::shared_ptr<Connection>, std::string>> frames;
  int answered = 0;
  std::atomic<int> waiting{0};  // frames that were seen

 private:
  class Handler final : public FrameHandler {
   public:
    Handler(Kept* owner, std::shared_ptr<Connection> connection)
        : owner_(owner), connection_(std::move(connection)) {}
    bool WantsReplies() const override { return false; }
    void OnFrame(Bytes frame, ReplyPtr) override {
      owner_->frames.emplace_back(connection_, frame.ToString());
      ++owner_->waiting;
    }

   private:
    Kept* const owner_;
    const std::shared_ptr<Connection> connection_;
  };
  bool started_ = false;
};

TEST(LoopTurnTest, WhatATurnElsewhereSendsLeavesWithoutTheLoopThread) {
  Kept kept;
  kept.Start();
  Client client(kept.server->port());
  ASSERT_TRUE(client.SendFrame("question"));
  ASSERT_TRUE(Eventually([&] { return kept.waiting == 1; }));
  const std::thread::id here = std::this_thread::get_id();
  std::thread::id there;
  const int64_t wakeups = kept.loop->wakeups();
  ASSERT_TRUE(Eventually([&] {
    return kept.loop->TryTurn([&] {
      there = std::this_thread::get_id();
      kept.AnswerAll("re ");
    });
  }));
  EXPECT_EQ(there, here);
  EXPECT_EQ(client.ReadFrame(), "re question");
  EXPECT_EQ(kept.loop->wakeups(), wakeups);
  // The connection is the loop thread's as before.
  ASSERT_TRUE(client.SendFrame("another"));
  ASSERT_TRUE(Eventually([&] { return kept.waiting == 2; }));
  kept.loop->Post([&] { kept.AnswerAll("and "); });
  EXPECT_EQ(client.ReadFrame(), "and another");
}

TEST(LoopTurnTest, ATurnElsewhereFirstDoesWhatWasHandedOver) {
  Kept kept;
  kept.Start();
  for (int round = 0; round < 200; ++round) {
    std::vector<int> order;
    Mailbox<int> done;
    kept.loop->Post([&] { order.push_back(1); });
    kept.loop->Post([&] {
      order.push_back(2);
      done.Put(0);
    });
    while (!kept.loop->TryTurn([&] { order.push_back(3); })) {
      std::this_thread::yield();
    }
    ASSERT_TRUE(done.Take().has_value());
    ASSERT_EQ(order, (std::vector<int>{1, 2, 3}));
  }
}

TEST(LoopTurnTest, ThereIsNoneWhileTheLoopIsInOne) {
  Mailbox<int> inside, go_on;
  Kept kept;
  kept.Start();
  kept.loop->Post([&] {
    inside.Put(0);
    go_on.Take();
  });
  ASSERT_TRUE(inside.Take().has_value());
  bool ran = false;
  EXPECT_FALSE(kept.loop->TryTurn([&] { ran = true; }));
  EXPECT_FALSE(ran);
  go_on.Put(0);
}

TEST(LoopTurnTest, ThereIsNoneBeforeTheLoopRunsAndAfterItsEnd) {
  Kept kept;
  bool ran = false;
  EXPECT_FALSE(kept.loop->TryTurn([&] { ran = true; }));
  kept.Start();
  EXPECT_TRUE(Eventually([&] { return kept.loop->TryTurn([] {}); }));
  kept.server->Stop(0);
  kept.loop->Join();
  EXPECT_FALSE(kept.loop->TryTurn([&] { ran = true; }));
  EXPECT_FALSE(ran);
}

TEST(LoopTurnTest, OnlyOneIsInATurnAtATime) {
  Kept kept;
  kept.Start();
  std::atomic<bool> stop{false};
  int unguarded = 0;
  std::atomic<int> counted{0};
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      while (!stop) {
        auto task = [&] {
          ++unguarded;
          ++counted;
          kept.AnswerAll("re ");
          kept.loop->LingerAfterTurn();
        };
        if (!kept.loop->TryTurn(task)) kept.loop->Post(task);
        std::this_thread::yield();
      }
    });
  }
  Client client(kept.server->port());
  constexpr int kQuestions = 2'000;
  for (int i = 0; i < kQuestions; ++i) {
    const std::string text = std::to_string(i);
    ASSERT_TRUE(client.SendFrame(text));
    ASSERT_EQ(client.ReadFrame(), "re " + text);
  }
  stop = true;
  for (std::thread& other : others) other.join();
  Mailbox<int> seen;
  kept.loop->Post([&] {
    EXPECT_EQ(kept.answered, kQuestions);
    seen.Put(unguarded);
  });
  EXPECT_EQ(seen.Take(), counted.load());
}

}  // namespace
}  // namespace sillok::net
